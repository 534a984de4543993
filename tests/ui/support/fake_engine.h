// An engine for the window's tests: the real generation over a backend without weights.
#pragma once

#include <atomic>
#include <memory>

#include <QTemporaryDir>

#include "tests/engine/support/fake_backend.h"
#include "ui/service/engineworker.h"

namespace flextron::test {

/// Counts and slows what the window asks of the engine. Outlives the window that uses calls().
class FakeEngine {
public:
    FakeEngine();

    /// loadModel and measureLatency as the window gets them. "missing" cannot be loaded; "slow" loads until it is
    /// cancelled.
    [[nodiscard]] ui::EngineCalls calls();

    /// Milliseconds that a layer takes (real ones), from now on.
    std::atomic<int> layer_ms{0};
    std::atomic<int> loads{0};
    std::atomic<int> measures{0};
    std::atomic<bool> measure_hangs{false}; ///< until cancelled
    FakeModel fake;

private:
    QTemporaryDir folder_;
};

/// Fails a test on any warning, but for what the offscreen platform says of itself.
void failOnWarnings();

/// Texts of the fake vocabulary: lower-case letters, spaces, full stops.
inline constexpr const char* kPrompt = "the cat";

} // namespace flextron::test
