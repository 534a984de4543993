#include "ui/inspect/forceview.h"

#include <algorithm>
#include <cmath>

#include <QGridLayout>
#include <QLocale>
#include <QVBoxLayout>

#include "engine/base/files.h"
#include "engine/evaluate/scoring.h"
#include "ui/parts/askforfile.h"
#include "ui/parts/elsewhere.h"
#include "ui/parts/format.h"
#include "ui/parts/viewaction.h"

namespace flextron::ui {

namespace {
constexpr std::uint64_t kMostBytes = 16U << 20; // of a file with widths
} // namespace

void ForcedModel::setGroups(std::vector<ForcedGroup> groups)
{
    beginResetModel();
    groups_ = std::move(groups);
    endResetModel();
}

void ForcedModel::add(ForcedGroup group)
{
    const int row = static_cast<int>(groups_.size());
    beginInsertRows({}, row, row);
    groups_.push_back(std::move(group));
    endInsertRows();
}

void ForcedModel::removeAt(int row)
{
    if (row < 0 || row >= static_cast<int>(groups_.size())) return;
    beginRemoveRows({}, row, row);
    groups_.erase(groups_.begin() + row);
    endRemoveRows();
}

int ForcedModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(groups_.size());
}

QVariant ForcedModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid()) return {};
    const ForcedGroup& group = groups_[static_cast<std::size_t>(index.row())];
    if (role == Qt::EditRole) return group.name;
    if (role == Qt::ToolTipRole) return tr("Double click or F2 renames");
    if (role != Qt::DisplayRole) return {};
    return tr("%1 – %2").arg(group.name, describeForced(group.entries));
}

bool ForcedModel::setData(const QModelIndex& index, const QVariant& value, int role)
{
    const QString name = value.toString().trimmed();
    if (!index.isValid() || role != Qt::EditRole || name.isEmpty()) return false;
    groups_[static_cast<std::size_t>(index.row())].name = name;
    emit dataChanged(index, index);
    return true;
}

Qt::ItemFlags ForcedModel::flags(const QModelIndex& index) const
{
    return index.isValid() ? QAbstractListModel::flags(index) | Qt::ItemIsEditable : Qt::NoItemFlags;
}

