#include "ui/compare/computeribbon.h"

#include <algorithm>
#include <cmath>

#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>

#include "ui/data/tokendata.h"
#include "ui/parts/colors.h"
#include "ui/parts/format.h"

namespace flextron::ui {

ComputeRibbon::ComputeRibbon(PaneSlot slot, EngineService* service, Comparison* comparison, Selection* selection,
                             QWidget* parent)
    : QWidget(parent)
    , slot_(slot)
    , comparison_(comparison)
    , selection_(selection)
{
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setAccessibleName(tr("Compute by token"));
    connect(service, &EngineService::modelLoaded, this, [this](const ModelInfoPtr& model) {
        shares_ = std::make_unique<LayerShares>(model->config());
        update();
    });
    for (const auto signal : {&Comparison::paneReset, &Comparison::paneChanged}) {
        connect(comparison, signal, this, [this](PaneSlot which) {
            if (which == slot_) update();
        });
    }
    connect(selection, &Selection::changed, this, qOverload<>(&QWidget::update));
}

double ComputeRibbon::share(int token) const
{
    return tokenValue({&comparison_->pane(slot_).trace, {}, shares_.get()}, token, TokenQuantity::Compute);
}

int ComputeRibbon::tokens() const
{
    const PaneData& pane = comparison_->pane(slot_);
    const auto written = static_cast<int>(pane.trace.records.size());
    return pane.busy() && pane.inputs.mode == RunMode::Write
               ? std::max(written, pane.prompt_tokens + pane.inputs.max_tokens)
               : written;
}

int ComputeRibbon::tokenAt(double x) const
{
    const int token = static_cast<int>(x * tokens() / std::max(1, width()));
    return token >= 0 && token < static_cast<int>(comparison_->pane(slot_).trace.records.size()) ? token : -1;
}

QSize ComputeRibbon::sizeHint() const
{
    return {fontMetrics().height() * 10, fontMetrics().height()};
}

void ComputeRibbon::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const int count = tokens();
    if (count == 0 || !shares_) return;
    const double column = static_cast<double>(width()) / count;
    const auto written = static_cast<int>(comparison_->pane(slot_).trace.records.size());
    QColor ground = quietColor(palette());
    ground.setAlphaF(0.15F);
    painter.fillRect(rect(), ground);
    for (int token = 0; token < written; ++token) {
        const double value = share(token);
        if (std::isnan(value)) continue;
        const double high = std::max(1.0, value * height());
        // Bars of a long text are thinner than a pixel: they must not leave gaps.
        const QRectF bar(token * column, height() - high, std::max(column - (column > 3 ? 1 : 0), 1.0), high);
        painter.fillRect(bar, sequentialColor(value));
    }
    const SelectionState& state = selection_->state();
    if (state.pane != slot_ || state.primary < 0 || state.primary >= written) return;
    painter.setPen(QPen(palette().color(QPalette::Highlight), 2));
    painter.drawRect(QRectF(state.primary * column, 1, std::max(column, 2.0), height() - 2));
}

void ComputeRibbon::mousePressEvent(QMouseEvent* event)
{
    const int token = tokenAt(event->position().x());
    if (event->button() == Qt::LeftButton && token >= 0) selection_->selectToken(slot_, token);
}

bool ComputeRibbon::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip) return QWidget::event(event);
    auto* help = static_cast<QHelpEvent*>(event);
    const int token = tokenAt(help->pos().x());
    if (token < 0) {
        QToolTip::showText(help->globalPos(), tr("Share of the full layers' FLOPs, a bar a token"), this);
        return true;
    }
    const TokenRecord& record = comparison_->pane(slot_).trace.records[static_cast<std::size_t>(token)];
    QToolTip::showText(help->globalPos(),
                       tr("token %1 %2: %3 of the full layers' FLOPs")
                           .arg(token)
                           .arg(formatToken(record.bytes), tokenValueText(share(token), TokenQuantity::Compute)),
                       this);
    return true;
}

} // namespace flextron::ui
