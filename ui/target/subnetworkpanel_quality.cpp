// The quality slider: how much the loss may rise.
#include <algorithm>
#include <cmath>

#include <QLocale>

#include "ui/parts/format.h"
#include "ui/target/subnetworkpanel.h"

namespace flextron::ui {

void SubNetworkPanel::setQualityTicks()
{
    const QualityCurve* known = curve();
    quality_->setEnabled(known != nullptr);
    if (known == nullptr) return;
    quality_->setScale(qualityRoom(*known), qualityTicks(*known),
                       tr("floor +%1").arg(QLocale().toString(known->stops.back().rise, 'f', 2)), tr("full"));
}

const QualityCurve* SubNetworkPanel::curve() const
{
    const auto& curve = model_->quality.at(static_cast<std::size_t>(routing()));
    return curve.ok() && curve->stops.size() > 1 ? &*curve : nullptr;
}

bool SubNetworkPanel::setRise(double nats)
{
    if (!model_ || curve() == nullptr || !(nats >= 0)) return false;
    follow(TargetAxis::Quality, std::min(nats, curve()->stops.back().rise), true);
    return true;
}

bool SubNetworkPanel::onCurve(double rise) const
{
    constexpr double kSame = 0.0005; // nats are shown to three digits
    const QualityCurve* known = curve();
    if (known == nullptr) return false;
    return std::any_of(known->stops.begin(), known->stops.end(),
                       [rise](const QualityStop& stop) { return std::abs(stop.rise - rise) < kSame; });
}

void SubNetworkPanel::showQuality(std::optional<double> rise, bool between_stops)
{
    const QualityCurve* known = curve();
    if (known == nullptr) {
        const auto& why = model_->quality.at(static_cast<std::size_t>(routing()));
        quality_value_->setText(tr("not available: no record of this model's losses at smaller widths; a conversion "
                                   "makes one"));
        quality_value_->setToolTip(why.ok() ? QString() : formatError(why.error()));
        return;
    }
    QString name = QString::fromStdString(known->text);
    if (name.endsWith(QLatin1String(".txt"))) name.chop(4);
    const QString source = name.isEmpty() ? tr("by the surrogate") : tr("on %1").arg(name);
    quality_value_->setText(rise ? QStringLiteral("%1 %2").arg(formatRise(*rise), source) : tr("not known here"));
    quality_value_->setToolTip(name.isEmpty() ? tr("Foretold by the small network that the conversion fitted to losses")
                                              : tr("By the losses that the conversion measured at its end"));
    if (between_stops) {
        quality_asked_->setText(tr("interpolated"));
        quality_asked_->setToolTip(tr("Measured at the ticks; between two of them a line is taken."));
    }
    const double allowed = driver_ == TargetAxis::Quality ? requested_ : rise.value_or(0.0);
    quality_->setRequested(std::max(qualityTicks(*known).front(), qualityRoom(*known) - allowed));
}

void SubNetworkPanel::showRunningQuality(std::optional<double> rise)
{
    const QualityCurve* known = curve();
    quality_->setRunning(known != nullptr && rise
                             ? std::optional(std::clamp(qualityRoom(*known) - *rise, 0.0, qualityRoom(*known)))
                             : std::nullopt);
}

} // namespace flextron::ui
