#include "ui/parts/filelist.h"

#include <QDragEnterEvent>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLocale>
#include <QMimeData>
#include <QPushButton>
#include <QShortcut>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include "ui/parts/askforfile.h"

namespace flextron::ui {

namespace {
constexpr int kName = 0;
constexpr int kShare = 1;
constexpr int kRows = 3; // that are seen at once
} // namespace

FileList::FileList(const QString& what, const QString& empty, const QString& filter, bool shares, QWidget* parent)
    : QWidget(parent)
    , what_(what)
    , filter_(filter)
    , shares_(shares)
    , list_(new QTreeWidget)
{
    setAcceptDrops(true);
    list_->setAccessibleName(what);
    list_->setRootIsDecorated(false);
    list_->setUniformRowHeights(true);
    list_->setColumnCount(shares ? 2 : 1);
    list_->setHeaderLabels(shares ? QStringList{tr("File"), tr("Share")} : QStringList{tr("File")});
    list_->setHeaderHidden(!shares);
    list_->header()->setStretchLastSection(false);
    list_->header()->setSectionResizeMode(kName, QHeaderView::Stretch);
    if (shares)
        list_->headerItem()->setToolTip(
            kShare, tr("Double click or F2: how much of what is read comes from this text; none: by the files' sizes"));
    list_->setFixedHeight(fontMetrics().height() * (kRows + (shares ? 1 : 0)) * 3 / 2);
    list_->setTabKeyNavigation(false);
    hint_ = new QLabel(empty);
    hint_->setWordWrap(true);
    auto* add = new QPushButton(tr("Add…"));
    add->setAccessibleName(tr("Add to: %1").arg(what));
    remove_ = new QPushButton(tr("Remove"));
    remove_->setAccessibleName(tr("Remove from: %1").arg(what));
    auto* buttons = new QVBoxLayout;
    buttons->addWidget(add);
    buttons->addWidget(remove_);
    buttons->addStretch(1);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(0, 0, 0, 0);
    row->addWidget(list_, 1);
    row->addLayout(buttons);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addLayout(row);
    layout->addWidget(hint_);
    setFocusProxy(list_);
    connect(add, &QPushButton::clicked, this, &FileList::ask);
    connect(remove_, &QPushButton::clicked, this, &FileList::removeChosen);
    connect(list_, &QTreeWidget::itemSelectionChanged, this,
            [this] { remove_->setEnabled(!list_->selectedItems().isEmpty()); });
    connect(list_, &QTreeWidget::itemChanged, this, &FileList::edited);
    if (!shares_) {
        follow();
        return;
    }
    list_->setEditTriggers(QAbstractItemView::NoEditTriggers); // the share alone, and only on purpose
    const auto edit = [this](QTreeWidgetItem* item) {
        if (item != nullptr) list_->editItem(item, kShare);
    };
    connect(list_, &QTreeWidget::itemDoubleClicked, this, edit);
    auto* key = new QShortcut(Qt::Key_F2, list_, nullptr, nullptr, Qt::WidgetShortcut);
    connect(key, &QShortcut::activated, this, [this, edit] { edit(list_->currentItem()); });
    follow();
}

void FileList::follow()
{
    hint_->setVisible(list_->topLevelItemCount() == 0);
    remove_->setEnabled(!list_->selectedItems().isEmpty());
}

void FileList::add(const QString& file, std::optional<double> share)
{
    {
        const QSignalBlocker quiet(list_); // one change, not one a column
        auto* item = new QTreeWidgetItem(list_, {file});
        item->setToolTip(kName, file);
        item->setData(kName, Qt::DisplayRole, QFileInfo(file).fileName());
        item->setData(kName, Qt::UserRole, file);
        if (shares_) {
            item->setFlags(item->flags() | Qt::ItemIsEditable);
            item->setText(kShare, share ? QLocale().toString(*share) : QString());
        }
    }
    follow();
    emit edited();
}

void FileList::clear()
{
    list_->clear();
    follow();
    emit edited();
}

QStringList FileList::files() const
{
    QStringList files;
    for (int i = 0; i < list_->topLevelItemCount(); ++i)
        files << list_->topLevelItem(i)->data(kName, Qt::UserRole).toString();
    return files;
}

std::optional<double> FileList::share(int i) const
{
    bool ok = false;
    const double share = shares_ ? QLocale().toDouble(list_->topLevelItem(i)->text(kShare), &ok) : 0;
    return ok && share > 0 ? std::optional(share) : std::nullopt;
}

void FileList::ask()
{
    askForFile(this, {FileQuestion::Kind::Open, what_, filter_, {}, {}}, [this](const QString& file) { add(file); });
}

void FileList::removeChosen()
{
    qDeleteAll(list_->selectedItems());
    follow();
    emit edited();
}

void FileList::dragEnterEvent(QDragEnterEvent* event)
{
    if (event->mimeData()->hasUrls()) event->acceptProposedAction();
}

void FileList::dropEvent(QDropEvent* event)
{
    for (const QUrl& url : event->mimeData()->urls())
        if (QFileInfo(url.toLocalFile()).isFile()) add(QFileInfo(url.toLocalFile()).absoluteFilePath());
    event->acceptProposedAction();
}

} // namespace flextron::ui
