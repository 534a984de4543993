// One pane: what a sub-network writes, and how fast.
#pragma once

#include <QLabel>
#include <QWidget>

#include "ui/comparison.h"
#include "ui/selection.h"
#include "ui/statepage.h"
#include "ui/tokentextview.h"

namespace flextron::ui {

class PaneView final : public QWidget {
    Q_OBJECT

public:
    PaneView(PaneSlot slot, EngineService* service, Comparison* comparison, Selection* selection, QAction* run_action,
             QWidget* parent = nullptr);

    [[nodiscard]] TokenTextView* text() const { return text_; }
    [[nodiscard]] QString footerText() const { return footer_->text(); }
    [[nodiscard]] QString splitText() const { return split_->isHidden() ? QString() : split_->text(); }
    [[nodiscard]] StatePage* page() const { return page_; }

private:
    void rebuild();
    void grow(const PaneBatch& batch);
    void refresh();
    void showDivergence();
    void showSelection(const SelectionState& state);
    [[nodiscard]] QString titleText() const;
    [[nodiscard]] QString footerLine() const;
    void changeEvent(QEvent* event) override;
    void updateColors();

    PaneSlot slot_;
    EngineService* service_;
    Comparison* comparison_;
    QAction* run_action_;
    QLabel* title_;
    QLabel* detail_;
    TokenTextView* text_;
    StatePage* page_;
    QLabel* footer_;
    QLabel* split_;
};

} // namespace flextron::ui
