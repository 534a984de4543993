// What things are: a line for the control that has the keyboard, and the terms on the screen.
#pragma once

#include <span>

#include <QDialog>
#include <QMainWindow>
#include <QTableWidget>

namespace flextron::ui {

/// A term as the screen says it, and its place in the paper ("our choice" where the paper says nothing).
struct Term {
    const char* name;
    const char* meaning;
    const char* place;
};
/// For translation: every text is also looked up in the context "Glossary".
std::span<const Term> glossaryTerms();

/// What F1 says of a widget: its own help, its tool tip, or that of what it is in. Empty where there is none.
QString helpFor(const QWidget* widget);

/// Shows helpFor() beside the widget that has the keyboard.
void showHelp(QMainWindow* window);

class Glossary final : public QDialog {
    Q_OBJECT

public:
    explicit Glossary(QWidget* parent);
    [[nodiscard]] QTableWidget* table() const { return table_; }

private:
    QTableWidget* table_;
};

} // namespace flextron::ui
