#include "ui/paneview.h"

#include <QAction>
#include <QEvent>
#include <QHBoxLayout>
#include <QLocale>
#include <QVBoxLayout>

#include "ui/colors.h"
#include "ui/format.h"

namespace flextron::ui {

namespace {

QString stopReasonText(const std::string& reason)
{
    if (reason == "max_tokens") return PaneView::tr("limit reached");
    if (reason == "stop_id") return PaneView::tr("the model ended its text");
    if (reason == "stop_text") return PaneView::tr("stop text reached");
    if (reason == "context") return PaneView::tr("the context is full");
    return PaneView::tr("done");
}

} // namespace

PaneView::PaneView(PaneSlot slot, EngineService* service, Comparison* comparison, Selection* selection,
                   QAction* run_action, QWidget* parent)
    : QWidget(parent)
    , slot_(slot)
    , service_(service)
    , comparison_(comparison)
    , run_action_(run_action)
    , title_(new QLabel)
    , detail_(new QLabel)
    , text_(new TokenTextView)
    , page_(new StatePage(text_))
    , footer_(new QLabel)
    , split_(new QLabel)
{
    const bool full = slot == PaneSlot::Full;
    text_->setObjectName(full ? QStringLiteral("fullText") : QStringLiteral("liveText"));
    text_->setAccessibleName(full ? tr("Text of the full model") : tr("Text of the live sub-network"));
    QFont strong = font();
    strong.setBold(true);
    title_->setFont(strong);
    title_->setBuddy(text_);
    detail_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    split_->setFont(strong);
    split_->setToolTip(
        tr("The first new token at which this text leaves the full model's, counted from the prompt's end."));
    footer_->setWordWrap(true);
    footer_->setToolTip(tr("Measured in this run, over this pane's own share of each step: tokens a second and the "
                           "median time of a token after the first, and the time to the first."));
    footer_->setMinimumHeight(2 * fontMetrics().lineSpacing());
    footer_->setAlignment(Qt::AlignTop | Qt::AlignLeft);

    auto* heading = new QHBoxLayout;
    heading->addWidget(title_);
    heading->addWidget(detail_, 1);
    heading->addWidget(split_);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addLayout(heading);
    layout->addWidget(page_, 1);
    layout->addWidget(footer_);
    updateColors();

    connect(comparison_, &Comparison::paneReset, this, [this](PaneSlot which) {
        if (which == slot_) rebuild();
    });
    connect(comparison_, &Comparison::paneGrew, this, [this](PaneSlot which, const PaneBatch& batch) {
        if (which == slot_) grow(batch);
    });
    connect(comparison_, &Comparison::paneChanged, this, [this](PaneSlot which) {
        if (which == slot_) refresh();
    });
    connect(comparison_, &Comparison::divergenceChanged, this, &PaneView::showDivergence);
    connect(service_, &EngineService::busyChanged, this, &PaneView::refresh);
    connect(service_, &EngineService::modelChanged, this, &PaneView::refresh);
    connect(text_, &TokenTextView::tokenClicked, selection, [selection, slot](int token, bool extend) {
        if (extend && selection->state().pane == slot) selection->extendTo(token);
        else selection->selectToken(slot, token);
    });
    connect(selection, &Selection::changed, this, &PaneView::showSelection);
    rebuild();
}

void PaneView::rebuild()
{
    text_->reset();
    const PaneData& pane = comparison_->pane(slot_);
    for (int i = 0; i < static_cast<int>(pane.pieces.size()); ++i) {
        text_->append(i, pane.pieces[static_cast<std::size_t>(i)], i < pane.prompt_tokens);
    }
    showDivergence();
    refresh();
}

void PaneView::grow(const PaneBatch& batch)
{
    for (const TokenText& piece : batch.texts) text_->append(piece.record, piece.text, false);
}

QString PaneView::titleText() const
{
    return slot_ == PaneSlot::Full ? tr("Full model") : tr("Live");
}

QString PaneView::footerLine() const
{
    const PaneData& pane = comparison_->pane(slot_);
    const QLocale locale;
    QStringList parts;
    const PaneTiming& timing = pane.timing;
    if (timing.new_tokens > 0) parts << formatTokens(timing.new_tokens);
    if (timing.new_tokens > 1) {
        parts
            << tr("%1 tok/s").arg(locale.toString(timing.tokens_per_second, 'f', timing.tokens_per_second < 10 ? 1 : 0))
            << tr("%1/token").arg(formatMs(timing.p50_ms));
    }
    if (timing.new_tokens > 0) parts << tr("first %1").arg(formatMs(timing.ttft_ms));
    // The panes share a step, and with it the reading of the weights: only the table knows what one alone would take.
    if (timing.new_tokens > 0 && pane.plan.predicted_ms)
        parts << tr("alone %1/token (predicted)").arg(formatMs(*pane.plan.predicted_ms));
    switch (pane.state) {
    case PaneState::Empty:
    case PaneState::Failed: break;
    case PaneState::Waiting: parts << tr("starting…"); break;
    case PaneState::Reading: parts << tr("reading the prompt…"); break;
    case PaneState::Writing: parts << (pane.preview ? tr("preview…") : tr("writing…")); break;
    case PaneState::Done: parts << (pane.preview ? tr("preview") : stopReasonText(pane.trace.stop_reason)); break;
    case PaneState::Stopped: parts << tr("stopped"); break;
    }
    return parts.join(QStringLiteral("  ·  "));
}

void PaneView::refresh()
{
    const PaneData& pane = comparison_->pane(slot_);
    title_->setText(titleText());
    const bool table = pane.plan.cost_basis == QLatin1String("latency table");
    if (!pane.hasText() || slot_ == PaneSlot::Full) detail_->clear();
    else if (pane.plan.routing == Routing::Uniform) {
        detail_->setText(QStringLiteral("%1, %2").arg(formatCostShare(pane.plan.share, table),
                                                      formatWidths(pane.plan.subnet, service_->model()->config())));
    } else {
        detail_->setText(tr("asked %1, %2")
                             .arg(formatCostShare(pane.plan.budget, table),
                                  pane.plan.routing == Routing::Dynamic ? tr("dynamic") : tr("static")));
    }
    detail_->setToolTip(detail_->text());
    footer_->setText(footerLine());

    if (pane.state == PaneState::Failed) {
        page_->showError(tr("The run failed"), pane.error, run_action_);
    } else if (pane.hasText()) {
        if (comparison_->stale(slot_))
            page_->showStale(tr("Out of date: prompt or settings have changed."), run_action_);
        else page_->showContent();
    } else if (pane.busy()) {
        page_->showLoading(tr("Starting"), {tr("reading the prompt"), 0, 0, {}});
    } else if (!service_->model()) {
        page_->showEmpty(tr("No model"), tr("Open a model; its text appears here."));
    } else if (slot_ == PaneSlot::Full) {
        page_->showEmpty(tr("Nothing written yet"), tr("Here the whole model writes: the baseline."), run_action_);
    } else {
        page_->showEmpty(tr("Nothing written yet"),
                         tr("Here a smaller member of the same model writes. Drag the latency slider, or run."),
                         run_action_);
    }
}

void PaneView::showDivergence()
{
    if (slot_ == PaneSlot::Full) {
        split_->hide();
        return;
    }
    const auto at = comparison_->divergence();
    split_->setVisible(at.has_value());
    text_->setMarkedToken(at ? comparison_->pane(slot_).prompt_tokens + *at : -1);
    if (at) split_->setText(tr("split at token %1").arg(QLocale().toString(*at + 1)));
}

void PaneView::showSelection(const SelectionState& state)
{
    // The same place in the other pane is the same token only before the texts part.
    const auto split = comparison_->divergence();
    const int common = comparison_->pane(slot_).prompt_tokens + split.value_or(text_->tokens());
    const bool here = state.pane == slot_ || (state.primary >= 0 && state.primary < common);
    if (!here || state.tokens.empty()) text_->setSelectedTokens(-1, -1);
    else text_->setSelectedTokens(*state.tokens.begin(), *state.tokens.rbegin());
}

void PaneView::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) updateColors();
}

void PaneView::updateColors()
{
    QPalette colors = palette();
    colors.setColor(QPalette::WindowText, cautionColor(palette()));
    split_->setPalette(colors);
    colors.setColor(QPalette::WindowText, quietColor(palette()));
    detail_->setPalette(colors);
}

} // namespace flextron::ui
