// Stopping long work from another thread: a flag that is polled, never a queued call.
#pragma once

#include <atomic>
#include <memory>

#include "engine/base/error.h"

namespace flextron {

/// Read side, cheap to copy. A default-made token is never cancelled. Any thread.
class CancelToken {
public:
    CancelToken() = default;
    [[nodiscard]] bool cancelled() const { return flag_ && flag_->load(std::memory_order_relaxed); }
    /// Engine-internal: throws Failure(Cancelled) once cancelled.
    void throwIfCancelled() const
    {
        if (cancelled()) throw Failure(ErrorCode::Cancelled, "cancelled");
    }

private:
    friend class CancelSource;
    explicit CancelToken(std::shared_ptr<const std::atomic<bool>> flag) : flag_(std::move(flag)) {}
    std::shared_ptr<const std::atomic<bool>> flag_;
};

/// Write side. cancel() is safe from any thread and from a signal handler.
class CancelSource {
public:
    CancelSource() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
    void cancel() { flag_->store(true, std::memory_order_relaxed); }
    [[nodiscard]] CancelToken token() const { return CancelToken(flag_); }

private:
    std::shared_ptr<std::atomic<bool>> flag_;
};

} // namespace flextron
