#include "ui/inspect/anatomyview.h"

#include <algorithm>
#include <cmath>

#include <QHBoxLayout>
#include <QLocale>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include "ui/data/routerdata.h"
#include "ui/data/targetmath.h"
#include "ui/parts/format.h"

namespace flextron::ui {

AnatomyView::AnatomyView(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
{
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    page_->showNoModel(service_, tr("Open a model to see its layers from the inside."));
    connect(service_, &EngineService::modelLoaded, this, &AnatomyView::setModel);
    connect(selection_, &Selection::changed, this, &AnatomyView::refresh);
    connect(comparison_, &Comparison::targetChanged, this, &AnatomyView::refresh);
    for (const auto signal : {&Comparison::paneReset, &Comparison::paneChanged}) {
        connect(comparison_, signal, this, [this](PaneSlot slot) {
            if (slot == PaneSlot::Live || slot == selection_->state().pane) refresh();
        });
    }
}

QWidget* AnatomyView::makeContent()
{
    auto* content = new QWidget;
    layer_box_ = new QSpinBox;
    layer_box_->setObjectName(QStringLiteral("anatomyLayer"));
    layer_box_->setAccessibleName(tr("Layer of the drawing"));
    layer_box_->setPrefix(tr("Layer "));
    layer_box_->setKeyboardTracking(false);
    summary_ = new ElidedLabel;
    summary_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    summary_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    note_ = new QLabel;
    note_->setWordWrap(true);
    drawing_ = new AnatomyDrawing;
    auto* bar = new QHBoxLayout;
    bar->addWidget(layer_box_);
    bar->addWidget(summary_, 1);
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addLayout(bar);
    layout->addWidget(drawing_, 1);
    layout->addWidget(note_);
    connect(layer_box_, &QSpinBox::valueChanged, this, [this](int layer) { selection_->setLayer(layer); });
    return content;
}

void AnatomyView::setModel(const ModelInfoPtr& model)
{
    const QSignalBlocker quiet(layer_box_);
    layer_box_->setRange(0, std::max(0, model->config().numLayers() - 1));
    const auto& importance = model->checkpoint->record().importance;
    note_->setText(!importance ? tr("Importance was never measured for this model: units stand in any order.")
                   : importance->sorted
                       ? tr("Areas are bytes. Units stand by importance, the curve above them; grey is not read.")
                       : tr("Areas are bytes. Units are not sorted: a cut takes whatever stands behind it."));
    page_->showContent();
    refresh();
}

AnatomyView::Shown AnatomyView::shown(int layer) const
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    const QLocale locale;
    if (inspected.token >= 0 && inspected.record().read) {
        return {usedWidth(inspected.trace(), inspected.token, layer, SubBlock::Mlp),
                usedWidth(inspected.trace(), inspected.token, layer, SubBlock::Attention),
                tr("token %1 of %2").arg(locale.toString(inspected.token), comparison_->paneName(inspected.slot))};
    }
    const Target& target = comparison_->target();
    const auto at = static_cast<std::size_t>(layer);
    SubNetwork subnet = fullSubNetwork(service_->model()->config());
    QString of = tr("the full model");
    const bool by_parameters = target.kind == Target::Kind::Parameters;
    if (target.kind == Target::Kind::Explicit && !target.subnet.mlp.empty()) {
        subnet = target.subnet;
        of = tr("the mixer");
    } else if (target.kind == Target::Kind::Budget || by_parameters) {
        const auto& stops = by_parameters     ? service_->model()->parameter_stops
                            : target.by_flops ? service_->model()->flops_stops
                                              : service_->model()->latency_stops;
        const auto axis = by_parameters ? TargetAxis::Parameters : TargetAxis::Latency;
        subnet = stops[static_cast<std::size_t>(stopNotAbove(stops, axis, target.value))].subnet;
        of = target.routing == Routing::Uniform ? tr("the slider")
                                                : tr("the slider, as if uniform: select a token to see the routers'");
    }
    return {subnet.mlp[at], subnet.heads[at], of};
}

void AnatomyView::refresh()
{
    const ModelInfoPtr& model = service_->model();
    if (!model) return;
    const ModelConfig& config = model->config();
    const int layer = std::clamp(selection_->state().layer, 0, std::max(0, config.numLayers() - 1));
    {
        const QSignalBlocker quiet(layer_box_);
        layer_box_->setValue(layer);
    }
    const Shown widths = shown(layer);
    AnatomyLayer drawn = anatomyLayer(*model->checkpoint, layer, widths.mlp, widths.heads, model->bytes_per_weight);
    const int mlp = drawn.mlp;
    const int heads = drawn.heads;
    QString held;
    if (const auto* neurons = importanceOf(model->checkpoint->record(), layer, true); neurons != nullptr) {
        held = tr("; %1 % of the neurons' importance")
                   .arg(QLocale().toString(100 * importanceHeld(*neurons, mlp), 'f', 0));
    }
    const LayerBytes read = layerBytes(config, layer, mlp, heads, model->bytes_per_weight);
    const QLocale locale;
    summary_->setFullText(tr("%1 of %2 neurons, %3 of %4 heads; %5 of %6 read%7 (%8)")
                              .arg(locale.toString(mlp), locale.toString(drawn.full_mlp), locale.toString(heads),
                                   locale.toString(drawn.full_heads),
                                   formatBytes(static_cast<std::uint64_t>(read.sum())),
                                   formatBytes(static_cast<std::uint64_t>(drawn.full_bytes.sum())), held, widths.of));
    drawing_->setAccessibleDescription(summary_->fullText());
    drawing_->setLayer(std::move(drawn));
}

} // namespace flextron::ui
