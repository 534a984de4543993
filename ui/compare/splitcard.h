// Where two texts part: what either model thought of the next token.
#pragma once

#include <QFrame>
#include <QLabel>
#include <QTableWidget>

#include "ui/data/comparison.h"
#include "ui/data/selection.h"

namespace flextron::ui {

/// A pop-up over a pane; Escape or a click elsewhere closes it.
class SplitCard final : public QFrame {
    Q_OBJECT

public:
    SplitCard(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent);
    /// Fills it for the place where `slot` leaves the full model, and shows it below `anchor`.
    void showFor(PaneSlot slot, QWidget* anchor);
    [[nodiscard]] QString cellText(int row, int column) const;
    [[nodiscard]] QString heading() const { return heading_->text(); }

private:
    void fillColumn(int column, const TokenRecord& record);

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    PaneSlot slot_ = PaneSlot::Live;
    QLabel* heading_;
    QTableWidget* table_;
};

} // namespace flextron::ui
