// Notes in Markdown, kept in the session, with links that work the window.
#pragma once

#include <set>

#include <QPlainTextEdit>
#include <QStackedWidget>
#include <QTextBrowser>
#include <QToolButton>
#include <QWidget>

namespace flextron::ui {

/// Links do something to the window (MainWindow::followLink); hidden parts open on a click (ui/window/notesmarkup.h).
class NotesPanel final : public QWidget {
    Q_OBJECT

public:
    explicit NotesPanel(QWidget* parent = nullptr);

    [[nodiscard]] QString notes() const { return editor_->toPlainText(); }
    /// Shown as they read; empty ones as a place to write.
    void setNotes(const QString& notes);
    [[nodiscard]] QString shown() const { return browser_->toPlainText(); }

signals:
    /// "set:budget=0.5"
    void linkFollowed(const QString& link);
    void edited();

private:
    void setEditing(bool editing);
    void follow(const QUrl& link);
    void showNotes();

    QStackedWidget* stack_;
    QPlainTextEdit* editor_;
    QTextBrowser* browser_;
    QToolButton* edit_;
    std::set<int> open_; ///< hidden parts that were opened
};

} // namespace flextron::ui
