// Comparing distributions one position at a time.
#pragma once

#include "engine/generate/agreement.h"
#include "engine/generate/sampler_p.h"

namespace flextron {

/// A mean with its standard error, one value at a time (Welford).
class RunningMean {
public:
    void add(double value);
    [[nodiscard]] double mean() const { return mean_; }
    [[nodiscard]] double standardError() const; ///< 0 for fewer than two values
    [[nodiscard]] std::int64_t count() const { return count_; }

private:
    std::int64_t count_ = 0;
    double mean_ = 0;
    double squares_ = 0;
};

class AgreementMeter {
public:
    struct Compared {
        bool agrees = false;
        double kl = 0; ///< nats
    };
    Compared add(const Distribution& full, const Distribution& sub);
    [[nodiscard]] Agreement result() const;

private:
    RunningMean agreement_;
    RunningMean kl_;
};

} // namespace flextron
