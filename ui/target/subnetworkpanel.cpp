#include "ui/target/subnetworkpanel.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <QAction>
#include <QEvent>
#include <QFormLayout>
#include <QScopedValueRollback>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include "ui/data/panemath.h"
#include "ui/parts/colors.h"
#include "ui/parts/elidedbox.h"
#include "ui/parts/format.h"

namespace flextron::ui {

namespace {

QLabel* wrappedLabel()
{
    auto* label = new QLabel;
    label->setWordWrap(true);
    return label;
}

} // namespace

SubNetworkPanel::SubNetworkPanel(EngineService* service, Comparison* comparison, QAction* open_action, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
{
    page_ = new StatePage(makeForm());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    page_->showNoModel(service_, tr("Open a model to choose how much of it runs."), open_action);
    updateColors();

    connect(service_, &EngineService::modelLoaded, this, [this](const ModelInfoPtr& model) {
        driver_ = TargetAxis::Latency;
        requested_ = 1.0;
        setModel(model);
        comparison_->setTarget(targetFor(driver_, requested_, routing(), byFlops()));
    });
    connect(service_, &EngineService::modelChanged, this, &SubNetworkPanel::setModel);
    connect(comparison_, &Comparison::targetChanged, this, [this] { adopt(comparison_->target()); });
    connect(comparison_, &Comparison::paneChanged, this, [this](PaneSlot slot) {
        if (slot == PaneSlot::Live) showRunning();
    });
    connect(comparison_, &Comparison::paneReset, this, [this](PaneSlot slot) {
        if (slot == PaneSlot::Live) showRunning();
    });
}

QWidget* SubNetworkPanel::makeForm()
{
    auto* form = new QWidget;
    latency_ = new TargetSlider;
    latency_->setObjectName(QStringLiteral("latencySlider"));
    parameters_ = new TargetSlider;
    parameters_->setObjectName(QStringLiteral("parameterSlider"));
    quality_ = new TargetSlider;
    quality_->setObjectName(QStringLiteral("qualitySlider"));
    latency_asked_ = new QLabel;
    parameter_asked_ = new QLabel;
    quality_asked_ = new QLabel;
    latency_value_ = wrappedLabel();
    parameter_value_ = wrappedLabel();
    quality_value_ = wrappedLabel();
    widths_ = wrappedLabel();
    widths_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    caution_ = wrappedLabel();
    caution_->hide();
    routing_ = new ElidedBox;
    routing_->setAccessibleName(tr("Routing"));
    scale_ = new ElidedBox;
    scale_->setObjectName(QStringLiteral("costScale"));
    scale_->setToolTip(
        tr("What the latency slider counts in. Time is this device's; FLOPs are the same on every machine."));
    scale_->addItem(tr("share of full time"), static_cast<int>(CostScale::Share));
    scale_->addItem(tr("milliseconds a token"), static_cast<int>(CostScale::Milliseconds));
    scale_->addItem(tr("share of full FLOPs"), static_cast<int>(CostScale::Flops));

    QFont strong = font();
    strong.setBold(true);
    const auto heading = [&strong](const QString& text, QWidget* buddy) {
        auto* label = new QLabel(text);
        label->setFont(strong);
        label->setBuddy(buddy);
        buddy->setAccessibleName(label->text().remove(QLatin1Char('&')));
        return label;
    };
    auto* layout = new QVBoxLayout(form);
    // What was asked stands in the heading's line: nothing below may move while the mouse drags.
    const auto heading_row = [&](const QString& text, TargetSlider* slider, QLabel* asked) {
        auto* row = new QHBoxLayout;
        row->addWidget(heading(text, slider));
        row->addStretch(1);
        row->addWidget(asked);
        return row;
    };
    layout->addLayout(heading_row(tr("&Latency"), latency_, latency_asked_));
    layout->addWidget(latency_value_);
    layout->addWidget(latency_);
    layout->addSpacing(fontMetrics().height() / 3);
    layout->addLayout(heading_row(tr("&Parameters"), parameters_, parameter_asked_));
    layout->addWidget(parameter_value_);
    layout->addWidget(parameters_);
    layout->addSpacing(fontMetrics().height() / 3);
    layout->addLayout(heading_row(tr("&Quality"), quality_, quality_asked_));
    layout->addWidget(quality_value_);
    layout->addWidget(quality_);
    layout->addSpacing(fontMetrics().height() / 3);
    auto* choices = new QFormLayout;
    choices->setRowWrapPolicy(QFormLayout::WrapLongRows); // in large letters a box has a line of its own
    choices->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
    routing_label_ = heading(tr("Rout&ing"), routing_);
    choices->addRow(routing_label_, routing_);
    choices->addRow(heading(tr("Scale"), scale_), scale_);
    layout->addLayout(choices);
    layout->addWidget(widths_);
    layout->addWidget(caution_);
    convert_ = new ActionButton;
    sort_ = new ActionButton;
    auto* preparing = new QHBoxLayout;
    preparing->addWidget(convert_);
    preparing->addWidget(sort_);
    preparing->addStretch(1);
    layout->addLayout(preparing);
    layout->addStretch(1);

    for (const auto& [slider, axis] :
         {std::pair(latency_, TargetAxis::Latency), std::pair(parameters_, TargetAxis::Parameters)}) {
        connect(slider, &TargetSlider::dragged, this,
                [this, axis = axis](double value) { follow(axis, value, false); });
        connect(slider, &TargetSlider::committed, this,
                [this, axis = axis](double value) { follow(axis, value, true); });
    }
    const auto rise = [this](double value) { return std::max(0.0, qualityRoom(*curve()) - value); };
    connect(quality_, &TargetSlider::dragged, this,
            [this, rise](double value) { follow(TargetAxis::Quality, rise(value), false); });
    connect(quality_, &TargetSlider::committed, this,
            [this, rise](double value) { follow(TargetAxis::Quality, rise(value), true); });
    connect(routing_, &QComboBox::activated, this, &SubNetworkPanel::routingChosen);
    connect(scale_, &QComboBox::currentIndexChanged, this, &SubNetworkPanel::scaleChosen);
    latency_->setToolTip(tr("How much of the full model's time a token may take. Hollow: what you ask; solid: what "
                            "runs. Arrow keys go from stop to stop."));
    parameters_->setToolTip(tr("How many weights a token may touch. Hollow: what you ask; solid: what runs."));
    quality_->setToolTip(tr("How much the loss may rise over the full model's; the cheapest that keeps within it runs. "
                            "Hollow: what you ask; solid: what runs."));
    return form;
}

Routing SubNetworkPanel::routing() const
{
    return model_ && model_->hasRouters() ? static_cast<Routing>(routing_->currentData().toInt()) : Routing::Uniform;
}

void SubNetworkPanel::setModel(const ModelInfoPtr& model)
{
    const bool another = !model_ || model_->checkpoint != model->checkpoint;
    model_ = model;
    if (another) {
        counted_in_flops_ = !model->latency || byFlops();
        routing_->clear();
        if (model->dynamic_routers)
            routing_->addItem(tr("dynamic: token by token"), static_cast<int>(Routing::Dynamic));
        if (model->static_routers)
            routing_->addItem(tr("static: for the whole text"), static_cast<int>(Routing::Static));
        routing_->addItem(tr("uniform: all layers alike"), static_cast<int>(Routing::Uniform));
        for (QWidget* widget : std::initializer_list<QWidget*>{routing_, routing_label_})
            widget->setVisible(model->hasRouters());
    }
    const bool recounted = !another && recount(); // a table has come
    setTicks();
    if (driver_ == TargetAxis::Latency) requested_ = std::max(requested_, stops(driver_).front().share);
    page_->showContent();
    showTarget();
    if (recounted) comparison_->setTarget(targetFor(driver_, requested_, routing(), byFlops()));
    showRunning();
}

void SubNetworkPanel::routingChosen()
{
    if (driver_ == TargetAxis::Quality && curve() == nullptr) { // the same cost, where the loss is not known
        driver_ = TargetAxis::Latency;
        requested_ = std::max(latency_->requested(), stops(driver_).front().share);
    }
    setTicks();
    follow(driver_, requested_, true);
}

bool SubNetworkPanel::setRouting(Routing routing)
{
    const int at = model_ ? routing_->findData(static_cast<int>(routing)) : -1;
    if (at < 0) return false;
    if (at != routing_->currentIndex()) {
        routing_->setCurrentIndex(at);
        routingChosen();
    }
    return true;
}

void SubNetworkPanel::setBudget(double share)
{
    if (model_) follow(TargetAxis::Latency, std::clamp(share, stops(TargetAxis::Latency).front().share, 1.0), true);
}

void SubNetworkPanel::setParameters(double share)
{
    if (!model_) return;
    const auto& counts = stops(TargetAxis::Parameters);
    follow(TargetAxis::Parameters,
           std::clamp(share * static_cast<double>(counts.back().parameters),
                      static_cast<double>(counts.front().parameters), static_cast<double>(counts.back().parameters)),
           true);
}

void SubNetworkPanel::adopt(const Target& target)
{
    if (!model_ || sameTarget(target, targetFor(driver_, requested_, routing(), byFlops()))) return;
    if (target.kind == Target::Kind::Budget && target.by_flops != byFlops()) {
        const QSignalBlocker quiet(scale_); // it is asked for already
        setScale(target.by_flops ? CostScale::Flops : CostScale::Share);
        counted_in_flops_ = !model_->latency || byFlops();
    }
    switch (target.kind) {
    case Target::Kind::Full:
        driver_ = TargetAxis::Latency;
        requested_ = 1.0;
        break;
    case Target::Kind::Budget:
        driver_ = TargetAxis::Latency;
        requested_ = std::clamp(target.value, stops(driver_).front().share, 1.0);
        break;
    case Target::Kind::Parameters:
        driver_ = TargetAxis::Parameters;
        requested_ = std::clamp(target.value, static_cast<double>(stops(driver_).front().parameters),
                                static_cast<double>(stops(driver_).back().parameters));
        break;
    case Target::Kind::Quality:
        driver_ = TargetAxis::Quality;
        requested_ = target.value;
        break;
    default: return; // no place on these sliders: what runs is drawn, what was asked stays
    }
    if (const int at = routing_->findData(static_cast<int>(target.routing.value_or(Routing::Uniform))); at >= 0)
        routing_->setCurrentIndex(at);
    if (driver_ == TargetAxis::Quality && curve() == nullptr) {
        driver_ = TargetAxis::Latency;
        requested_ = 1.0;
    }
    setTicks();
    showTarget();
}

void SubNetworkPanel::follow(TargetAxis axis, double value, bool commit)
{
    if (!model_) return;
    driver_ = axis;
    requested_ = value;
    showTarget();
    const Target target = targetFor(axis, value, routing(), byFlops());
    if (commit) comparison_->commitTarget(target);
    else comparison_->dragTarget(target);
}

SubNetworkPanel::Expected SubNetworkPanel::expected() const
{
    Expected result;
    const bool exact = routing() == Routing::Uniform;
    if (driver_ == TargetAxis::Quality) {
        const QualityStop stop = stopWithin(*curve(), requested_);
        result.stop = stop.member;
        result.budget = stop.budget;
        result.share = exact ? stop.member.share : shareOfBudget(dynamicStops(), stop.budget);
        result.full = stop.rise == 0;
        result.between = requested_ - stop.rise > 0.005 * curve()->stops.back().rise;
        result.rise = stop.rise;
        const auto& by_share = stops(TargetAxis::Latency);
        if (routing() == Routing::Dynamic)
            result.stop = by_share[static_cast<std::size_t>(stopNotAbove(by_share, TargetAxis::Latency, result.share))];
        else if (const auto same = std::find_if(by_share.begin(), by_share.end(),
                                                [&](const Stop& other) { return other.subnet == stop.member.subnet; });
                 exact && same != by_share.end())
            result.share = same->share; // in FLOPs, where the scale says so
        return result;
    }
    const auto& driving = stops(driver_);
    const int index = stopNotAbove(driving, driver_, requested_);
    result.stop = driving[static_cast<std::size_t>(index)];
    result.full = isFull(driving, index);
    // Routers may come to anything near what they are asked for: what a stop would give is not what they give.
    result.share = driver_ == TargetAxis::Latency && !exact ? requested_ : result.stop.share;
    result.budget = budgetOfShare(dynamicStops(), result.share);
    result.between = exact && requested_ - valueOf(result.stop, driver_) > 0.005 * valueOf(driving.back(), driver_);
    if (exact || result.full) result.rise = result.stop.rise;
    else if (curve() != nullptr) result.rise = riseAt(*curve(), result.budget);
    return result;
}

void SubNetworkPanel::showTarget()
{
    const Expected shown = expected();
    const Stop& stop = shown.stop;
    const bool exact = routing() == Routing::Uniform;
    QString latency_text = costText(shown.share);
    if (exact && stop.predicted_ms && scale() != CostScale::Milliseconds)
        latency_text += tr(", %1 a token").arg(formatMs(*stop.predicted_ms));
    latency_value_->setText(latency_text);
    const QString asked = driver_ == TargetAxis::Latency   ? formatShare(requested_)
                          : driver_ == TargetAxis::Quality ? formatRise(requested_).section(QLatin1Char(','), 0, 0)
                                                           : formatCount(static_cast<std::int64_t>(requested_));
    for (const auto& [label, axis] :
         {std::pair(latency_asked_, TargetAxis::Latency), std::pair(parameter_asked_, TargetAxis::Parameters),
          std::pair(quality_asked_, TargetAxis::Quality)}) {
        label->setText(shown.between && driver_ == axis ? tr("asked %1").arg(asked) : QString());
        label->setToolTip({});
    }
    const auto neighbours = exact ? std::nullopt
                                  : trainedNeighbours(trainedStops(model_->checkpoint->record().budget_list, 0.0),
                                                      shown.budget);
    if (driver_ != TargetAxis::Parameters && neighbours) {
        latency_asked_->setText(tr("interpolated"));
        latency_asked_->setToolTip(
            tr("The routers were trained for %1 and %2; between, their target is a blend of both.")
                .arg(formatShare(neighbours->first), formatShare(neighbours->second)));
    }
    showParameters();
    widths_->setText(exact ? formatWidths(stop.subnet, model_->config()) : tr("Widths are chosen by the routers."));

    latency_->setRequested(driver_ == TargetAxis::Latency ? requested_ : std::clamp(shown.share, 0.0, 1.0));
    showFollowingParameters();
    showQuality(shown.rise, !exact && shown.rise && !onCurve(*shown.rise));
    showCaution(!shown.full);
}

void SubNetworkPanel::setPreparing(QAction* convert, QAction* sort)
{
    convert_->setAction(convert);
    sort_->setAction(sort);
    for (ActionButton* button : {convert_, sort_}) button->hide(); // until a model needs it
}

void SubNetworkPanel::showCaution(bool narrower)
{
    const bool untrained = model_->preparation != Preparation::Trained;
    latency_->setCautious(untrained);
    parameters_->setCautious(untrained);
    quality_->setCautious(untrained);
    caution_->setVisible(untrained);
    convert_->setVisible(untrained);
    sort_->setVisible(model_->preparation == Preparation::None);
    narrower_ = narrower;
    updateColors();
    if (!untrained) return;
    if (model_->preparation == Preparation::Sorted) {
        caution_->setText(narrower
                              ? tr("Sorted by importance, but not trained for narrow widths: the text gets worse soon.")
                              : tr("Below full: sorted by importance, but not trained for narrow widths."));
    } else {
        caution_->setText(narrower ? tr("Never converted: widths untrained, the text will break.")
                                   : tr("Below full: this model was never converted, the text will break."));
    }
}

void SubNetworkPanel::showRunning()
{
    const PaneData& live = comparison_->pane(PaneSlot::Live);
    if (!model_ || !live.hasText()) {
        latency_->setRunning(std::nullopt);
        parameters_->setRunning(std::nullopt);
        quality_->setRunning(std::nullopt);
        return;
    }
    showRunningQuality(live.plan.rise);
    latency_->setRunning(live.plan.share);
    parameters_->setRunning(runningParameters());
    showFollowingParameters();
    showParameters();
}

// What routers make of another target in parameters, only the text can say: until it does, what one width would be.
void SubNetworkPanel::showFollowingParameters()
{
    const auto by_stop = static_cast<double>(expected().stop.parameters);
    const bool by_text = routing() != Routing::Uniform && !expected().full;
    parameters_->setRequested(driver_ == TargetAxis::Parameters ? requested_
                              : by_text                         ? parameters_->running().value_or(by_stop)
                                                                : by_stop);
}

std::optional<double> SubNetworkPanel::runningParameters()
{
    const PaneData& live = comparison_->pane(PaneSlot::Live);
    if (live.plan.routing != Routing::Dynamic) return static_cast<double>(live.plan.parameters);
    return active_.mean(live, model_->config());
}

// Both texts for routers are as long: nothing below may move when one takes the other's place.
void SubNetworkPanel::showParameters()
{
    const QString full = formatCount(model_->parameter_stops.back().parameters);
    const PaneData& live = comparison_->pane(PaneSlot::Live);
    const std::optional<double> running = parameters_->running();
    if (routing() == Routing::Uniform) {
        parameter_value_->setText(tr("%1 of %2 active").arg(formatCount(expected().stop.parameters), full));
    } else if (running && live.complete() && sameTarget(live.choice.target, comparison_->target())) {
        parameter_value_->setText(tr("%1 of %2 active, in the mean over the tokens of this text")
                                      .arg(formatCount(static_cast<std::int64_t>(std::llround(*running))), full));
    } else {
        parameter_value_->setText(tr("%1 in all; how many are active differs from token to token").arg(full));
    }
}

void SubNetworkPanel::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) updateColors();
}

void SubNetworkPanel::updateColors()
{
    QPalette colors = palette();
    colors.setColor(QPalette::WindowText, narrower_ ? cautionColor(palette()) : quietColor(palette()));
    caution_->setPalette(colors);
    colors.setColor(QPalette::WindowText, quietColor(palette()));
    for (QLabel* label : {latency_asked_, parameter_asked_, quality_asked_}) label->setPalette(colors);
}

} // namespace flextron::ui
