// The panes side by side, and what they share.
#pragma once

#include <array>

#include <QSplitter>
#include <QTimer>
#include <QWidget>

#include "ui/compare/paneview.h"
#include "ui/data/comparison.h"
#include "ui/parts/statusline.h"

namespace flextron::ui {

/// Up to three panes in a row, six in two. A pane's view is made once and hidden while its place is empty.
class PaneArea final : public QWidget {
    Q_OBJECT

public:
    PaneArea(EngineService* service, Comparison* comparison, Selection* selection, Pace* pace, QAction* run_action,
             QAction* pin_action, QWidget* parent = nullptr);

    [[nodiscard]] PaneView* view(PaneSlot slot) const { return views_[static_cast<std::size_t>(slot)]; }
    /// Little room: the panes' furniture is kept small, as it is with two rows of them.
    void setCompact(bool compact);
    [[nodiscard]] QString sharedText() const { return shared_->fullText(); }

private:
    void arrange();
    void showShared();
    void evenFooters();
    void resizeEvent(QResizeEvent* event) override;

    Comparison* comparison_;
    std::array<PaneView*, kPaneSlots> views_{};
    QSplitter* rows_;
    QSplitter* upper_;
    QSplitter* lower_;
    ElidedLabel* shared_;
    QWidget* below_;
    QTimer footers_;
    bool compact_ = false;
};

} // namespace flextron::ui
