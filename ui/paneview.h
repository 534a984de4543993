// One pane: what a sub-network writes, and how fast.
#pragma once

#include <QLabel>
#include <QToolButton>
#include <QWidget>

#include "ui/comparison.h"
#include "ui/pace.h"
#include "ui/selection.h"
#include "ui/statepage.h"
#include "ui/tokentextview.h"

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
    [[nodiscard]] QString splitText() const { return split_->isHidden() ? QString() : split_->text(); }
    [[nodiscard]] QString detailText() const { return detail_->text(); }
    [[nodiscard]] StatePage* page() const { return page_; }
    /// What either model thought where this text leaves the full one's.
    SplitCard* showSplit();

private:
    void makePinMenu();
    void showShown();
    [[nodiscard]] QStringList measuredParts() const;
    [[nodiscard]] QString agreementText() const;
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
    Selection* selection_;
    Pace* pace_;
    QAction* run_action_;
    QLabel* title_;
    QLabel* detail_;
    TokenTextView* text_;
    StatePage* page_;
    QLabel* footer_;
    QToolButton* split_;
    QToolButton* pin_menu_;
    SplitCard* split_card_ = nullptr;
};

} // namespace flextron::ui
