// Which keys do what; every action can have others.
#pragma once

#include <QDialog>
#include <QKeySequenceEdit>
#include <QLabel>
#include <QMainWindow>
#include <QPushButton>
#include <QSettings>
#include <QTableWidget>

namespace flextron::ui {

/// Actions with a name of their own; their first shortcut is remembered as the default. Keys that were kept are given.
void readKeys(QMainWindow* window, const QSettings& settings);
void writeKeys(const QMainWindow* window, QSettings& settings);

class KeyDialog final : public QDialog {
    Q_OBJECT

public:
    explicit KeyDialog(QMainWindow* window);

    void open() override;
    /// Gives `action` these keys; refused, with the reason said, where another has them.
    bool assign(QAction* action, const QKeySequence& keys);
    [[nodiscard]] QString problem() const { return problem_->text(); }

private:
    void fill();
    void showRow();
    [[nodiscard]] QAction* current() const;

    QMainWindow* window_;
    QTableWidget* table_;
    QKeySequenceEdit* keys_;
    QPushButton* reset_;
    QLabel* problem_;
    QList<QAction*> actions_;
};

} // namespace flextron::ui
