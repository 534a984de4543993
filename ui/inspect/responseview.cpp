#include "ui/inspect/responseview.h"

#include <cmath>

#include <QLocale>
#include <QVBoxLayout>

#include <qcustomplot.h>

#include "ui/data/routerdata.h"
#include "ui/parts/colors.h"
#include "ui/parts/plots.h"
#include "ui/service/panesource.h"

namespace flextron::ui {

namespace {
constexpr std::array kBlocks{SubBlock::Attention, SubBlock::Mlp};
} // namespace

ResponseView::ResponseView(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , inquiry_(service, QStringLiteral("response"), this, [this](const Result<RouterResponse>& answer) {
        if (answer.ok()) response_ = *answer;
        else error_ = answer.error();
        redraw();
    })
{
    makePlot();
    page_ = new StatePage(plot_);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    connect(selection_, &Selection::changed, this, &ResponseView::refresh);
    connect(service_, &EngineService::modelLoaded, this, &ResponseView::refresh);
    connect(comparison_, &Comparison::paneReset, this, &ResponseView::refresh);
    connect(comparison_, &Comparison::paneChanged, this, [this](PaneSlot slot) {
        if (slot == selection_->state().pane) refresh();
    });
    updateColors();
    refresh();
}

void ResponseView::makePlot()
{
    plot_ = new QCustomPlot;
    plot_->setObjectName(QStringLiteral("responsePlot"));
    plot_->setAccessibleName(tr("Width that the routers would choose at other targets"));
    plot_->setToolTip(
        tr("The token is read again at other targets, its hidden state held. Steps: the choice. Thin: the "
           "mean over the probabilities. Upright line: what was asked for."));
    plot_->setMinimumHeight(fontMetrics().height() * 7);
    plot_->axisRect()->setupFullAxesBox();
    for (QCPAxis* axis : {plot_->xAxis2, plot_->yAxis2}) axis->setTicks(false);
    keepNumbersApart(plot_);
    plot_->xAxis->setLabel(tr("target, share of full FLOPs"));
    plot_->yAxis->setLabel(tr("share of width"));
    plot_->yAxis->setRange(0, 1.08);
    for (std::size_t i = 0; i < kBlocks.size(); ++i) {
        chosen_[i] = plot_->addGraph();
        chosen_[i]->setName(kBlocks[i] == SubBlock::Mlp ? tr("MLP") : tr("heads"));
        chosen_[i]->setScatterStyle(QCPScatterStyle(i == 0 ? QCPScatterStyle::ssSquare : QCPScatterStyle::ssCircle, 5));
        expected_[i] = plot_->addGraph();
        expected_[i]->removeFromLegend();
    }
    putLegendAbove(plot_);
    asked_line_ = new QCPItemStraightLine(plot_);
}

std::vector<double> ResponseView::drawn(SubBlock block) const
{
    std::vector<double> values;
    for (const QCPGraphData& point : *chosen_[block == SubBlock::Mlp ? 1 : 0]->data()) values.push_back(point.value);
    return values;
}

void ResponseView::refresh()
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    const ModelInfoPtr& model = service_->model();
    const bool asks = model && model->dynamic_routers && inspected.token >= 0 && inspected.record().read &&
                      !inspected.pane->busy();
    const Place place{inspected.slot, inspected.token, inspected.pane->serial};
    if (!asks) {
        inquiry_.forget();
        asked_ = {};
        response_.reset();
        error_.reset();
    } else if (!(place == asked_)) {
        asked_ = place;
        response_.reset();
        error_.reset();
        inquiry_.ask([trace = inspected.trace(), token = inspected.token, choice = inspected.pane->choice](
                         const auto& loaded, const ProgressFn&, const CancelToken& cancel) {
            const auto own = modelOf(choice, loaded);
            return routerResponse(*own, trace, token, responseBudgets(*own->routers), cancel);
        });
    }
    redraw();
}

void ResponseView::redraw()
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    for (std::size_t i = 0; i < kBlocks.size(); ++i) {
        chosen_[i]->data()->clear();
        expected_[i]->data()->clear();
        if (!response_ || inspected.token < 0) continue;
        const auto& choices = choicesOf(inspected.trace(), kBlocks[i]);
        const double full = choices.empty() ? 1 : choices.back();
        for (std::size_t at = 0; at < response_->budgets.size(); ++at) {
            const double budget = response_->budgets[at];
            chosen_[i]->addData(budget, response_->width(at, inspected.layer, kBlocks[i]) / full);
            expected_[i]->addData(
                budget, expectedWidth(response_->probabilities(at, inspected.layer, kBlocks[i]), choices) / full);
        }
    }
    if (inspected.token >= 0) {
        asked_line_->point1->setCoords(inspected.trace().budget, 0);
        asked_line_->point2->setCoords(inspected.trace().budget, 1);
    }
    if (response_ && !response_->budgets.empty())
        plot_->xAxis->setRange(response_->budgets.back() - 0.02, response_->budgets.front() + 0.02);
    if (error_ && error_->code != ErrorCode::Cancelled)
        page_->showError(tr("The response could not be computed"), *error_);
    else if (response_) page_->showContent();
    else if (inquiry_.waiting())
        page_->showLoading(tr("Response curve"), {tr("reading the token at other targets"), 0, 0, {}});
    else if (!service_->model())
        page_->showNoModel(
            service_, tr("Open the model: what its routers would choose at other targets has to be asked of them."));
    else if (!service_->model()->dynamic_routers)
        page_->showEmpty(tr("No routers"), tr("This model has no dynamic routers that could respond to a target."));
    else
        page_->showEmpty(tr("Response curve"),
                         tr("For a token that was read: what its routers would choose at other targets."));
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

void ResponseView::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) updateColors();
}

void ResponseView::updateColors()
{
    stylePlot(plot_, palette(), font());
    for (std::size_t i = 0; i < kBlocks.size(); ++i) {
        const QColor color = seriesColor(static_cast<int>(i), palette());
        chosen_[i]->setPen(QPen(color, 2));
        expected_[i]->setPen(QPen(color, 1, Qt::DotLine));
    }
    asked_line_->setPen(QPen(cautionColor(palette()), 1, Qt::DashLine));
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

} // namespace flextron::ui
