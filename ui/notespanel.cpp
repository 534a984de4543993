#include "ui/notespanel.h"

#include <QHBoxLayout>
#include <QVBoxLayout>

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
    connect(browser_, &QTextBrowser::anchorClicked, this,
            [this](const QUrl& url) { emit linkFollowed(url.toString()); });
    setNotes({});
}

void NotesPanel::setNotes(const QString& notes)
{
    editor_->setPlainText(notes);
    edit_->setChecked(notes.isEmpty());
    setEditing(notes.isEmpty());
}

void NotesPanel::setEditing(bool editing)
{
    if (!editing) browser_->setMarkdown(notes());
    stack_->setCurrentIndex(editing ? 1 : 0);
}

} // namespace flextron::ui
