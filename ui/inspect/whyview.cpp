#include "ui/inspect/whyview.h"

#include <QLocale>
#include <QScrollArea>
#include <QVBoxLayout>

#include "engine/routing/routers.h"
#include "ui/data/routerdata.h"
#include "ui/parts/format.h"

namespace flextron::ui {

namespace {
constexpr std::array kBlocks{SubBlock::Attention, SubBlock::Mlp};
} // namespace

WhyView::WhyView(EngineService* service, Comparison* comparison, Selection* selection, QAction* run_action,
                 QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , run_action_(run_action)
{
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    followInspected(comparison_, selection_, this, [this] { refresh(); });
    connect(service_, &EngineService::modelLoaded, this, &WhyView::refresh);
    refresh();
}

QWidget* WhyView::makeContent()
{
    auto* content = new QWidget;
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    QFont strong = font();
    strong.setBold(true);
    head_ = new QLabel;
    head_->setFont(strong);
    head_->setWordWrap(true);
    layout->addWidget(head_);
    for (std::size_t i = 0; i < kBlocks.size(); ++i) {
        Part& part = parts_[i];
        part.title = new QLabel(kBlocks[i] == SubBlock::Mlp ? tr("MLP: neurons") : tr("Attention: heads"));
        part.title->setFont(strong);
        part.bars = new ChoiceBars;
        part.bars->setAccessibleName(kBlocks[i] == SubBlock::Mlp ? tr("Probabilities of the MLP's widths")
                                                                 : tr("Probabilities of numbers of heads"));
        part.facts = new QLabel;
        part.facts->setWordWrap(true);
        part.facts->setTextInteractionFlags(Qt::TextSelectableByMouse);
        part.facts->setToolTip(
            tr("Margin: the probability of the choice less that of the runner-up, 1 = sure. Entropy: "
               "0 = sure, at most the logarithm of the number of choices."));
        for (QWidget* widget : std::initializer_list<QWidget*>{part.title, part.bars, part.facts})
            layout->addWidget(widget);
    }
    layout->addStretch(1);
    auto* scroll = new QScrollArea;
    scroll->setWidget(content);
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setAccessibleName(tr("Why this choice"));
    return scroll;
}

void WhyView::showPart(const Inspected& inspected, SubBlock block)
{
    const Part& shown = part(block);
    const Trace& trace = inspected.trace();
    const auto probabilities = routerProbabilities(trace, inspected.token, inspected.layer, block);
    const int used = usedWidth(trace, inspected.token, inspected.layer, block);
    const auto& choices = choicesOf(trace, block);
    shown.bars->setChoices(choices, {probabilities.begin(), probabilities.end()}, used);
    const QLocale locale;
    const int full = block == SubBlock::Mlp ? trace.full_mlp : trace.full_heads;
    QStringList lines;
    if (used < 0) lines << tr("Not read yet.");
    else lines << tr("Used: %1 of %2.").arg(locale.toString(used), locale.toString(full));
    if (!probabilities.empty()) {
        const int chosen = choices[static_cast<std::size_t>(chosenIndex(probabilities))];
        if (forced(trace, inspected.token, inspected.layer, block))
            lines << tr("Forced by hand: the router chose %1.").arg(locale.toString(chosen));
        lines << tr("Expected %1, margin %2, entropy %3 nats.")
                     .arg(locale.toString(expectedWidth(probabilities, choices), 'f', 1),
                          locale.toString(routerMargin(probabilities), 'f', 3),
                          locale.toString(routerEntropy(probabilities), 'f', 3));
    } else if (used >= 0) {
        lines << (trace.routing == "dynamic" ? tr("No router was asked here.")
                                             : tr("One choice for the whole text: no router was asked at this token."));
    }
    shown.facts->setText(lines.join(QLatin1Char(' ')));
}

void WhyView::refresh()
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    if (!showTokenState(page_, service_, *comparison_, inspected,
                        tr("Here stands what the routers said of a cell, and how sure they were."), run_action_))
        return;
    head_->setText(tr("Token %1: %2, layer %3")
                       .arg(QLocale().toString(inspected.token), formatToken(inspected.record().bytes),
                            QLocale().toString(inspected.layer)));
    for (const SubBlock block : kBlocks) showPart(inspected, block);
}

} // namespace flextron::ui
