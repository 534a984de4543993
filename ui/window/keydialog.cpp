#include "ui/window/keydialog.h"

#include <QAction>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QVBoxLayout>

#include "ui/window/commandpalette.h"

namespace flextron::ui {

namespace {

constexpr const char* kDefaultKeys = "flextronDefaultKeys";

QList<QAction*> namedActions(const QMainWindow* window)
{
    QList<QAction*> named;
    for (QAction* action : listedActions(window)) {
        if (!action->objectName().isEmpty()) named << action;
    }
    return named;
}

QKeySequence defaultKeys(const QAction* action)
{
    return QKeySequence::fromString(action->property(kDefaultKeys).toString(), QKeySequence::PortableText);
}

QString settingName(const QAction* action)
{
    return QStringLiteral("keys/") + action->objectName();
}

} // namespace

void readKeys(QMainWindow* window, const QSettings& settings)
{
    for (QAction* action : namedActions(window)) {
        action->setProperty(kDefaultKeys, action->shortcut().toString(QKeySequence::PortableText));
        const QVariant kept = settings.value(settingName(action));
        if (kept.isValid()) action->setShortcut(QKeySequence::fromString(kept.toString(), QKeySequence::PortableText));
    }
}

void writeKeys(const QMainWindow* window, QSettings& settings)
{
    for (const QAction* action : namedActions(window)) {
        if (action->shortcut() == defaultKeys(action)) settings.remove(settingName(action));
        else settings.setValue(settingName(action), action->shortcut().toString(QKeySequence::PortableText));
    }
}

KeyDialog::KeyDialog(QMainWindow* window)
    : QDialog(window)
    , window_(window)
    , table_(new QTableWidget(0, 2))
    , keys_(new QKeySequenceEdit)
    , reset_(new QPushButton(tr("As It Was")))
    , problem_(new QLabel)
{
    setObjectName(QStringLiteral("keyDialog"));
    setWindowTitle(tr("Keys"));
    table_->setAccessibleName(tr("Actions and their keys"));
    table_->setHorizontalHeaderLabels({tr("Action"), tr("Keys")});
    table_->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
    table_->verticalHeader()->hide();
    table_->setSelectionBehavior(QAbstractItemView::SelectRows);
    table_->setSelectionMode(QAbstractItemView::SingleSelection);
    table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
    keys_->setAccessibleName(tr("Keys of the selected action"));
    problem_->setWordWrap(true);
    auto* label = new QLabel(tr("Press the keys:"));
    label->setBuddy(keys_);
    auto* row = new QHBoxLayout;
    row->addWidget(label);
    row->addWidget(keys_, 1);
    row->addWidget(reset_);
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(table_, 1);
    layout->addLayout(row);
    layout->addWidget(problem_);
    resize(fontMetrics().averageCharWidth() * 80, fontMetrics().height() * 26);
    connect(table_, &QTableWidget::itemSelectionChanged, this, &KeyDialog::showRow);
    connect(keys_, &QKeySequenceEdit::editingFinished, this, [this] {
        if (QAction* action = current()) assign(action, keys_->keySequence());
    });
    connect(reset_, &QPushButton::clicked, this, [this] {
        if (QAction* action = current()) assign(action, defaultKeys(action));
    });
}

void KeyDialog::open()
{
    fill();
    show();
    raise();
}

void KeyDialog::fill()
{
    actions_ = namedActions(window_);
    table_->setRowCount(static_cast<int>(actions_.size()));
    for (int row = 0; row < table_->rowCount(); ++row) {
        const QAction* action = actions_.at(row);
        auto* name = new QTableWidgetItem(actionTitle(action));
        name->setToolTip(action->statusTip());
        table_->setItem(row, 0, name);
        table_->setItem(row, 1, new QTableWidgetItem(action->shortcut().toString(QKeySequence::NativeText)));
    }
    if (table_->currentRow() < 0) table_->selectRow(0);
}

QAction* KeyDialog::current() const
{
    return table_->currentRow() >= 0 && table_->currentRow() < actions_.size() ? actions_.at(table_->currentRow())
                                                                               : nullptr;
}

void KeyDialog::showRow()
{
    if (const QAction* action = current()) keys_->setKeySequence(action->shortcut());
    problem_->clear();
}

bool KeyDialog::assign(QAction* action, const QKeySequence& keys)
{
    problem_->clear();
    for (const QAction* other : namedActions(window_)) {
        if (other == action || keys.isEmpty() || other->shortcut() != keys) continue;
        problem_->setText(tr("%1 belongs to “%2”. Give that other keys first.")
                              .arg(keys.toString(QKeySequence::NativeText), actionTitle(other)));
        return false;
    }
    action->setShortcut(keys);
    fill();
    return true;
}

} // namespace flextron::ui
