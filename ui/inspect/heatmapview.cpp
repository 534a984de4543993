#include "ui/inspect/heatmapview.h"

#include <algorithm>
#include <cmath>

#include <QHBoxLayout>
#include <QVBoxLayout>

#include "ui/compare/panestate.h"
#include "ui/parts/colors.h"
#include "ui/parts/elidedbox.h"
#include "ui/parts/format.h"
#include "ui/parts/viewaction.h"

namespace flextron::ui {

HeatmapView::HeatmapView(EngineService* service, Comparison* comparison, Selection* selection, Baseline* baseline,
                         QAction* run_action, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , baseline_(baseline)
    , run_action_(run_action)
{
    makeActions();
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    connectPlot();
    connectData();
    rebuild();
}

HeatmapView::~HeatmapView() = default;

void HeatmapView::makeActions()
{
    const auto make = [this](const char* name, const QString& text, const QString& help, bool checkable) {
        QAction* action = viewAction(this, name, text, help);
        action->setCheckable(checkable);
        return action;
    };
    table_action_ = make("heatmapTable", tr("Heatmap as &Table"),
                         tr("Show the tokens as a table that can be sorted: the worst first"), true);
    table_action_->setShortcut(Qt::CTRL | Qt::Key_T);
    difference_action_ = make("heatmapDifference", tr("&Difference to Full"),
                              tr("Draw differences to the full model, where the texts agree"), true);
    same_text_action_ = make("compareSameText", tr("Compare on the &Same Text"),
                             tr("Let the full model read this pane's text, to compare beyond the split"), false);
    dynamic_action_ = make("switchToDynamic", tr("Switch to D&ynamic"),
                           tr("Let the routers choose the widths token by token"), false);
    table_action_->setIconText(tr("Table")); // what the tool buttons say
    difference_action_->setIconText(tr("Difference"));
    connect(table_action_, &QAction::toggled, this, [this](bool table) {
        twins_->setCurrentIndex(table ? 1 : 0);
        readout_->setVisible(!table);
        legend_->setVisible(!table);
    });
    connect(difference_action_, &QAction::toggled, this, &HeatmapView::rebuild);
    connect(same_text_action_, &QAction::triggered, this, [this] { baseline_->read(slot_); });
    connect(dynamic_action_, &QAction::triggered, this, &HeatmapView::switchToDynamic);
}

QList<QAction*> HeatmapView::viewActions() const
{
    return {table_action_, difference_action_, same_text_action_, dynamic_action_};
}

QWidget* HeatmapView::makeBar()
{
    quantity_box_ = new ElidedBox;
    quantity_box_->setObjectName(QStringLiteral("heatmapQuantity"));
    quantity_box_->setAccessibleName(tr("Quantity of the heatmap"));
    for (const auto quantity : {Quantity::MlpWidth, Quantity::Heads, Quantity::ComputeShare, Quantity::Milliseconds}) {
        quantity_box_->addItem(quantityName(quantity), static_cast<int>(quantity));
    }
    pane_box_ = new QComboBox;
    pane_box_->setAccessibleName(tr("Pane of the heatmap"));
    pane_box_->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    listPanes();
    legend_ = new ColorLegend;
    note_ = new ElidedLabel;
    note_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);

    auto* bar = new QWidget;
    auto* layout = new QHBoxLayout(bar);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(pane_box_);
    layout->addWidget(quantity_box_);
    for (QAction* action : {difference_action_, table_action_}) {
        auto* button = new QToolButton;
        button->setDefaultAction(action);
        button->setAccessibleName(action->text().remove(QLatin1Char('&')));
        layout->addWidget(button);
    }
    layout->addWidget(legend_);
    layout->addWidget(note_, 1);
    connect(quantity_box_, &QComboBox::currentIndexChanged, this, [this] {
        quantity_ = static_cast<Quantity>(quantity_box_->currentData().toInt());
        table_model_->setLayerQuantity(quantity_);
        drawColumns(0);
        updateScale();
    });
    connect(pane_box_, &QComboBox::currentIndexChanged, this, [this] {
        slot_ = static_cast<PaneSlot>(pane_box_->currentData().toInt());
        rebuild();
    });
    return bar;
}

QWidget* HeatmapView::makeContent()
{
    auto* content = new QWidget;
    plot_ = new HeatmapPlot;
    plot_->setObjectName(QStringLiteral("heatmapPlot"));
    plot_->setAccessibleName(tr("Heatmap of tokens and layers"));
    plot_->setToolTip(
        tr("Above the map: means of its columns; at its right: means of its rows. Drag selects cells, Ctrl "
           "and drag moves, the wheel zooms tokens, with Ctrl layers; a double click shows all."));
    plot_->setTokenLabel([this](int token) {
        if (token >= static_cast<int>(trace().records.size())) return QString();
        const TokenRecord& record = trace().records[static_cast<std::size_t>(token)];
        return record.bytes.empty() ? QStringLiteral("·") : formatToken(record.bytes);
    });
    table_model_ = new TokenTableModel([this] { return tokenSource(); }, &grid_, this);
    table_ = new TokenTable(table_model_);
    twins_ = new QStackedWidget;
    twins_->addWidget(plot_);
    twins_->addWidget(table_);
    readout_ = new ElidedLabel;
    readout_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addWidget(makeBar());
    layout->addWidget(twins_, 1);
    // Beside the readout, which can be short: with large letters the bar above has no room for them.
    auto* below = new QHBoxLayout;
    below->addWidget(readout_, 1);
    for (QAction* action : {dynamic_action_, same_text_action_}) {
        auto* button = new ActionButton;
        button->setAction(action);
        connect(action, &QAction::changed, button, [button, action] { button->setVisible(action->isEnabled()); });
        below->addWidget(button);
    }
    layout->addLayout(below);
    return content;
}

void HeatmapView::listPanes()
{
    {
        const QSignalBlocker quiet(pane_box_);
        pane_box_->clear();
        const auto order = comparison_->order();
        for (auto slot = order.rbegin(); slot != order.rend(); ++slot)
            pane_box_->addItem(comparison_->paneName(*slot), static_cast<int>(*slot));
    }
    const int at = pane_box_->findData(static_cast<int>(slot_));
    pane_box_->setCurrentIndex(std::max(0, at));
}

void HeatmapView::connectPlot()
{
    connect(plot_, &HeatmapPlot::cellPointed, this, &HeatmapView::showCell);
    connect(plot_, &HeatmapPlot::pointerLeft, this, &HeatmapView::updateMarks);
    connect(plot_, &HeatmapPlot::cellClicked, this, &HeatmapView::select);
    connect(plot_, &HeatmapPlot::cellsBrushed, this, [this](int token, int layer, int to_token, int to_layer) {
        const int last = static_cast<int>(trace().records.size()) - 1;
        if (last < 0) return;
        selection_->selectCells(slot_, std::min(token, last), layer, std::min(to_token, last), to_layer);
    });
    connect(plot_, &HeatmapPlot::cursorMoved, this, [this](int tokens, int layers, bool extend) {
        const SelectionState& state = selection_->state();
        if (state.primary < 0) select(0, std::max(0, state.layer), extend);
        else select(state.primary + tokens, state.layer < 0 ? 0 : state.layer + layers, extend);
    });
    connect(table_, &TokenTable::tokenChosen, this, [this](int token) { selection_->selectToken(slot_, token); });
}

void HeatmapView::connectData()
{
    connect(service_, &EngineService::modelLoaded, this, [this](const ModelInfoPtr& model) {
        shares_ = std::make_unique<LayerShares>(model->config());
        rebuild();
    });
    connect(comparison_, &Comparison::paneReset, this, [this](PaneSlot slot) {
        if (slot == slot_) rebuild();
    });
    connect(comparison_, &Comparison::paneGrew, this, [this](PaneSlot slot, const PaneBatch& batch) {
        if (slot == slot_) drawColumns(batch.first_record);
    });
    connect(comparison_, &Comparison::paneChanged, this, [this](PaneSlot slot) {
        if (slot == slot_) updateState();
    });
    connect(baseline_, &Baseline::changed, this, &HeatmapView::followBaseline);
    connect(baseline_, &Baseline::failed, this, [this](const Error& error) { note_->setFullText(formatError(error)); });
    connect(service_, &EngineService::busyChanged, this, &HeatmapView::updateActions);
    connect(comparison_, &Comparison::targetChanged, this, &HeatmapView::updateActions);
    connect(comparison_, &Comparison::divergenceChanged, this, &HeatmapView::updateMarks);
    connect(comparison_, &Comparison::panesChanged, this, &HeatmapView::listPanes);
    connect(selection_, &Selection::changed, this, &HeatmapView::updateMarks);
}

void HeatmapView::setQuantity(Quantity quantity)
{
    quantity_box_->setCurrentIndex(quantity_box_->findData(static_cast<int>(quantity)));
}

GridSource HeatmapView::gridSource() const
{
    GridSource source{&trace(), nullptr, 0, quantity_, shares_.get()};
    if (difference_action_->isChecked()) {
        source.baseline = compared_with_.trace != nullptr ? compared_with_.trace : &trace();
        source.common = compared_with_.common;
    }
    return source;
}

TokenSource HeatmapView::tokenSource() const
{
    return {&trace(), compared_with_, shares_.get()};
}

void HeatmapView::rebuild()
{
    // What was read off the last run says nothing of this one.
    readout_->setFullText({});
    plot_->setAccessibleDescription({});
    const int room = static_cast<int>(trace().records.size()) +
                     (pane().busy() && pane().inputs.mode == RunMode::Write ? pane().inputs.max_tokens : 0);
    grid_.reset(std::max(1, room), std::max(1, trace().layers));
    plot_->setRoom(grid_.tokens(), grid_.layers());
    compared_ = 0;
    compared_with_ = baseline_->of(slot_);
    table_model_->rebuild();
    drawColumns(0);
    updateScale();
    updateState();
}

void HeatmapView::drawColumns(int first)
{
    compared_with_ = baseline_->of(slot_);
    const int count = static_cast<int>(trace().records.size());
    if (count > grid_.tokens()) { // a text that is longer than it was asked for
        grid_.reset(count, std::max(1, trace().layers));
        plot_->setRoom(count, grid_.layers());
        first = 0;
    }
    const GridSource source = gridSource();
    first = std::min(first, std::max(0, compared_ - 1));
    compared_ = source.baseline != nullptr ? source.common : count;
    grid_.fill(source, first);
    plot_->showCells(grid_, first);
    table_model_->follow(first);
    if (quantity_ == Quantity::Milliseconds) updateScale();
    note_->setFullText(noteText());
    updateMarks();
}

// The full pane grew, or the full model has read this pane's text: more tokens can be compared.
void HeatmapView::followBaseline()
{
    updateActions();
    compared_with_ = baseline_->of(slot_);
    if (difference_action_->isChecked() && gridSource().common != compared_) drawColumns(compared_);
    else table_model_->follow(static_cast<int>(trace().records.size()) - 1);
}

QString HeatmapView::noteText() const
{
    if (difference_action_->isChecked() && compared_ < tokensRead(trace()))
        return tr("Hatched: another text than the full model's.");
    if (sameForEveryToken(trace()) && pane().choice.target.routing == Routing::Dynamic)
        return tr("The same for every token: at the full width the routers have nothing to choose.");
    if (sameForEveryToken(trace())) return tr("The same for every token: one choice for the whole text.");
    const bool changed = tokensRead(trace()) > 0 && trace().routing != "dynamic";
    return changed ? tr("The target was changed in mid-text.") : QString();
}

void HeatmapView::updateScale()
{
    const auto say = [quantity = quantity_](double value) { return valueText(value, quantity); };
    plot_->setCellText([this](double value) { return cellNumber(value); });
    if (difference_action_->isChecked()) {
        const double end = std::max(grid_.largest(), 1e-6);
        plot_->setScale(ColorMap::Diverging, {-end, end});
        legend_->setScale(ColorMap::Diverging, {-end, end}, {}, say);
        return;
    }
    const ValueRange range = valueRange(trace(), quantity_);
    plot_->setScale(ColorMap::Sequential, range);
    legend_->setScale(ColorMap::Sequential, range, discreteValues(trace(), quantity_), say);
}

// Without its unit, which the legend says: cells are small.
QString HeatmapView::cellNumber(double value) const
{
    const QLocale locale;
    const bool whole = quantity_ == Quantity::MlpWidth || quantity_ == Quantity::Heads;
    const QString number = locale.toString(value, 'f', whole ? 0 : 2);
    return difference_action_->isChecked() && value > 0 ? QLatin1Char('+') + number : number;
}

void HeatmapView::updateState()
{
    const PaneData& shown_pane = pane();
    plot_->setShownTokens(shown_pane.busy() ? grid_.tokens() : static_cast<int>(trace().records.size()));
    plot_->setProfile(!shown_pane.busy() && sameForEveryToken(trace()));
    if (!shown_pane.busy()) updateScale();
    updateActions();
    showPaneState(page_, service_, *comparison_, slot_,
                  {tr("Open a model to see how wide each token is computed."), tr("Nothing read yet"),
                   tr("A run draws here how wide each layer was for each token.")},
                  run_action_);
}

void HeatmapView::updateActions()
{
    const ModelInfoPtr& model = service_->model();
    const bool still = !pane().busy() && pane().hasText();
    same_text_action_->setEnabled(difference_action_->isChecked() && baseline_->canRead(slot_));
    const bool already = comparison_->target().routing == Routing::Dynamic;
    dynamic_action_->setEnabled(model && model->dynamic_routers && still && !already && slot_ == PaneSlot::Live &&
                                sameForEveryToken(trace()));
}

void HeatmapView::switchToDynamic()
{
    Target target = comparison_->target();
    target.routing = Routing::Dynamic;
    comparison_->commitTarget(target);
}

void HeatmapView::updateMarks()
{
    const PaneData& shown_pane = pane();
    const SelectionState& state = selection_->state();
    HeatmapMarks marks;
    marks.prompt_tokens = shown_pane.prompt_tokens;
    marks.split = comparison_->splitRecord(slot_);
    // The same place in another pane is the same token only before the texts part.
    const bool same_place = state.pane == slot_ ||
                            state.primary < commonTokens(trace(), comparison_->pane(state.pane).trace);
    const bool shown = state.primary >= 0 && state.primary < static_cast<int>(trace().records.size()) && same_place;
    if (shown) {
        marks.tokens = state.tokens;
        marks.primary = state.primary;
        marks.layer = state.layer;
        marks.layers = state.layers;
        showCell(state.primary, std::max(0, state.layer));
    }
    plot_->setMarks(marks);
    table_->setCurrentToken(shown ? state.primary : -1);
}

void HeatmapView::showCell(int token, int layer)
{
    if (token >= static_cast<int>(trace().records.size())) return;
    QString text = cellText(trace(), token, layer, quantity_, shares_.get());
    if (const double value = grid_.at(token, layer); difference_action_->isChecked()) {
        text = std::isnan(value)
                   ? tr("%1  ·  not comparable").arg(text)
                   : tr("%1  ·  %2 than full")
                         .arg(text, (value > 0 ? QStringLiteral("+") : QString()) + valueText(value, quantity_));
    } else if (!std::isnan(grid_.tokenMean(token))) {
        text = tr("%1  ·  mean of the token %2, of the layer %3")
                   .arg(text, valueText(grid_.tokenMean(token), quantity_),
                        valueText(grid_.layerMean(layer), quantity_));
    }
    readout_->setFullText(text);
    plot_->setAccessibleDescription(text);
}

void HeatmapView::select(int token, int layer, bool extend)
{
    const int last = static_cast<int>(trace().records.size()) - 1;
    if (last < 0) return;
    token = std::clamp(token, 0, last);
    layer = std::clamp(layer, 0, std::max(0, trace().layers - 1));
    if (extend && selection_->state().pane == slot_) {
        selection_->extendTo(token);
        selection_->setLayer(layer);
    } else {
        selection_->selectToken(slot_, token, layer);
    }
}

} // namespace flextron::ui
