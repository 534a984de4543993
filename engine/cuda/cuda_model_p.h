// A model in the plug-in, owned; what the plug-in reports as failures.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "engine/compute/decode_backend.h"
#include "engine/cuda/plugin.h"
#include "engine/model/config.h"
#include "engine/routing/routers.h"

namespace flextron {

/// Throws Failure unless `result` is 0: OutOfMemory or Device.
void checkCuda(int result, const FlextronCudaMessage& message);

class CudaModel final {
public:
    /// Without weights yet. `type` is not Auto. Throws Failure.
    CudaModel(const FlextronCudaPlugin& plugin, int gpu, const ModelConfig& config, WeightType type);
    ~CudaModel();
    CudaModel(const CudaModel&) = delete;
    CudaModel& operator=(const CudaModel&) = delete;

    /// Calls a function of the plug-in with this model, the arguments and a message; throws Failure when it fails. One
    /// thread at a time; others wait.
    template <class Function, class... Arguments> void call(Function function, Arguments... arguments) const
    {
        FlextronCudaMessage message{};
        const std::lock_guard lock(mutex_);
        checkCuda(function(model_, arguments..., &message), message);
    }
    void destroy(FlextronCudaCache* cache) const;
    void destroy(FlextronCudaRouters* routers) const;

    [[nodiscard]] const FlextronCudaPlugin& plugin() const { return plugin_; }
    [[nodiscard]] WeightType type() const { return type_; }
    [[nodiscard]] int weightBytes() const { return type_ == WeightType::Float32 ? 4 : 2; }

private:
    const FlextronCudaPlugin& plugin_;
    const WeightType type_;
    FlextronCudaModel* model_ = nullptr;
    mutable std::mutex mutex_;
};

/// Dynamic routers in the plug-in.
class CudaRouters final {
public:
    CudaRouters(std::shared_ptr<const CudaModel> model, std::shared_ptr<const Routers> routers);
    ~CudaRouters() { model_->destroy(handle_); }
    CudaRouters(const CudaRouters&) = delete;
    CudaRouters& operator=(const CudaRouters&) = delete;

    [[nodiscard]] FlextronCudaRouters* handle() const { return handle_; }
    [[nodiscard]] const std::shared_ptr<const Routers>& routers() const { return routers_; }

private:
    std::shared_ptr<const CudaModel> model_;
    std::shared_ptr<const Routers> routers_;
    FlextronCudaRouters* handle_ = nullptr;
};

} // namespace flextron
