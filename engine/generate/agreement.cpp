#include <algorithm>
#include <cmath>

#include "engine/generate/agreement_p.h"

namespace flextron {

namespace {

/// KL(p || q) in nats; rounding can take equal distributions a hair below 0.
double divergence(const Distribution& p, const Distribution& q)
{
    double sum = 0.0;
    for (std::size_t i = 0; i < p.size(); ++i) {
        const double log_p = p.logprob(i);
        sum += static_cast<double>(std::exp(static_cast<float>(log_p))) * (log_p - q.logprob(i));
    }
    return std::max(0.0, sum);
}

} // namespace

void RunningMean::add(double value)
{
    ++count_;
    const double before = value - mean_;
    mean_ += before / static_cast<double>(count_);
    squares_ += before * (value - mean_);
}

double RunningMean::standardError() const
{
    if (count_ < 2) return 0.0;
    const auto count = static_cast<double>(count_);
    return std::sqrt(squares_ / (count - 1.0) / count);
}

AgreementMeter::Compared AgreementMeter::add(const Distribution& full, const Distribution& sub)
{
    const Compared compared{full.best() == sub.best(), divergence(full, sub)};
    agreement_.add(compared.agrees ? 1.0 : 0.0);
    kl_.add(compared.kl);
    return compared;
}

Agreement AgreementMeter::result() const
{
    return {kl_.count(), agreement_.mean(), agreement_.standardError(), kl_.mean(), kl_.standardError()};
}

} // namespace flextron