ForceView::ForceView(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , inquiry_(service, QStringLiteral("force"), this, [this](const Result<ForceEffect>& answer) {
        if (!answer.ok()) {
            effect_->setText(formatError(answer.error()));
            return;
        }
        const QLocale locale;
        const auto signedText = [&locale](double nats) {
            return (nats > 0 ? QStringLiteral("+") : QString()) + locale.toString(nats, 'f', 3);
        };
        QStringList lines{tr("On the same text, forced against not forced:")};
        if (answer->tokens_there > 0)
            lines << tr("right after: %1 nats a token, n = %2")
                         .arg(signedText(answer->there), locale.toString(answer->tokens_there));
        if (answer->tokens_downstream > 0)
            lines << tr("later: %1 nats a token, n = %2")
                         .arg(signedText(answer->downstream), locale.toString(answer->tokens_downstream));
        effect_->setText(lines.join(QLatin1Char('\n')));
    })
{
    makeActions();
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    page_ = new StatePage(makeContent());
    layout->addWidget(page_);
    page_->showNoModel(service_, tr("Open a model. Here widths are forced by hand, and what that does is measured."));
    connect(selection_, &Selection::changed, this, &ForceView::updateActions);
    connect(comparison_, &Comparison::overridesChanged, this, &ForceView::followOverrides);
    connect(comparison_, &Comparison::paneChanged, this, [this](PaneSlot slot) {
        if (slot != PaneSlot::Live) return;
        updateActions();
        const PaneData& pane = comparison_->pane(slot);
        if (pane.complete() && pane.serial != read_serial_) askEffect();
    });
    connect(service_, &EngineService::modelLoaded, this, [this] {
        model_->setGroups({});
        effect_->setText(tr("Select a cell of the heatmap; then force it wider, narrower, or leave it out."));
        page_->showContent();
        push();
    });
    updateActions();
}

void ForceView::makeActions()
{
    change_actions_ = {
        viewAction(this, "forceWider", tr("Force &Wider"), tr("The next wider choice for what is selected")),
        viewAction(this, "forceNarrower", tr("Force &Narrower"), tr("The next narrower choice for what is selected")),
        viewAction(this, "forceSkip", tr("Force S&kip"), tr("Leave the sub-blocks of what is selected out altogether")),
    };
    for (std::size_t i = 0; i < change_actions_.size(); ++i)
        connect(change_actions_[i], &QAction::triggered, this, [this, i] { force(static_cast<ForceChange>(i)); });
    remove_action_ = viewAction(this, "forceRemove", tr("&Remove"), tr("Take the forced choice in the list back"));
    clear_action_ = viewAction(this, "forceClear", tr("Remove A&ll Forced"), tr("Take all forced choices back"));
    shuffle_action_ = viewAction(
        this, "forceShuffle", tr("S&huffle Between Tokens"),
        tr("Give every token of the live text the widths of another one: the same cost, by chance"));
    connect(shuffle_action_, &QAction::triggered, this, &ForceView::shuffle);
    import_action_ = viewAction(this, "forceImport", tr("I&mport Forced…"), tr("Read forced choices from a JSON file"));
    export_action_ = viewAction(this, "forceExport", tr("Ex&port Forced…"), tr("Write forced choices to a JSON file"));
    connect(remove_action_, &QAction::triggered, this, &ForceView::removeCurrent);
    connect(clear_action_, &QAction::triggered, this, [this] {
        model_->setGroups({});
        effect_->clear();
        push();
    });
    connect(import_action_, &QAction::triggered, this, [this] {
        askForFile(this, {FileQuestion::Kind::Open, tr("Import forced choices"), tr("JSON (*.json)"), {}, {}},
                   [this](const QString& file) { importFile(file); });
    });
    connect(export_action_, &QAction::triggered, this, [this] {
        askForFile(this,
                   {FileQuestion::Kind::Save,
                    tr("Export forced choices"),
                    tr("JSON (*.json)"),
                    QStringLiteral("forced.json"),
                    {}},
                   [this](const QString& file) { exportFile(file); });
    });
}

QList<QAction*> ForceView::viewActions() const
{
    QList<QAction*> actions(change_actions_.begin(), change_actions_.end());
    return actions << shuffle_action_ << clear_action_ << import_action_ << export_action_;
}

QWidget* ForceView::makeContent()
{
    auto* content = new QWidget;
    const auto combo = [](const QString& name, const std::vector<std::pair<QString, int>>& items) {
        auto* box = new QComboBox;
        box->setAccessibleName(name);
        for (const auto& [text, value] : items) box->addItem(text, value);
        return box;
    };
    scope_ = combo(tr("What to force"), {{tr("This cell"), static_cast<int>(ForceScope::Cell)},
                                         {tr("Layer, every token"), static_cast<int>(ForceScope::Row)},
                                         {tr("Token, every layer"), static_cast<int>(ForceScope::Column)},
                                         {tr("Selected cells"), static_cast<int>(ForceScope::Brush)}});
    scope_->setObjectName(QStringLiteral("forceScope"));
    blocks_ = combo(tr("Which sub-blocks to force"), {{tr("MLP and heads"), static_cast<int>(ForceBlocks::Both)},
                                                      {tr("MLP"), static_cast<int>(ForceBlocks::Mlp)},
                                                      {tr("Heads"), static_cast<int>(ForceBlocks::Attention)}});
    blocks_->setObjectName(QStringLiteral("forceBlocks"));
    const auto button = [](QAction* action) {
        auto* made = new ActionButton;
        made->setAction(action);
        return made;
    };
    auto* grid = new QGridLayout;
    grid->addWidget(scope_, 0, 0, 1, 2);
    grid->addWidget(blocks_, 0, 2);
    for (std::size_t i = 0; i < change_actions_.size(); ++i)
        grid->addWidget(button(change_actions_[i]), 1, static_cast<int>(i));
    model_ = new ForcedModel(this);
    list_ = new QListView;
    list_->setObjectName(QStringLiteral("forcedList"));
    list_->setAccessibleName(tr("Forced choices"));
    list_->setModel(model_);
    list_->setMinimumHeight(fontMetrics().height() * 3);
    list_->setWordWrap(true);
    list_->setResizeMode(QListView::Adjust);
    list_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    effect_ = new QLabel(tr("Select a cell of the heatmap; then force it wider, narrower, or leave it out."));
    effect_->setWordWrap(true);
    effect_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    effect_->setToolTip(
        tr("The live pane's text is read again with and without what is forced. A token's widths act on "
           "what is foretold after it."));
    grid->addWidget(button(shuffle_action_), 2, 0, 1, 3);
    auto* buttons = new QGridLayout;
    buttons->addWidget(button(remove_action_), 0, 0);
    buttons->addWidget(button(clear_action_), 0, 1);
    buttons->addWidget(button(import_action_), 1, 0);
    buttons->addWidget(button(export_action_), 1, 1);
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addLayout(grid);
    layout->addWidget(list_, 1);
    layout->addLayout(buttons);
    layout->addWidget(effect_);
    connect(list_->selectionModel(), &QItemSelectionModel::currentChanged, this, &ForceView::updateActions);
    return content;
}

void ForceView::setScope(ForceScope scope)
{
    scope_->setCurrentIndex(scope_->findData(static_cast<int>(scope)));
}

void ForceView::setBlocks(ForceBlocks blocks)
{
    blocks_->setCurrentIndex(blocks_->findData(static_cast<int>(blocks)));
}

void ForceView::force(ForceChange change)
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    auto entries = forceEntries(inspected.trace(), selection_->state(), scope(), blocks(), change);
    if (entries.empty()) {
        effect_->setText(tr("Nothing to force: what is selected was not read, or is at the end of its choices."));
        return;
    }
    // What is forced later counts: a cell forced twice is listed twice, the last one holds.
    const QString name = tr("Forced %1").arg(QLocale().toString(model_->rowCount() + 1));
    model_->add({name, std::move(entries)});
    push();
}

