// One pane: what a sub-network writes, and how fast.
#pragma once

#include <QLabel>
#include <QToolButton>
#include <QWidget>

#include "ui/compare/pace.h"
#include "ui/compare/tokentextview.h"
#include "ui/data/comparison.h"
#include "ui/data/selection.h"
#include "ui/parts/statepage.h"
#include "ui/parts/statusline.h"

namespace flextron::ui {

class SplitCard;

class PaneView final : public QWidget {
    Q_OBJECT

public:
    PaneView(PaneSlot slot, EngineService* service, Comparison* comparison, Selection* selection, Pace* pace,
             QAction* run_action, QWidget* parent = nullptr);

    /// Between the text and the footer.
    void addUnderText(QWidget* widget);
    [[nodiscard]] TokenTextView* text() const { return text_; }
    [[nodiscard]] QString footerText() const { return footer_->text(); }
    /// Where panes stand in two rows there is room for the figures that are compared; the others are in the tool tip.
    void setCompact(bool compact);
    /// Lines that the footer needs at this width, as a height; and what all panes of a row give it.
    [[nodiscard]] int footerNeeds() const;
    void setFooterHeight(int height);
    [[nodiscard]] QString splitText() const { return split_->isHidden() ? QString() : split_->text(); }
    [[nodiscard]] QString detailText() const { return detail_->fullText(); }
    [[nodiscard]] StatePage* page() const { return page_; }
    /// What can be done with this pane, at its head; others may add to it.
    [[nodiscard]] QMenu* menu() const { return menu_->menu(); }
    /// What either model thought where this text leaves the full one's.
    SplitCard* showSplit();

private:
    void makeMenu();
    void showShown();
    [[nodiscard]] QStringList measuredParts(bool compact) const;
    [[nodiscard]] QString agreementText(bool compact) const;
    void rebuild();
    void grow(const PaneBatch& batch);
    void refresh();
    void showDivergence();
    void showSelection(const SelectionState& state);
    [[nodiscard]] QString titleText() const;
    [[nodiscard]] QString footerLine(bool compact) const;
    [[nodiscard]] QString aloneText(bool compact) const;
    void showFooter();
    void changeEvent(QEvent* event) override;
    void updateHeights();
    void updateColors();

    PaneSlot slot_;
    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    Pace* pace_;
    QAction* run_action_;
    QLabel* title_;
    ElidedLabel* detail_;
    bool compact_ = false;
    TokenTextView* text_;
    StatePage* page_;
    QLabel* footer_;
    QToolButton* split_;
    QToolButton* menu_;
    SplitCard* split_card_ = nullptr;
};

} // namespace flextron::ui
