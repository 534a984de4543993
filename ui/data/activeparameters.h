// How many weights the tokens of a text touch: where routers choose, nobody knows it before they have chosen.
#pragma once

#include <cstddef>
#include <optional>

#include "ui/data/comparison.h"

namespace flextron::ui {

/// Follows a pane that grows and counts each record once. One thread.
class ActiveParameters {
public:
    /// The mean over the tokens that were read since the pane's target last changed, keys and values of all heads; none
    /// before the first. `config` is of the model that runs in the pane.
    std::optional<double> mean(const PaneData& pane, const ModelConfig& config);

private:
    quint64 serial_ = 0;
    double budget_ = -1;
    std::size_t next_ = 0; ///< record
    double sum_ = 0;
    int count_ = 0;
};

} // namespace flextron::ui
