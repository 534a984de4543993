// Paints the panes' texts by one number a token, the same for all panes, and says what the colours mean.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include <QComboBox>
#include <QPointer>
#include <QWidget>

#include "ui/compare/colorlegend.h"
#include "ui/compare/tokentextview.h"
#include "ui/data/baseline.h"
#include "ui/data/tokendata.h"

namespace flextron::ui {

/// The choice and its legend; a row that fits over the token card.
class TextColoring final : public QWidget {
    Q_OBJECT

public:
    TextColoring(EngineService* service, Comparison* comparison, Baseline* baseline, QWidget* parent = nullptr);

    /// The view of a pane's text, from now on painted here.
    void attach(PaneSlot slot, TokenTextView* text);
    /// Nothing: the palette's plain colours.
    void setQuantity(std::optional<TokenQuantity> quantity);
    [[nodiscard]] std::optional<TokenQuantity> quantity() const;

private:
    void paint(PaneSlot slot, int first);
    void paintAll();
    [[nodiscard]] TokenSource source(PaneSlot slot) const;

    Comparison* comparison_;
    Baseline* baseline_;
    std::unique_ptr<LayerShares> shares_;
    std::map<PaneSlot, QPointer<TokenTextView>> texts_;
    std::map<PaneSlot, int> compared_; // tokens that could be compared when last painted
    QComboBox* box_;
    ColorLegend* legend_;
};

} // namespace flextron::ui
