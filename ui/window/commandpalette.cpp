#include "ui/window/commandpalette.h"

#include <algorithm>

#include <QAction>
#include <QKeyEvent>
#include <QMenu>
#include <QMenuBar>
#include <QTimer>
#include <QVBoxLayout>

namespace flextron::ui {

namespace {

void addFrom(const QList<QAction*>& actions, QList<QAction*>& found)
{
    for (QAction* action : actions) {
        if (action->menu() != nullptr) addFrom(action->menu()->actions(), found);
        else if (!action->isSeparator() && !action->text().isEmpty() && !found.contains(action)) found << action;
    }
}

} // namespace

QList<QAction*> listedActions(const QMainWindow* window)
{
    QList<QAction*> found;
    addFrom(window->actions(), found);
    addFrom(window->menuBar()->actions(), found);
    std::sort(found.begin(), found.end(),
              [](const QAction* a, const QAction* b) { return actionTitle(a).localeAwareCompare(actionTitle(b)) < 0; });
    return found;
}

QString actionTitle(const QAction* action)
{
    return action->text().remove(QLatin1Char('&')).remove(QStringLiteral("…"));
}

bool matches(const QString& typed, const QString& text)
{
    const QStringList words = typed.split(QLatin1Char(' '), Qt::SkipEmptyParts);
    return std::all_of(words.begin(), words.end(),
                       [&](const QString& word) { return text.contains(word, Qt::CaseInsensitive); });
}

CommandPalette::CommandPalette(QMainWindow* window)
    : QDialog(window)
    , window_(window)
    , line_(new QLineEdit)
    , list_(new QListWidget)
{
    setObjectName(QStringLiteral("commandPalette"));
    setWindowTitle(tr("Commands"));
    line_->setAccessibleName(tr("Part of a command's name"));
    line_->setPlaceholderText(tr("Type a part of a command's name"));
    list_->setAccessibleName(tr("Commands"));
    line_->installEventFilter(this);
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(line_);
    layout->addWidget(list_);
    resize(fontMetrics().averageCharWidth() * 70, fontMetrics().height() * 20);
    connect(line_, &QLineEdit::textChanged, this, &CommandPalette::fill);
    connect(line_, &QLineEdit::returnPressed, this, &CommandPalette::choose);
    connect(list_, &QListWidget::itemActivated, this, &CommandPalette::choose);
}

void CommandPalette::open()
{
    line_->clear();
    fill();
    line_->setFocus();
    show();
    raise();
    activateWindow();
}

void CommandPalette::fill()
{
    list_->clear();
    shown_.clear();
    const QString typed = line_->text().remove(QStringLiteral("…")); // as it stands in the menu
    QList<QAction*> found = listedActions(window_);
    found.removeIf([&](const QAction* action) {
        return !matches(typed, actionTitle(action) + QLatin1Char(' ') + action->statusTip());
    });
    // Who writes a name means the command of that name, not one whose help has the same words.
    std::stable_partition(found.begin(), found.end(),
                          [&](const QAction* action) { return matches(typed, actionTitle(action)); });
    std::stable_partition(found.begin(), found.end(), [&](const QAction* action) {
        return actionTitle(action).startsWith(typed, Qt::CaseInsensitive);
    });
    for (QAction* action : found) {
        const QString title = actionTitle(action);
        const QString keys = action->shortcut().toString(QKeySequence::NativeText);
        auto* item = new QListWidgetItem(keys.isEmpty() ? title : QStringLiteral("%1    %2").arg(title, keys), list_);
        item->setToolTip(action->statusTip());
        if (!action->isEnabled()) item->setFlags(item->flags() & ~Qt::ItemIsEnabled);
        shown_ << action;
    }
    for (int row = 0; row < list_->count(); ++row) {
        if (!list_->item(row)->flags().testFlag(Qt::ItemIsEnabled)) continue;
        list_->setCurrentRow(row);
        break;
    }
}

void CommandPalette::choose()
{
    const int row = list_->currentRow();
    hide();
    if (row < 0 || row >= shown_.size()) return;
    // After this dialog is gone: the action may want the focus, or open another.
    QTimer::singleShot(0, window_, [action = shown_.at(row)] {
        if (action && action->isEnabled()) action->trigger();
    });
}

bool CommandPalette::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == line_ && event->type() == QEvent::KeyPress) {
        const int key = static_cast<QKeyEvent*>(event)->key();
        const int step = key == Qt::Key_Down ? 1 : key == Qt::Key_Up ? -1 : 0;
        for (int row = list_->currentRow() + step; step != 0 && row >= 0 && row < list_->count(); row += step) {
            if (!list_->item(row)->flags().testFlag(Qt::ItemIsEnabled)) continue;
            list_->setCurrentRow(row);
            break;
        }
        if (step != 0) return true;
    }
    return QDialog::eventFilter(watched, event);
}

} // namespace flextron::ui
