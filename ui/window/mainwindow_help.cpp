// Finding things: commands by name, keys, help, terms, and what this program is.
#include "ui/window/mainwindow.h"

#include <QAction>
#include <QMenu>
#include <QMessageBox>
#include <QWhatsThis>

#include "engine/base/version.h"
#include "ui/window/commandpalette.h"
#include "ui/window/help.h"
#include "ui/window/keydialog.h"

namespace flextron::ui {

void MainWindow::makeHelpActions()
{
    commands_action_ = makeAction("commands", tr("&Commands…"), Qt::CTRL | Qt::SHIFT | Qt::Key_P,
                                  tr("Find any command by its name"));
    keys_action_ = makeAction("keys", tr("&Keys…"), {}, tr("See and change which keys do what"));
    help_action_ = makeAction("help", tr("&Help on This"), QKeySequence::HelpContents,
                              tr("Say what the control that has the keyboard is"));
    whats_this_action_ = makeAction("whatsThis", tr("&What's This?"), Qt::SHIFT | Qt::Key_F1,
                                    tr("Point at a control to hear what it is"));
    glossary_action_ = makeAction("glossary", tr("&Terms"), Qt::CTRL | Qt::Key_F1,
                                  tr("What the words on the screen mean, and where they come from"));
    connect(commands_action_, &QAction::triggered, this, [this] {
        if (command_palette_ == nullptr) command_palette_ = new CommandPalette(this);
        command_palette_->open();
    });
    connect(keys_action_, &QAction::triggered, this, [this] {
        if (key_dialog_ == nullptr) key_dialog_ = new KeyDialog(this);
        key_dialog_->open();
    });
    connect(help_action_, &QAction::triggered, this, [this] { showHelp(this); });
    connect(whats_this_action_, &QAction::triggered, this, [] { QWhatsThis::enterWhatsThisMode(); });
    connect(glossary_action_, &QAction::triggered, this, [this] {
        auto* glossary = new Glossary(this);
        glossary->setAttribute(Qt::WA_DeleteOnClose);
        glossary->show();
    });
}

void MainWindow::makeHelpMenu(QMenu* help)
{
    help->addActions({help_action_, whats_this_action_, glossary_action_});
    help->addMenu(lessons_menu_);
    help->addAction(hints_action_);
    help->addSeparator();
    help->addActions({commands_action_, keys_action_});
    help->addSeparator();
    help->addAction(about_action_);
    QAction* about_qt = help->addAction(tr("About &Qt"));
    about_qt->setStatusTip(tr("The library that draws this window"));
    connect(about_qt, &QAction::triggered, this, [this] {
        showBox(tr("About Qt"),
                tr("<p>This window is drawn by Qt %1, free software under the GNU Lesser General Public "
                   "License, version 3.</p>")
                    .arg(QLatin1String(qVersion())));
    });
}

// Not exec(): the window goes on.
void MainWindow::showBox(const QString& title, const QString& text)
{
    auto* box = new QMessageBox(QMessageBox::NoIcon, title, text, QMessageBox::Ok, this);
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->open();
}

void MainWindow::showAbout()
{
    showBox(tr("About Flextron Explorer"),
            tr("<h3>Flextron Explorer %1</h3><p>Elastic language models: nested sub-networks inside one set "
               "of weights, chosen while they "
               "run. After Cai et al., “Flextron: Many-in-One Flexible Large Language Model”, ICML 2024.</p>"
               "<p>Free software under the GNU General Public License, version 3 or later.</p>")
                .arg(QLatin1String(version)));
}

QString MainWindow::panelHelp(const QString& name)
{
    if (name == QLatin1String("subNetworkDock"))
        return tr("How much of the model runs. Hollow: what you ask; solid: what runs. Ticks are what can be had; the "
                  "hatched stretch cannot be reached.");
    if (name == QLatin1String("modelDock")) return tr("What is open, and where it runs.");
    if (name == QLatin1String("samplingDock")) return tr("How tokens are drawn, and when a text ends.");
    if (name == QLatin1String("heatmapDock"))
        return tr(
            "A column for each token, a row for each layer: how wide each was computed, from the run that made the "
            "text.");
    if (name == QLatin1String("tokenDock"))
        return tr("The selected token: what else was likely, and how the texts are coloured.");
    if (name == QLatin1String("whyDock")) return tr("Why the routers chose these widths for the selected cell.");
    if (name == QLatin1String("ledgerDock"))
        return tr("From the budget that was asked for to the time that was taken.");
    if (name == QLatin1String("runDock"))
        return tr("How a conversion goes, or went: losses, costs, routers, step by step.");
    if (name == QLatin1String("corpusDock"))
        return tr("What the routers choose while they read texts, layer by layer, and whether it is worth anything.");
    if (name == QLatin1String("notesDock")) return tr("Notes in Markdown, kept in the session.");
    return {};
}

} // namespace flextron::ui
