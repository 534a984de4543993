#include "ui/compare/samplingpanel.h"

#include <limits>

#include <QFormLayout>
#include <QLabel>
#include <QSignalBlocker>

namespace flextron::ui {

namespace {
/// A seed of 64 bits as far as a box can show it.
int boxValue(std::uint64_t seed)
{
    constexpr int kMost = std::numeric_limits<int>::max();
    return seed > static_cast<std::uint64_t>(kMost) ? kMost : static_cast<int>(seed);
}
} // namespace

SamplingPanel::SamplingPanel(Comparison* comparison, QWidget* parent)
    : QWidget(parent)
    , seed_(new QSpinBox(this))
    , max_tokens_(new QSpinBox)
    , temperature_(new QDoubleSpinBox)
    , top_k_(new QSpinBox)
    , top_p_(new QDoubleSpinBox)
    , min_p_(new QDoubleSpinBox)
    , penalty_(new QDoubleSpinBox)
    , stop_text_(new QLineEdit)
{
    auto* form = new QFormLayout(this);
    const auto add = [form](const QString& text, QWidget* widget, const QString& help) {
        auto* label = new QLabel(text);
        label->setBuddy(widget);
        label->setToolTip(help);
        widget->setAccessibleName(QString(text).remove(QLatin1Char('&')));
        widget->setToolTip(help);
        widget->setWhatsThis(help);
        form->addRow(label, widget);
    };
    const auto fraction = [](QDoubleSpinBox* box, double low, double high, double step) {
        box->setRange(low, high);
        box->setSingleStep(step);
        box->setDecimals(2);
    };
    max_tokens_->setRange(1, 4096);
    add(tr("&Tokens"), max_tokens_, tr("How many new tokens to write at most"));
    fraction(temperature_, 0.0, 5.0, 0.1);
    temperature_->setSpecialValueText(tr("0 (greedy)"));
    add(tr("Temper&ature"), temperature_,
        tr("0 takes the most probable token each time; higher values vary more. 1 draws from the model's own "
           "probabilities."));
    top_k_->setRange(0, 100'000);
    top_k_->setSpecialValueText(tr("off"));
    add(tr("Top-k"), top_k_, tr("Only the k most probable tokens are drawn from"));
    fraction(top_p_, 0.01, 1.0, 0.05);
    add(tr("Top-p"), top_p_,
        tr("Only the most probable tokens that together have this probability are drawn from; 1 is off"));
    fraction(min_p_, 0.0, 1.0, 0.01);
    min_p_->setSpecialValueText(tr("off"));
    add(tr("Min-p"), min_p_, tr("Only tokens at least this probable, as a share of the most probable one's"));
    fraction(penalty_, 0.5, 2.0, 0.05);
    add(tr("Repetition penalty"), penalty_, tr("Above 1, tokens that were written already get less likely; 1 is off"));
    stop_text_->setPlaceholderText(tr("none"));
    add(tr("Stop text"), stop_text_, tr("A text ends before it"));
    seed_->setRange(0, std::numeric_limits<int>::max());
    seed_->setAccessibleName(tr("Seed"));
    seed_->setToolTip(tr("The same seed gives the same text. Without effect at temperature 0."));
    seed_->setWhatsThis(seed_->toolTip());
    show(RunInputs{});

    for (QSpinBox* box : {seed_, max_tokens_, top_k_}) {
        box->setKeyboardTracking(false);
        connect(box, &QSpinBox::valueChanged, this, &SamplingPanel::edited);
    }
    for (QDoubleSpinBox* box : {temperature_, top_p_, min_p_, penalty_}) {
        box->setKeyboardTracking(false);
        connect(box, &QDoubleSpinBox::valueChanged, this, &SamplingPanel::edited);
    }
    connect(stop_text_, &QLineEdit::editingFinished, this, &SamplingPanel::edited);
    connect(comparison, &Comparison::inputsChanged, this, [this, comparison] { show(comparison->inputs()); });
}

void SamplingPanel::apply(RunInputs& inputs) const
{
    const bool untouched = seed_->value() == boxValue(shown_seed_);
    inputs.sampler.seed = untouched ? shown_seed_ : static_cast<std::uint64_t>(seed_->value());
    inputs.sampler.temperature = temperature_->value();
    inputs.sampler.top_k = top_k_->value();
    inputs.sampler.top_p = top_p_->value();
    inputs.sampler.min_p = min_p_->value();
    inputs.sampler.repeat_penalty = penalty_->value();
    inputs.max_tokens = max_tokens_->value();
    inputs.stop_text = stop_text_->text();
}

void SamplingPanel::show(const RunInputs& inputs)
{
    const QSignalBlocker quiet(this);
    const auto put = [](auto* box, auto value) {
        const QSignalBlocker blocker(box);
        box->setValue(value);
    };
    shown_seed_ = inputs.sampler.seed;
    put(seed_, boxValue(shown_seed_));
    put(temperature_, inputs.sampler.temperature);
    put(top_k_, inputs.sampler.top_k);
    put(top_p_, inputs.sampler.top_p);
    put(min_p_, inputs.sampler.min_p);
    put(penalty_, inputs.sampler.repeat_penalty);
    put(max_tokens_, inputs.max_tokens);
    if (stop_text_->text() != inputs.stop_text) stop_text_->setText(inputs.stop_text);
}

} // namespace flextron::ui
