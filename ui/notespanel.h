// Notes in Markdown, kept in the session, with links that work the window.
#pragma once

#include <QPlainTextEdit>
#include <QStackedWidget>
#include <QTextBrowser>
#include <QToolButton>
#include <QWidget>

namespace flextron::ui {

/// Links: [half](set:budget=0.5), [run](do:run), [read](do:read), [here](select:token=18), [layer 3](select:layer=3).
class NotesPanel final : public QWidget {
    Q_OBJECT

public:
    explicit NotesPanel(QWidget* parent = nullptr);

    [[nodiscard]] QString notes() const { return editor_->toPlainText(); }
    /// Shown as they read; empty ones as a place to write.
    void setNotes(const QString& notes);

signals:
    /// "set:budget=0.5"
    void linkFollowed(const QString& link);
    void edited();

private:
    void setEditing(bool editing);

    QStackedWidget* stack_;
    QPlainTextEdit* editor_;
    QTextBrowser* browser_;
    QToolButton* edit_;
};

} // namespace flextron::ui
