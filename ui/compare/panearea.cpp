#include "ui/compare/panearea.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QLocale>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/parts/format.h"

namespace flextron::ui {

namespace {
constexpr std::size_t kColumns = 3;
} // namespace

PaneArea::PaneArea(EngineService* service, Comparison* comparison, Selection* selection, Pace* pace,
                   QAction* run_action, QAction* pin_action, QWidget* parent)
    : QWidget(parent)
    , comparison_(comparison)
    , rows_(new QSplitter(Qt::Vertical))
    , upper_(new QSplitter(Qt::Horizontal))
    , lower_(new QSplitter(Qt::Horizontal))
    , shared_(new ElidedLabel)
    , below_(new QWidget)
{
    for (int i = 0; i < kPaneSlots; ++i) {
        views_[static_cast<std::size_t>(i)] = new PaneView(static_cast<PaneSlot>(i), service, comparison, selection,
                                                           pace, run_action);
        lower_->addWidget(views_[static_cast<std::size_t>(i)]);
    }
    for (QSplitter* splitter : {rows_, upper_, lower_}) splitter->setChildrenCollapsible(false);
    rows_->addWidget(upper_);
    rows_->addWidget(lower_);
    shared_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    shared_->setToolTip(tr("Measured: the median step in which all panes advanced by a token together. They share the "
                           "reading of the weights, so this is no pane's own speed."));
    auto* add = new QToolButton;
    add->setDefaultAction(pin_action);
    add->setToolButtonStyle(Qt::ToolButtonTextOnly);
    add->setAutoRaise(true);
    add->setAccessibleName(tr("Add a pane that keeps this target"));
    auto* below = new QHBoxLayout(below_);
    below->setContentsMargins(0, 0, 0, 0);
    below->addWidget(shared_, 1);
    below->addWidget(add);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addWidget(rows_, 1);
    layout->addWidget(below_);
    connect(comparison_, &Comparison::panesChanged, this, &PaneArea::arrange);
    connect(comparison_, &Comparison::sharedStepChanged, this, &PaneArea::showShared);
    connect(comparison_, &Comparison::paneReset, this, &PaneArea::showShared);
    // The texts of a row end at one height, however many lines stand under each.
    footers_.setSingleShot(true);
    footers_.setInterval(0);
    connect(&footers_, &QTimer::timeout, this, &PaneArea::evenFooters);
    for (const auto signal : {&Comparison::paneReset, &Comparison::paneChanged})
        connect(comparison_, signal, &footers_, qOverload<>(&QTimer::start));
    for (QSplitter* row : {upper_, lower_})
        connect(row, &QSplitter::splitterMoved, &footers_, qOverload<>(&QTimer::start));
    arrange();
}

void PaneArea::setCompact(bool compact)
{
    compact_ = compact;
    below_->setVisible(!compact);
    arrange();
}

void PaneArea::evenFooters()
{
    for (QSplitter* row : {upper_, lower_}) {
        // (A pane that was just put there is still narrow, and would need many lines.)
        const int most = fontMetrics().lineSpacing() * (lower_->isVisible() ? (compact_ ? 2 : 3) : compact_ ? 3 : 5);
        int height = 0;
        for (PaneView* view : views_) {
            if (view->parentWidget() == row && view->isVisible())
                height = std::min(most, std::max(height, view->footerNeeds()));
        }
        for (PaneView* view : views_) {
            if (view->parentWidget() == row && view->isVisible()) view->setFooterHeight(height);
        }
    }
}

void PaneArea::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    footers_.start();
}

void PaneArea::arrange()
{
    const auto order = comparison_->order();
    const std::size_t above = order.size() <= kColumns ? order.size() : (order.size() + 1) / 2;
    for (PaneView* view : views_) view->hide();
    for (std::size_t i = 0; i < order.size(); ++i) {
        QSplitter* row = i < above ? upper_ : lower_;
        PaneView* view = views_[static_cast<std::size_t>(order[i])];
        const int column = static_cast<int>(i < above ? i : i - above);
        if (row->indexOf(view) != column) row->insertWidget(column, view);
        view->show();
    }
    lower_->setVisible(order.size() > above);
    for (PaneView* view : views_) view->setCompact(compact_ || order.size() > above);
    for (QSplitter* each : {upper_, lower_, rows_}) {
        constexpr int kEqual = 1000;
        each->setSizes(QList<int>(each->count(), kEqual));
    }
    footers_.start();
}

void PaneArea::showShared()
{
    const SharedStep& step = comparison_->sharedStep();
    if (step.panes == 0 || step.p50_ms <= 0) {
        shared_->setFullText({});
        return;
    }
    constexpr double kMsPerSecond = 1000;
    const QString rate = QLocale().toString(kMsPerSecond * step.panes / step.p50_ms, 'f', 0);
    shared_->setFullText(step.panes == 1 ? tr("One pane, a step of %1").arg(formatMs(step.p50_ms))
                                         : tr("%1 panes share a step of %2: %3 tokens a second together")
                                               .arg(QLocale().toString(step.panes), formatMs(step.p50_ms), rate));
}

} // namespace flextron::ui
