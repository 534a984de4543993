// The plug-in's functions for models, texts and steps, on any device.
#pragma once

#include <cstdio>

#include "engine/cuda/step/step_runner_p.h"

namespace flextron::cuda {

/// Runs `body` and turns what it throws into the plug-in's return value and message.
template <class Body> int guardedCall(FlextronCudaMessage* message, Body&& body) noexcept
{
    int result = FLEXTRON_CUDA_FAILED;
    try {
        body();
        return 0;
    } catch (const NoMemory& failure) {
        std::snprintf(message->text, sizeof message->text, "%s", failure.what());
        result = FLEXTRON_CUDA_NO_MEMORY;
    } catch (const std::exception& failure) {
        std::snprintf(message->text, sizeof message->text, "%s", failure.what());
    } catch (...) {
        std::snprintf(message->text, sizeof message->text, "an unknown failure");
    }
    return result;
}

template <class Device> struct PluginFunctions {
    struct Model {
        Model(int device, const FlextronCudaShape& shape, const FlextronCudaLayer* layers)
            : weights(device, shape, layers)
            , runner(weights)
        {
        }
        DeviceModel<Device> weights;
        StepRunner<Device> runner;
    };
    using Cache = DeviceCache<Device>;
    using Routers = DeviceRouters<Device>;

    static Model& of(FlextronCudaModel* model) { return *reinterpret_cast<Model*>(model); }
    static Device& deviceOf(FlextronCudaModel* model) { return of(model).weights.device; }

    /// A GPU that has failed fails here too: then what lies in its memory is lost with it, and nobody is told twice.
    template <class Owned> static void destroy(const Device& device, Owned* owned) noexcept
    {
        FlextronCudaMessage ignored;
        guardedCall(&ignored, [&] {
            const typename Device::Current current(device);
            delete owned;
        });
    }

    static int createModel(std::int32_t device, const FlextronCudaShape* shape, const FlextronCudaLayer* layers,
                           FlextronCudaModel** model, FlextronCudaMessage* message)
    {
        return guardedCall(message,
                           [&] { *model = reinterpret_cast<FlextronCudaModel*>(new Model(device, *shape, layers)); });
    }
    static int upload(FlextronCudaModel* model, std::int32_t tensor, std::int32_t layer, std::uint64_t offset,
                      const void* data, std::uint64_t bytes, FlextronCudaMessage* message)
    {
        return guardedCall(message, [&] {
            const typename Device::Current current(deviceOf(model));
            of(model).weights.upload(tensor, layer, offset, data, bytes);
        });
    }
    static void destroyModel(FlextronCudaModel* model) { destroy(deviceOf(model), &of(model)); }

    static int createCache(FlextronCudaModel* model, std::int32_t capacity, const std::int32_t* groups,
                           FlextronCudaCache** cache, FlextronCudaMessage* message)
    {
        return guardedCall(message, [&] {
            const typename Device::Current current(deviceOf(model));
            *cache = reinterpret_cast<FlextronCudaCache*>(new Cache(of(model).weights, capacity, groups));
        });
    }
    static int copyCache(FlextronCudaModel* model, const FlextronCudaCache* from, FlextronCudaCache* to,
                         FlextronCudaMessage* message)
    {
        return guardedCall(message, [&] {
            const typename Device::Current current(deviceOf(model));
            reinterpret_cast<Cache*>(to)->copyFrom(*reinterpret_cast<const Cache*>(from));
        });
    }
    static void destroyCache(FlextronCudaModel* model, FlextronCudaCache* cache)
    {
        destroy(deviceOf(model), reinterpret_cast<Cache*>(cache));
    }

    static int createRouters(FlextronCudaModel* model, std::int32_t inner, std::int32_t stops,
                             const FlextronCudaRouter* routers, const std::int32_t* const* widths,
                             const std::int32_t* choices, FlextronCudaRouters** made, FlextronCudaMessage* message)
    {
        return guardedCall(message, [&] {
            const typename Device::Current current(deviceOf(model));
            *made = reinterpret_cast<FlextronCudaRouters*>(
                new Routers(of(model).weights, inner, stops, routers, widths, choices));
        });
    }
    static void destroyRouters(FlextronCudaModel* model, FlextronCudaRouters* routers)
    {
        destroy(deviceOf(model), reinterpret_cast<Routers*>(routers));
    }

    static int step(FlextronCudaModel* model, const FlextronCudaStep* step, FlextronCudaMessage* message)
    {
        return guardedCall(message, [&] {
            const typename Device::Current current(deviceOf(model));
            of(model).runner.run(*step);
        });
    }
    static int use(FlextronCudaModel* model, FlextronCudaUse* use, FlextronCudaMessage* message)
    {
        return guardedCall(message, [&] { *use = deviceOf(model).use(); });
    }
};

/// The table of a plug-in whose models run on `Device`.
template <class Device>
constexpr FlextronCudaPlugin pluginTable(std::int32_t runtime_version, decltype(FlextronCudaPlugin::device_count) count,
                                         decltype(FlextronCudaPlugin::describe_device) describe,
                                         decltype(FlextronCudaPlugin::measure_read) measure)
{
    using Functions = PluginFunctions<Device>;
    return {FLEXTRON_CUDA_ABI,
            runtime_version,
            count,
            describe,
            measure,
            Functions::createModel,
            Functions::upload,
            Functions::destroyModel,
            Functions::createCache,
            Functions::copyCache,
            Functions::destroyCache,
            Functions::createRouters,
            Functions::destroyRouters,
            Functions::step,
            Functions::use};
}

} // namespace flextron::cuda
