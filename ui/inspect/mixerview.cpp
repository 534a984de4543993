#include "ui/inspect/mixerview.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QLocale>
#include <QScopedValueRollback>
#include <QVBoxLayout>

#include "engine/base/files.h"
#include "engine/model/cost.h"
#include "ui/data/routerdata.h"
#include "ui/parts/askforfile.h"
#include "ui/parts/elsewhere.h"
#include "ui/parts/format.h"
#include "ui/parts/viewaction.h"

namespace flextron::ui {

namespace {
constexpr std::uint64_t kMostBytes = 16U << 20; // of a file with widths
} // namespace

MixerView::MixerView(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
{
    makeActions();
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    page_->showNoModel(service_, tr("Open a model to set its layers one by one."));
    connect(service_, &EngineService::modelLoaded, this, &MixerView::setModel);
    connect(service_, &EngineService::modelChanged, this, [this] { // a latency table: costs are shares of time now
        if (!channels_.empty()) showMix();
    });
    connect(comparison_, &Comparison::targetChanged, this, &MixerView::followTarget);
    connect(selection_, &Selection::changed, this, [this] {
        const Inspected inspected = inspectedToken(*comparison_, *selection_);
        from_token_action_->setEnabled(service_->model() && inspected.token >= 0 && inspected.record().read);
    });
}

void MixerView::makeActions()
{
    const auto make = [this](const char* name, const QString& text, const QString& help) {
        QAction* action = viewAction(this, name, text, help);
        action->setEnabled(false);
        return action;
    };
    import_action_ = make("importMix", tr("&Import Widths…"),
                          tr("Read the widths of all layers from a CSV or JSON file"));
    export_action_ = make("exportMix", tr("E&xport Widths…"),
                          tr("Write the widths of all layers to a CSV or JSON file"));
    from_token_action_ = make("mixFromToken", tr("Mix as the &Token"),
                              tr("Set the faders to the widths that the selected token was read with"));
    connect(import_action_, &QAction::triggered, this, [this] {
        askForFile(this, {FileQuestion::Kind::Open, tr("Import widths"), tr("Widths (*.csv *.json *.txt)"), {}, {}},
                   [this](const QString& file) { importFile(file); });
    });
    connect(export_action_, &QAction::triggered, this, [this] {
        askForFile(this,
                   {FileQuestion::Kind::Save,
                    tr("Export widths"),
                    tr("CSV (*.csv);;JSON (*.json)"),
                    QStringLiteral("widths.csv"),
                    {}},
                   [this](const QString& file) { exportFile(file); });
    });
    connect(from_token_action_, &QAction::triggered, this, &MixerView::takeFromToken);
}

QWidget* MixerView::makeContent()
{
    auto* content = new QWidget;
    presets_ = new QComboBox;
    presets_->setObjectName(QStringLiteral("mixerPresets"));
    presets_->setAccessibleName(tr("Preset of the mixer"));
    presets_->setToolTip(tr("Locked layers keep their widths"));
    presets_->addItem(tr("Preset…"), -1);
    for (const auto preset : {MixerPreset::Full, MixerPreset::Smallest, MixerPreset::Middle, MixerPreset::NarrowEnds,
                              MixerPreset::NarrowMiddle, MixerPreset::Falling, MixerPreset::Rising})
        presets_->addItem(mixerPresetName(preset), static_cast<int>(preset));
    summary_ = new ElidedLabel;
    summary_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    auto* bar = new QHBoxLayout;
    bar->addWidget(presets_);
    for (QAction* action : {from_token_action_, import_action_, export_action_}) {
        auto* button = new ActionButton;
        button->setAction(action);
        bar->addWidget(button);
    }
    bar->addWidget(summary_, 1);
    scroll_ = new QScrollArea;
    scroll_->setWidgetResizable(true);
    scroll_->setFrameShape(QFrame::NoFrame);
    scroll_->setAccessibleName(tr("Faders of the layers"));
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addLayout(bar);
    layout->addWidget(scroll_, 1);
    connect(presets_, &QComboBox::activated, this, [this] {
        const int preset = presets_->currentData().toInt();
        if (preset >= 0) applyPreset(static_cast<MixerPreset>(preset));
        presets_->setCurrentIndex(0);
    });
    return content;
}

QSlider* MixerView::makeFader(int layer, bool mlp, const std::vector<int>& stops)
{
    auto* fader = new QSlider(Qt::Vertical);
    fader->setRange(0, static_cast<int>(stops.size()) - 1);
    fader->setPageStep(1);
    fader->setTickPosition(QSlider::TicksRight);
    fader->setTickInterval(1);
    fader->setMinimumHeight(fontMetrics().height() * 4);
    fader->setAccessibleName(mlp ? tr("MLP width of layer %1").arg(layer) : tr("Heads of layer %1").arg(layer));
    fader->setToolTip(fader->accessibleName());
    connect(fader, &QSlider::valueChanged, this, [this, layer, mlp, fader] {
        if (showing_) return;
        Channel& channel = channels_[static_cast<std::size_t>(layer)];
        const auto& widths = mlp ? channel.mlp_stops : channel.head_stops;
        (mlp ? mix_.mlp
             : mix_.heads)[static_cast<std::size_t>(layer)] = widths[static_cast<std::size_t>(fader->value())];
        showMix();
        runMix(fader->isSliderDown());
    });
    connect(fader, &QSlider::sliderReleased, this, [this] { runMix(false); });
    return fader;
}

QWidget* MixerView::makeChannel(int layer)
{
    const ModelInfo& model = *service_->model();
    const LayerSizes& sizes = model.config().layers[static_cast<std::size_t>(layer)];
    Channel channel;
    channel.mlp_stops = faderStops(model.choices().mlp_int_list, sizes.intermediate_size);
    channel.head_stops = faderStops(model.choices().head_int_list, sizes.num_attention_heads);
    channel.mlp = makeFader(layer, true, channel.mlp_stops);
    channel.heads = makeFader(layer, false, channel.head_stops);
    channel.value = new QLabel;
    channel.value->setAlignment(Qt::AlignHCenter);
    const auto button = [layer](const QString& text, const QString& help) {
        auto* made = new QToolButton;
        made->setText(text);
        made->setCheckable(true);
        made->setAutoRaise(true);
        made->setToolTip(help);
        made->setAccessibleName(QStringLiteral("%1 (%2)").arg(help).arg(layer));
        return made;
    };
    channel.solo = button(tr("S"), tr("Solo: all other layers are full"));
    channel.lock = button(tr("L"), tr("Lock: presets and imports leave this layer alone"));
    connect(channel.solo, &QToolButton::toggled, this, [this, layer](bool on) { setSolo(layer, on); });
    connect(channel.lock, &QToolButton::toggled, this, [this, layer](bool on) { setLocked(layer, on); });
    auto* strip = new QWidget;
    auto* faders = new QHBoxLayout;
    faders->setSpacing(0);
    faders->addWidget(channel.mlp);
    faders->addWidget(channel.heads);
    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(0);
    buttons->addWidget(channel.solo);
    buttons->addWidget(channel.lock);
    auto* title = new QLabel(tr("L%1").arg(layer));
    title->setAlignment(Qt::AlignHCenter);
    auto* layout = new QVBoxLayout(strip);
    layout->setContentsMargins(2, 0, 2, 0);
    layout->setSpacing(1);
    layout->addWidget(title);
    layout->addLayout(faders, 1);
    layout->addWidget(channel.value);
    layout->addLayout(buttons);
    channels_.push_back(channel);
    return strip;
}

void MixerView::setModel(const ModelInfoPtr& model)
{
    channels_.clear();
    solo_.clear();
    locked_.clear();
    auto* desk = new QWidget;
    auto* layout = new QHBoxLayout(desk);
    layout->setContentsMargins(0, 0, 0, 0);
    for (int layer = 0; layer < model->config().numLayers(); ++layer) layout->addWidget(makeChannel(layer));
    layout->addStretch(1);
    scroll_->setWidget(desk);
    import_action_->setEnabled(true);
    export_action_->setEnabled(true);
    setMix(fullSubNetwork(model->config()), false);
    page_->showContent();
}

QSlider* MixerView::fader(int layer, bool mlp) const
{
    const Channel& channel = channels_[static_cast<std::size_t>(layer)];
    return mlp ? channel.mlp : channel.heads;
}

void MixerView::setMix(SubNetwork mix, bool run)
{
    mix_ = std::move(mix);
    showMix();
    if (run) runMix(false);
}

void MixerView::showMix()
{
    const QScopedValueRollback showing(showing_, true);
    const QLocale locale;
    for (std::size_t layer = 0; layer < channels_.size(); ++layer) {
        const Channel& channel = channels_[layer];
        channel.mlp->setValue(stopOf(channel.mlp_stops, mix_.mlp[layer]));
        channel.heads->setValue(stopOf(channel.head_stops, mix_.heads[layer]));
        channel.value->setText(
            QStringLiteral("%1\n%2").arg(locale.toString(mix_.mlp[layer]), locale.toString(mix_.heads[layer])));
    }
    const ModelInfo& model = *service_->model();
    const SubNetwork runs = soloed(mix_, solo_, model.config());
    CostOptions options;
    options.kv = KvRule::All;
    const double share = model.latency
                             ? model.latency->predictMs(runs, options.context, options.kv) /
                                   model.latency->predictMs(fullSubNetwork(model.config()), options.context, options.kv)
                             : flopShare(runs, model.config(), options);
    QString text = formatCostShare(share, model.latency.has_value());
    if (!solo_.empty()) text += tr("; solo: the other layers are full");
    summary_->setFullText(text);
}

void MixerView::runMix(bool dragging)
{
    Target target;
    target.kind = Target::Kind::Explicit;
    target.routing = Routing::Uniform;
    target.subnet = soloed(mix_, solo_, service_->model()->config());
    if (dragging) comparison_->dragTarget(target);
    else comparison_->commitTarget(target);
}

// Undo, a session or the command line may have set widths by hand; solo is not known to them.
void MixerView::followTarget()
{
    const Target& target = comparison_->target();
    if (channels_.empty() || target.kind != Target::Kind::Explicit) return;
    if (target.subnet.mlp.size() != channels_.size()) return;
    if (target.subnet == soloed(mix_, solo_, service_->model()->config())) return;
    setMix(target.subnet, false);
}

void MixerView::applyPreset(MixerPreset preset)
{
    const ModelInfo& model = *service_->model();
    setMix(withLocks(presetWidths(preset, model.config(), model.choices()), mix_, locked_), true);
}

void MixerView::setSolo(int layer, bool solo)
{
    if (solo_.contains(layer) == solo) return;
    if (solo) solo_.insert(layer);
    else solo_.erase(layer);
    channels_[static_cast<std::size_t>(layer)].solo->setChecked(solo);
    showMix();
    runMix(false);
}

void MixerView::setLocked(int layer, bool locked)
{
    if (locked) locked_.insert(layer);
    else locked_.erase(layer);
    Channel& channel = channels_[static_cast<std::size_t>(layer)];
    channel.lock->setChecked(locked);
    channel.mlp->setEnabled(!locked);
    channel.heads->setEnabled(!locked);
}

void MixerView::takeFromToken()
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    if (inspected.token < 0 || !inspected.record().read) return;
    const TokenRecord& record = inspected.record();
    if (record.mlp.size() != channels_.size()) return;
    setMix(
        withLocks({{record.mlp.begin(), record.mlp.end()}, {record.heads.begin(), record.heads.end()}}, mix_, locked_),
        true);
}

Result<void> MixerView::importText(const std::string& text)
{
    auto subnet = parseSubNetwork(text, service_->model()->config());
    if (!subnet.ok()) return subnet.error();
    setMix(withLocks(std::move(*subnet), mix_, locked_), true);
    return {};
}

void MixerView::importFile(const QString& file)
{
    const auto imported = guarded([&] { importText(readFile(file.toStdString(), kMostBytes).orThrow()).orThrow(); });
    if (!imported.ok()) emit failed(tr("The widths could not be read; nothing has changed."), imported.error());
}

void MixerView::exportFile(const QString& file)
{
    elsewhere(
        this,
        [file, text = file.endsWith(QLatin1String(".json")) ? toJson(mix_) : toCsv(mix_)] {
            return writeFile(file.toStdString(), text);
        },
        [this, file](const Result<void>& written) {
            if (written.ok()) emit said(tr("Written: %1").arg(file));
            else emit failed(tr("The widths could not be written."), written.error());
        });
}

} // namespace flextron::ui
