#include "ui/target/modelcard.h"

#include <QAction>
#include <QDir>
#include <QLabel>
#include <QLocale>
#include <QScrollArea>
#include <QVBoxLayout>

#include "ui/parts/format.h"

namespace flextron::ui {

namespace {

QString joined(const std::vector<int>& values)
{
    QStringList parts;
    for (const int value : values) parts << QLocale().toString(value);
    return parts.join(QStringLiteral(" · "));
}

QString preparationText(Preparation preparation)
{
    switch (preparation) {
    case Preparation::None: return ModelCard::tr("never converted");
    case Preparation::Sorted: return ModelCard::tr("sorted by importance; not trained for narrow widths");
    case Preparation::Trained: return ModelCard::tr("trained for narrow widths");
    }
    return {};
}

} // namespace

ModelCard::ModelCard(EngineService* service, QAction* open_action, QAction* cancel_action, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , open_action_(open_action)
{
    auto* rows = new QWidget;
    form_ = new QFormLayout(rows);
    form_->setRowWrapPolicy(QFormLayout::WrapLongRows);
    form_->setVerticalSpacing(fontMetrics().height() / 4);
    auto* scroll = new QScrollArea;
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidget(rows);
    scroll->setAccessibleName(tr("Facts about the model"));
    page_ = new StatePage(scroll);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    page_->showEmpty(tr("No model"), tr("Open a folder with a Hugging Face model, or drop it on the window."),
                     open_action_);

    connect(service_, &EngineService::loadStarted, this, [this, cancel_action](const QString& model) {
        loading_ = model.isEmpty() ? tr("the bundled model") : QDir(model).dirName();
        page_->showLoading(tr("Loading %1").arg(loading_), {tr("opening"), 0, 0, {}}, cancel_action);
    });
    connect(service_, &EngineService::loadProgress, this, [this, cancel_action](const LoadProgress& progress) {
        page_->showLoading(tr("Loading %1").arg(loading_), progress, cancel_action);
    });
    connect(service_, &EngineService::modelLoaded, this, &ModelCard::show);
    connect(service_, &EngineService::modelChanged, this, &ModelCard::show);
    connect(service_, &EngineService::loadFailed, this, [this](const QString&, const Error& error) {
        if (error.code == ErrorCode::Cancelled && service_->model()) page_->showContent();
        else if (error.code == ErrorCode::Cancelled) page_->showEmpty(tr("Loading was cancelled"), {}, open_action_);
        else page_->showError(tr("%1 could not be opened").arg(loading_), error, open_action_);
    });
}

void ModelCard::addRow(const QString& name, const QString& value)
{
    auto* label = new QLabel(value);
    label->setWordWrap(true);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    form_->addRow(name, label);
}

void ModelCard::addModelRows(const ModelInfo& model)
{
    const ModelConfig& config = model.config();
    const LayerSizes sizes = config.maxSizes();
    const QLocale locale;
    const std::string_view family = familyName(config.family);
    addRow(tr("Name"), model.name);
    addRow(tr("Family"), QString::fromLatin1(family.data(), static_cast<qsizetype>(family.size())));
    addRow(tr("Parameters"), formatCount(model.checkpoint->parameters()));
    addRow(tr("Layers"),
           tr("%1, hidden size %2").arg(locale.toString(config.numLayers()), locale.toString(config.hidden_size)));
    const QString heads = locale.toString(sizes.num_attention_heads);
    addRow(tr("Attention"), sizes.num_key_value_heads == sizes.num_attention_heads
                                ? tr("%1 heads").arg(heads)
                                : tr("%1 heads in %2 groups").arg(heads, locale.toString(sizes.num_key_value_heads)));
    addRow(tr("MLP"), tr("%1 neurons").arg(locale.toString(sizes.intermediate_size)));
    addRow(tr("Context"), formatTokens(config.max_position_embeddings));
    addRow(tr("Vocabulary"), formatTokens(config.vocab_size));
    addRow(tr("Tokenizer"), model.tokenizer.isEmpty() ? tr("none: %1").arg(model.tokenizer_problem) : model.tokenizer);
}

void ModelCard::addElasticRows(const ModelInfo& model)
{
    addRow(tr("Elastic"), preparationText(model.preparation));
    addRow(tr("MLP choices"), joined(model.choices().mlp_int_list));
    addRow(tr("Head choices"), joined(model.choices().head_int_list));
    QStringList routers;
    if (model.dynamic_routers) routers << tr("dynamic");
    if (model.static_routers) routers << tr("static");
    addRow(tr("Routers"), routers.isEmpty() ? tr("none") : routers.join(QStringLiteral(", ")));
}

void ModelCard::addMachineRows(const ModelInfo& model)
{
    addRow(tr("Runs on"),
           QString::fromStdString(model.device.name) +
               (model.device.fallback_reason.empty()
                    ? QString()
                    : QStringLiteral(" (%1)").arg(QString::fromStdString(model.device.fallback_reason))));
    addRow(tr("Backend"), model.backend);
    addRow(tr("Weights"),
           tr("%1 in memory, shared by all panes").arg(formatBytes(static_cast<std::uint64_t>(model.weight_bytes))));
    addRow(tr("Latency table"), model.latency ? tr("measured %1").arg(formatMoment(model.latency->measured_at))
                                              : tr("none yet: shares are of FLOPs"));
    addRow(tr("Folder"), QString::fromStdString(model.checkpoint->folder().string()));
}

void ModelCard::show(const ModelInfoPtr& model)
{
    while (form_->rowCount() > 0) form_->removeRow(0);
    addModelRows(*model);
    addElasticRows(*model);
    addMachineRows(*model);
    page_->showContent();
}

} // namespace flextron::ui
