#include "ui/compare/paneview.h"

#include <algorithm>

#include <QAction>
#include <QEvent>
#include <QHBoxLayout>
#include <QInputDialog>
#include <QLocale>
#include <QMenu>
#include <QVBoxLayout>

#include "ui/compare/panestate.h"
#include "ui/compare/splitcard.h"
#include "ui/data/panemath.h"
#include "ui/parts/colors.h"
#include "ui/parts/format.h"
#include "ui/service/panesource.h"

namespace flextron::ui {

namespace {

QString stopReasonText(const std::string& reason)
{
    if (reason == "max_tokens") return PaneView::tr("limit reached");
    if (reason == "stop_id") return PaneView::tr("the model ended its text");
    if (reason == "stop_text") return PaneView::tr("stop text reached");
    if (reason == "read") return PaneView::tr("read to the end");
    if (reason == "context") return PaneView::tr("the context is full");
    return PaneView::tr("done");
}

} // namespace

PaneView::PaneView(PaneSlot slot, EngineService* service, Comparison* comparison, Selection* selection, Pace* pace,
                   QAction* run_action, QWidget* parent)
    : QWidget(parent)
    , slot_(slot)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , pace_(pace)
    , run_action_(run_action)
    , title_(new QLabel)
    , detail_(new ElidedLabel)
    , text_(new TokenTextView)
    , page_(new StatePage(text_))
    , footer_(new QLabel)
    , split_(new QToolButton)
    , menu_(new QToolButton)
{
    const bool full = slot == PaneSlot::Full;
    text_->setObjectName(full                     ? QStringLiteral("fullText")
                         : slot == PaneSlot::Live ? QStringLiteral("liveText")
                                                  : QStringLiteral("pinText%1").arg(static_cast<int>(slot)));
    text_->setAccessibleName(full                     ? tr("Text of the full model")
                             : slot == PaneSlot::Live ? tr("Text of the live sub-network")
                                                      : tr("Text of a pinned sub-network"));
    QFont strong = font();
    strong.setBold(true);
    title_->setFont(strong);
    title_->setBuddy(text_);
    detail_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    split_->setFont(strong);
    split_->setToolTip(
        tr("The first new token at which this text leaves the full model's, counted from the prompt's end. Press to "
           "see what either held for likely."));
    split_->setAutoRaise(true);
    split_->setAccessibleName(tr("Where the text leaves the full model's"));
    makeMenu();
    footer_->setWordWrap(true);
    updateHeights();
    footer_->setAlignment(Qt::AlignTop | Qt::AlignLeft);

    auto* heading = new QHBoxLayout;
    title_->setMinimumHeight(menu_->sizeHint().height()); // headings are as high with buttons as without
    heading->addWidget(title_);
    heading->addWidget(detail_, 1);
    heading->addWidget(split_);
    heading->addWidget(menu_);
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
    connect(comparison_, &Comparison::panesChanged, this, &PaneView::refresh);
    connect(pace_, &Pace::shownChanged, this, &PaneView::showShown);
    connect(split_, &QToolButton::clicked, this, &PaneView::showSplit);
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

void PaneView::makeMenu()
{
    menu_->setAutoRaise(true);
    menu_->setText(QStringLiteral("…"));
    menu_->setAccessibleName(tr("This pane"));
    menu_->setToolTip(tr("What can be done with this pane"));
    menu_->setPopupMode(QToolButton::InstantPopup);
    auto* menu = new QMenu(menu_);
    menu_->setMenu(menu);
    if (slot_ == PaneSlot::Full || slot_ == PaneSlot::Live) return;
    connect(menu->addAction(tr("&Rename…")), &QAction::triggered, this, [this] {
        auto* dialog = new QInputDialog(this);
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        dialog->setWindowTitle(tr("Rename the pane"));
        dialog->setLabelText(tr("Name:"));
        dialog->setTextValue(comparison_->paneName(slot_));
        connect(dialog, &QInputDialog::textValueSelected, this,
                [this](const QString& name) { comparison_->renamePin(slot_, name.trimmed()); });
        dialog->open();
    });
    connect(menu->addAction(tr("Put the &Slider Here")), &QAction::triggered, this,
            [this] { comparison_->commitTarget(comparison_->choice(slot_).target); });
    connect(menu->addAction(tr("Re&move")), &QAction::triggered, this, [this] { comparison_->removePin(slot_); });
    menu->addSeparator();
}

int PaneView::footerNeeds() const
{
    return std::max(2 * fontMetrics().lineSpacing(), footer_->heightForWidth(footer_->width()));
}

void PaneView::setFooterHeight(int height)
{
    if (footer_->minimumHeight() != height) footer_->setMinimumHeight(height);
}

SplitCard* PaneView::showSplit()
{
    if (split_card_ == nullptr) split_card_ = new SplitCard(service_, comparison_, selection_, this);
    split_card_->showFor(slot_, split_);
    return split_card_;
}

void PaneView::addUnderText(QWidget* widget)
{
    auto* column = qobject_cast<QVBoxLayout*>(layout());
    column->insertWidget(column->indexOf(page_) + 1, widget);
}

void PaneView::rebuild()
{
    text_->reset();
    showShown();
    showDivergence();
    refresh();
}

void PaneView::grow(const PaneBatch& batch)
{
    std::vector<TokenTextView::Piece> pieces;
    for (const TokenText& piece : batch.texts) pieces.push_back({piece.record, piece.text, false});
    text_->append(pieces);
}

// A replay shows fewer tokens than there are.
void PaneView::showShown()
{
    const PaneData& pane = comparison_->pane(slot_);
    const int shown = pace_->shown(slot_);
    if (shown < text_->tokens()) text_->reset();
    std::vector<TokenTextView::Piece> pieces;
    for (int i = text_->tokens(); i < shown; ++i)
        pieces.push_back({i, pane.pieces[static_cast<std::size_t>(i)], i < pane.prompt_tokens});
    text_->append(pieces);
    if (shown == static_cast<int>(pane.pieces.size())) showDivergence();
    showFooter();
}

QString PaneView::titleText() const
{
    return comparison_->paneName(slot_);
}

QStringList PaneView::measuredParts(bool compact) const
{
    const PaneData& pane = comparison_->pane(slot_);
    const QLocale locale;
    QStringList parts;
    if (pane.inputs.mode == RunMode::Read) {
        const ReadSummary summary = readSummary(pane.trace);
        if (summary.tokens == 0) return parts;
        parts << tr("%1 read").arg(formatTokens(summary.tokens));
        if (summary.predicted > 0) parts << tr("loss %1 nats a token").arg(locale.toString(summary.mean_nll, 'f', 3));
        const double per_second = summary.tokens_per_second;
        if (per_second > 0) parts << tr("%1 tok/s").arg(locale.toString(per_second, 'f', per_second < 10 ? 1 : 0));
        return parts;
    }
    const PaneTiming& timing = pane.timing;
    if (timing.new_tokens == 0) return parts;
    parts << formatTokens(timing.new_tokens);
    if (const QString alone = aloneText(compact); !alone.isEmpty()) parts << alone;
    if (compact) return parts;
    parts << tr("first %1").arg(formatMs(timing.ttft_ms));
    if (timing.new_tokens > 1) parts << tr("p50 %1, p95 %2").arg(formatMs(timing.p50_ms), formatMs(timing.p95_ms));
    return parts;
}

// The panes share a step: what one takes alone is another question, answered by a measurement or by the table.
QString PaneView::aloneText(bool compact) const
{
    const PaneData& pane = comparison_->pane(slot_);
    constexpr double kMsPerSecond = 1000;
    const auto rate = [](double ms) {
        const double per_second = kMsPerSecond / ms;
        return QLocale().toString(per_second, 'f', per_second < 10 ? 1 : 0);
    };
    const LatencyTable* table = tableFor(pane.trace, service_->model());
    const auto by_table = table ? soloMs(pane.trace, pane.prompt_tokens, *table) : std::optional<double>();
    if (pane.solo_ms && *pane.solo_ms > 0) return tr("alone %1 tok/s, measured").arg(rate(*pane.solo_ms));
    if (by_table && *by_table > 0)
        return (compact ? tr("alone %1 tok/s, predicted") : tr("alone %1 tok/s, predicted from the table"))
            .arg(rate(*by_table));
    const double in_company = pane.timing.tokens_per_second;
    return in_company > 0 ? tr("%1 tok/s in company").arg(rate(kMsPerSecond / in_company)) : QString();
}

QString PaneView::agreementText(bool compact) const
{
    const auto& agreement = comparison_->pane(slot_).agreement;
    if (!agreement || agreement->tokens == 0) return {};
    const QLocale locale;
    if (compact) return tr("agrees with full %1 %").arg(locale.toString(100 * agreement->agreement, 'f', 0));
    return tr("agrees with full %1 ± %2 %, KL %3 ± %4, n %5")
        .arg(locale.toString(100 * agreement->agreement, 'f', 0),
             locale.toString(100 * agreement->agreement_stderr, 'f', 0), locale.toString(agreement->kl_to_full, 'f', 3),
             locale.toString(agreement->kl_stderr, 'f', 3), locale.toString(static_cast<qlonglong>(agreement->tokens)));
}

QString PaneView::footerLine(bool compact) const
{
    const PaneData& pane = comparison_->pane(slot_);
    QStringList parts = measuredParts(compact);
    if (pace_->replaying() && !pace_->ended(slot_)) {
        const int slower = Pace::slowness(pace_->mode());
        parts << (slower == 0   ? tr("step by step: F10")
                  : slower == 1 ? tr("replayed at its own speed")
                                : tr("replayed %1 times slower").arg(QLocale().toString(slower)));
        return parts.join(QStringLiteral("  ·  "));
    }
    switch (pane.state) {
    case PaneState::Empty:
    case PaneState::Failed: break;
    case PaneState::Waiting: parts << tr("starting…"); break;
    case PaneState::Reading: parts << tr("reading…"); break;
    case PaneState::Writing: parts << (pane.preview ? tr("preview…") : tr("writing…")); break;
    case PaneState::Done:
        if (pane.preview) parts << tr("preview");
        else if (!compact) parts << stopReasonText(pane.trace.stop_reason);
        break;
    case PaneState::Stopped: parts << tr("stopped"); break;
    }
    if (const QString agreement = agreementText(compact); !agreement.isEmpty()) parts << agreement;
    return parts.join(QStringLiteral("  ·  "));
}

void PaneView::setCompact(bool compact)
{
    if (compact == compact_) return;
    compact_ = compact;
    refresh();
    showDivergence();
    updateHeights();
}

void PaneView::showFooter()
{
    const QString whole = footerLine(false);
    footer_->setText(compact_ ? footerLine(true) : whole);
    footer_->setAccessibleName(whole);
    footer_->setToolTip(
        tr("%1\n\nTime to the first token, and the median and the 95th percentile of a token after it, are measured in "
           "this run, over the pane's own part of each step. Alone: what the pane takes by itself. Agreement: how "
           "often the most probable token is the full model's, both reading the full model's text; KL: how far the "
           "probabilities are from the full model's, in nats.")
            .arg(whole));
}

void PaneView::refresh()
{
    const PaneData& pane = comparison_->pane(slot_);
    title_->setText(titleText());
    const bool table = pane.plan.cost_basis == QLatin1String("latency table");
    const bool dynamic = pane.plan.routing == Routing::Dynamic;
    QString detail;
    if (pane.hasText() && slot_ != PaneSlot::Full) {
        detail = pane.plan.routing == Routing::Uniform
                     ? QStringLiteral("%1, %2").arg(
                           formatCostShare(pane.plan.share, table),
                           formatWidths(pane.plan.subnet, pane.trace.full_mlp, pane.trace.full_heads))
                     : tr("asked %1, %2")
                           .arg(formatCostShare(dynamic ? pane.plan.share : pane.plan.budget, table),
                                dynamic ? tr("dynamic") : tr("static"));
    }
    const auto& source = pane.choice.source;
    if (source) {
        const QString what = source->shares_weights ? tr("other routers") : tr("another checkpoint");
        detail = QStringLiteral("%1, %2").arg(what, detail);
    }
    detail_->setFullText(detail);
    if (source) detail_->setToolTip(QStringLiteral("%1\n%2").arg(detail, source->file));
    showFooter();

    const QString empty = slot_ == PaneSlot::Full ? tr("Here the whole model writes: the baseline.")
                          : slot_ != PaneSlot::Live
                              ? tr("A pin keeps its target while the slider moves.")
                              : tr("Here a smaller member of the same model writes. Drag the latency slider, or run.");
    showPaneState(page_, service_, *comparison_, slot_,
                  {tr("Open a model; its text appears here."), tr("Nothing written yet"), compact_ ? QString() : empty},
                  run_action_);
}

void PaneView::showDivergence()
{
    if (slot_ == PaneSlot::Full) {
        split_->hide();
        return;
    }
    const auto at = comparison_->divergence(slot_);
    split_->setVisible(at.has_value());
    text_->setMarkedToken(comparison_->splitRecord(slot_).value_or(-1));
    if (at) split_->setText((compact_ ? tr("split at %1") : tr("split at token %1")).arg(QLocale().toString(*at + 1)));
}

void PaneView::showSelection(const SelectionState& state)
{
    // The same place in the other pane is the same token only before the texts part.
    const PaneSlot other = slot_ == PaneSlot::Full ? state.pane : slot_;
    const int common = std::min(comparison_->splitRecord(other).value_or(text_->tokens()),
                                comparison_->splitRecord(state.pane).value_or(text_->tokens()));
    const bool here = state.pane == slot_ || (state.primary >= 0 && state.primary < common);
    if (!here || state.tokens.empty()) text_->setSelectedTokens(-1, -1);
    else text_->setSelectedTokens(*state.tokens.begin(), *state.tokens.rbegin());
}

// Two rows of panes fit into 720 points, and so does one in large letters.
void PaneView::updateHeights()
{
    const int line = fontMetrics().lineSpacing();
    text_->setMinimumHeight((compact_ ? 2 : 3) * line + 2 * text_->frameWidth());
    footer_->setMinimumHeight(2 * line);
}

void PaneView::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) updateColors();
    if (event->type() == QEvent::FontChange) updateHeights();
}

void PaneView::updateColors()
{
    QPalette colors = palette();
    colors.setColor(QPalette::ButtonText, cautionColor(palette()));
    split_->setPalette(colors);
    colors.setColor(QPalette::WindowText, quietColor(palette()));
    detail_->setPalette(colors);
}

} // namespace flextron::ui
