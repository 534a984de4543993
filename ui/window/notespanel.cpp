#include "ui/window/notespanel.h"

#include <QHBoxLayout>
#include <QScrollBar>
#include <QUrl>
#include <QVBoxLayout>

#include "ui/window/notesmarkup.h"

namespace flextron::ui {

NotesPanel::NotesPanel(QWidget* parent)
    : QWidget(parent)
    , stack_(new QStackedWidget)
    , editor_(new QPlainTextEdit)
    , browser_(new QTextBrowser)
    , edit_(new QToolButton)
{
    editor_->setObjectName(QStringLiteral("notesEdit"));
    editor_->setAccessibleName(tr("Notes, as they are written"));
    editor_->setTabChangesFocus(true);
    editor_->setPlaceholderText(tr("Notes in Markdown; the session keeps them. Links work the window: "
                                   "[half](set:budget=0.5), [run](do:run), [this word](select:token=18)."));
    browser_->setAccessibleName(tr("Notes"));
    browser_->setOpenLinks(false);
    edit_->setText(tr("Edit"));
    edit_->setAccessibleName(tr("Edit the notes"));
    edit_->setCheckable(true);
    stack_->addWidget(browser_);
    stack_->addWidget(editor_);
    auto* bar = new QHBoxLayout;
    bar->addStretch(1);
    bar->addWidget(edit_);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addLayout(bar);
    layout->addWidget(stack_, 1);
    connect(edit_, &QToolButton::toggled, this, &NotesPanel::setEditing);
    connect(editor_, &QPlainTextEdit::textChanged, this, &NotesPanel::edited);
    connect(browser_, &QTextBrowser::anchorClicked, this, &NotesPanel::follow);
    setNotes({});
}

void NotesPanel::setNotes(const QString& notes)
{
    editor_->setPlainText(notes);
    open_.clear();
    edit_->setChecked(notes.isEmpty());
    setEditing(notes.isEmpty());
}

void NotesPanel::setEditing(bool editing)
{
    if (!editing) showNotes();
    stack_->setCurrentIndex(editing ? 1 : 0);
}

void NotesPanel::follow(const QUrl& link)
{
    if (link.scheme() != QLatin1String("toggle")) {
        emit linkFollowed(link.toString(QUrl::FullyEncoded));
        return;
    }
    const int part = link.path().toInt();
    if (!open_.insert(part).second) open_.erase(part);
    const int at = browser_->verticalScrollBar()->value();
    showNotes();
    browser_->verticalScrollBar()->setValue(at);
}

void NotesPanel::showNotes()
{
    browser_->setMarkdown(visibleNotes(notes(), open_));
}

} // namespace flextron::ui
