#include "ui/compare/textcoloring.h"

#include <cmath>

#include <QLabel>
#include <QVBoxLayout>

#include "ui/parts/elidedbox.h"

namespace flextron::ui {

TextColoring::TextColoring(EngineService* service, Comparison* comparison, Baseline* baseline, QWidget* parent)
    : QWidget(parent)
    , comparison_(comparison)
    , baseline_(baseline)
    , box_(new ElidedBox)
    , legend_(new ColorLegend)
{
    box_->setObjectName(QStringLiteral("textColoring"));
    box_->setAccessibleName(tr("Colour the texts by"));
    box_->setToolTip(tr("Paints the words of all panes by one number each"));
    box_->addItem(tr("Plain text"), -1);
    for (const auto quantity : {TokenQuantity::Probability, TokenQuantity::Surprisal, TokenQuantity::LossDifference,
                                TokenQuantity::Compute, TokenQuantity::Margin})
        box_->addItem(tr("By %1").arg(tokenQuantityName(quantity)), static_cast<int>(quantity));
    legend_->hide();
    // Below each other: side by side they would widen the panels beside the texts, which keep what they once got.
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(box_, 0, Qt::AlignLeft);
    layout->addWidget(legend_, 0, Qt::AlignLeft);
    connect(box_, &QComboBox::currentIndexChanged, this, &TextColoring::paintAll);
    connect(service, &EngineService::modelLoaded, this,
            [this](const ModelInfoPtr& model) { shares_ = std::make_unique<LayerShares>(model->config()); });
    connect(comparison_, &Comparison::paneReset, this, [this](PaneSlot slot) { paint(slot, 0); });
    connect(comparison_, &Comparison::paneGrew, this,
            [this](PaneSlot slot, const PaneBatch& batch) { paint(slot, batch.first_record); });
    connect(baseline_, &Baseline::changed, this, [this] {
        if (quantity() != TokenQuantity::LossDifference) return;
        for (const auto& [slot, text] : texts_) {
            const int common = baseline_->of(slot).common;
            if (common != compared_[slot]) paint(slot, 0);
        }
    });
}

void TextColoring::attach(PaneSlot slot, TokenTextView* text)
{
    texts_[slot] = text;
    paint(slot, 0);
}

void TextColoring::setQuantity(std::optional<TokenQuantity> quantity)
{
    box_->setCurrentIndex(box_->findData(quantity ? static_cast<int>(*quantity) : -1));
}

std::optional<TokenQuantity> TextColoring::quantity() const
{
    const int chosen = box_->currentData().toInt();
    return chosen < 0 ? std::nullopt : std::optional(static_cast<TokenQuantity>(chosen));
}

TokenSource TextColoring::source(PaneSlot slot) const
{
    return {&comparison_->pane(slot).trace, baseline_->of(slot), shares_.get()};
}

void TextColoring::paintAll()
{
    const auto chosen = quantity();
    legend_->setVisible(chosen.has_value());
    if (chosen) {
        const TokenScale scale = tokenScale(source(PaneSlot::Live), *chosen);
        legend_->setScale(scale.map, scale.range, {},
                          [quantity = *chosen](double value) { return tokenValueText(value, quantity); });
    }
    for (const auto& [slot, text] : texts_) paint(slot, 0);
}

void TextColoring::paint(PaneSlot slot, int first)
{
    const auto found = texts_.find(slot);
    if (found == texts_.end() || !found->second) return;
    TokenTextView* text = found->second;
    const auto chosen = quantity();
    if (!chosen) {
        text->clearTokenColors();
        return;
    }
    const TokenSource values = source(slot);
    compared_[slot] = values.baseline.common;
    const TokenScale scale = tokenScale(values, *chosen);
    std::vector<QColor> colors;
    for (int token = first; token < static_cast<int>(values.trace->records.size()); ++token) {
        const double value = tokenValue(values, token, *chosen);
        colors.push_back(std::isnan(value)
                             ? QColor()
                             : mapColor(scale.map, (value - scale.range.low) / (scale.range.high - scale.range.low)));
    }
    text->setTokenColors(first, colors);
}

} // namespace flextron::ui
