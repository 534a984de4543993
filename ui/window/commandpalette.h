// Every action of the window by its name: type, choose, done.
#pragma once

#include <QDialog>
#include <QLineEdit>
#include <QListWidget>
#include <QMainWindow>
#include <QPointer>

namespace flextron::ui {

/// All actions that can be named: those of the window and of its menus, each once, in the order of their texts.
QList<QAction*> listedActions(const QMainWindow* window);
/// "&Open Model…" as it is read.
QString actionTitle(const QAction* action);
/// Every word of `typed` is somewhere in `text`, whatever its case.
bool matches(const QString& typed, const QString& text);

class CommandPalette final : public QDialog {
    Q_OBJECT

public:
    explicit CommandPalette(QMainWindow* window);

    void open() override;
    [[nodiscard]] QLineEdit* line() const { return line_; }
    [[nodiscard]] QListWidget* list() const { return list_; }

private:
    void fill();
    void choose();
    bool eventFilter(QObject* watched, QEvent* event) override;

    QMainWindow* window_;
    QLineEdit* line_;
    QListWidget* list_;
    QList<QPointer<QAction>> shown_;
};

} // namespace flextron::ui