void ForceView::shuffle()
{
    const PaneData& pane = comparison_->pane(PaneSlot::Live);
    auto entries = shuffledEntries(pane.trace, pane.inputs.sampler.seed);
    if (entries.empty()) {
        effect_->setText(tr("Nothing to shuffle: every token has the same widths. Choose dynamic routing and run."));
        return;
    }
    model_->add({tr("Shuffled"), std::move(entries)});
    push();
}

void ForceView::removeCurrent()
{
    model_->removeAt(list_->currentIndex().row());
    push();
}

void ForceView::push()
{
    const Overrides all = allOverrides(model_->groups());
    const auto& now = comparison_->overrides();
    if (now ? *now != all : !all.empty())
        comparison_->setOverrides(all.empty() ? nullptr : std::make_shared<const Overrides>(all));
    askEffect();
    updateActions();
}

// Undo or a session may have set them: then who forced what together is not known.
void ForceView::followOverrides()
{
    const auto& now = comparison_->overrides();
    const Overrides all = now ? *now : Overrides{};
    if (all == allOverrides(model_->groups())) return;
    model_->setGroups(all.empty() ? std::vector<ForcedGroup>{} : std::vector{ForcedGroup{tr("Forced"), all.entries()}});
    askEffect();
    updateActions();
}

void ForceView::askEffect()
{
    const PaneData& pane = comparison_->pane(PaneSlot::Live);
    const auto& overrides = comparison_->overrides();
    inquiry_.forget();
    read_serial_ = pane.serial;
    if (!service_->model() || pane.trace.records.size() < 2 || !overrides || overrides->empty()) {
        return;
    }
    effect_->setText(tr("Reading the text with and without…"));
    inquiry_.ask([ids = pane.trace.ids(), target = comparison_->target(), overrides](
                     const auto& model, const ProgressFn& progress, const CancelToken& cancel) -> Result<ForceEffect> {
        return guarded([&] {
            const ResolvedTarget resolved = resolveTarget(target, model->targetContext()).orThrow();
            ScoreOptions options;
            options.keep_records = false;
            WidthPlan plan = resolved.plan;
            const Score without = scoreText(*model, ids, plan, options, progress, cancel).orThrow();
            plan.overrides = overrides;
            const Score with = scoreText(*model, ids, plan, options, progress, cancel).orThrow();
            return forceEffect(with.nll, without.nll, *overrides);
        });
    });
}

void ForceView::updateActions()
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    for (QAction* action : change_actions_) action->setEnabled(service_->model() && inspected.token >= 0);
    shuffle_action_->setEnabled(service_->model() && comparison_->pane(PaneSlot::Live).complete());
    remove_action_->setEnabled(list_->currentIndex().isValid());
    clear_action_->setEnabled(model_->rowCount() > 0);
    export_action_->setEnabled(model_->rowCount() > 0);
    import_action_->setEnabled(service_->model() != nullptr);
}

Result<void> ForceView::importText(const std::string& text)
{
    auto overrides = parseOverrides(text, service_->model()->config());
    if (!overrides.ok()) return overrides.error();
    model_->setGroups({{tr("Imported"), overrides->entries()}});
    push();
    return {};
}

void ForceView::importFile(const QString& file)
{
    const auto imported = guarded([&] { importText(readFile(file.toStdString(), kMostBytes).orThrow()).orThrow(); });
    if (!imported.ok()) emit failed(tr("The forced choices could not be read; nothing has changed."), imported.error());
}

void ForceView::exportFile(const QString& file)
{
    elsewhere(
        this, [file, text = toJson(allOverrides(model_->groups()))] { return writeFile(file.toStdString(), text); },
        [this, file](const Result<void>& written) {
            if (written.ok()) emit said(tr("Written: %1").arg(file));
            else emit failed(tr("The forced choices could not be written."), written.error());
        });
}

} // namespace flextron::ui
