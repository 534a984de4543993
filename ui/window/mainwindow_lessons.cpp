// What somebody new to the program meets: the first start, hints, prompts to pick from, lessons.
#include "ui/window/mainwindow.h"

#include <QAction>
#include <QDockWidget>
#include <QMenu>

#include "engine/base/files.h"
#include "ui/compare/promptpanel.h"
#include "ui/data/targetmath.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/hintbar.h"
#include "ui/window/lessons.h"
#include "ui/window/notespanel.h"

namespace flextron::ui {

namespace {

constexpr double kFirstBudget = 0.6; // narrow enough for two texts to part soon

/// A model that comes with the program.
bool isBundled(const ModelInfo& model)
{
    const auto relative = model.checkpoint->folder().lexically_relative(resourceFolder());
    return !relative.empty() && *relative.begin() != "..";
}

} // namespace

void MainWindow::makeLessons()
{
    lessons_menu_ = new QMenu(tr("&Lessons"), this);
    int number = 0;
    for (const Lesson& lesson : findLessons()) {
        QAction* action = makeAction("lesson", tr("Lesson: %1").arg(lesson.title), {},
                                     tr("Open a lesson of 20 minutes: a session whose notes lead through the window"));
        action->setObjectName(QStringLiteral("lesson%1").arg(++number));
        connect(action, &QAction::triggered, this, [this, file = lesson.file] { files_->openLesson(file); });
        lessons_menu_->addAction(action);
    }
    lessons_menu_->setEnabled(!lessons_menu_->isEmpty());
}

HintBar* MainWindow::makeHints()
{
    std::vector<HintBar::Hint> hints{
        {QStringLiteral("run"),
         tr("F5 lets the model go on with the prompt twice: whole, and at the width that the sliders ask for."),
         run_action_, nullptr},
        {QStringLiteral("drag"),
         tr("Drag Latency, Parameters or Quality: the live text is written anew while you drag. The ring is what you "
            "ask for, the dot what runs."),
         nullptr, nullptr},
        {QStringLiteral("select"),
         tr("Click a word of the live text: every view shows that token, the heatmap how wide each layer was for it."),
         nullptr, nullptr},
        {QStringLiteral("pin"), tr("Keep this width in a pane of its own, then go on dragging and compare."),
         pin_action_, nullptr},
        {QStringLiteral("lesson"), tr("There are lessons of 20 minutes each, for yourself or a class."), nullptr,
         lessons_menu_},
    };
    auto* bar = new HintBar(std::move(hints));
    connect(service_, &EngineService::runFinished, bar, [this, bar] {
        if (comparison_->pane(PaneSlot::Full).complete()) bar->tried(QStringLiteral("run"));
    });
    connect(comparison_, &Comparison::changed, bar, [this, bar] {
        if (comparison_->target().value < 1.0) bar->tried(QStringLiteral("drag"));
        if (!comparison_->pins().empty()) bar->tried(QStringLiteral("pin"));
    });
    connect(selection_, &Selection::changed, bar, [bar](const SelectionState& state) {
        if (state.primary >= 0) bar->tried(QStringLiteral("select"));
    });
    for (QAction* lesson : lessons_menu_->actions())
        connect(lesson, &QAction::triggered, bar, [bar] { bar->tried(QStringLiteral("lesson")); });
    hints_action_ = makeAction("hints", tr("H&ints"), {}, tr("Show from the beginning what there is to try"));
    connect(hints_action_, &QAction::triggered, bar, [bar] { bar->setNext(0); });
    return bar;
}

void MainWindow::quietHints()
{
    hints_->setQuiet(layout_ == Layout::Teach || !service_->model());
}

void MainWindow::beginFirstStart(const ModelInfo& model)
{
    quietHints();
    prompt_->setHint(model.card.isEmpty() ? tr("The model goes on with your text, word by word.") : model.card);
    prompt_->setPrompts(promptsFor(model.name));
    if (!std::exchange(first_start_, false) || !isBundled(model) || !model.dynamic_routers) return;
    // A stop that the routers were trained for: the text is the same on every machine.
    const double share = shareOfBudget(model.dynamic_stops, kFirstBudget);
    comparison_->setTarget(targetFor(TargetAxis::Latency, share, Routing::Dynamic));
}

void MainWindow::showNotes()
{
    constexpr int kLetters = 46; // a line of notes
    for (QDockWidget* dock : docks_) {
        if (dock->objectName() != QLatin1String("notesDock")) continue;
        dock->show();
        dock->raise();
        resizeDocks({dock}, {fontMetrics().averageCharWidth() * kLetters}, Qt::Horizontal);
    }
}

} // namespace flextron::ui
