// A mean with its standard error, one value at a time (Welford).
#pragma once

#include <cmath>
#include <cstdint>

namespace flextron {

class Mean {
public:
    void add(double value)
    {
        ++count_;
        const double before = value - mean_;
        mean_ += before / static_cast<double>(count_);
        squares_ += before * (value - mean_);
    }
    [[nodiscard]] double mean() const { return mean_; }
    [[nodiscard]] double standardError() const
    {
        if (count_ < 2) return 0.0;
        const auto count = static_cast<double>(count_);
        return std::sqrt(squares_ / (count - 1.0) / count);
    }
    [[nodiscard]] std::int64_t count() const { return count_; }

private:
    std::int64_t count_ = 0;
    double mean_ = 0;
    double squares_ = 0;
};

} // namespace flextron
