// Everything that running a model needs, opened together.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/compute/backend.h"
#include "engine/compute/decode_backend.h"
#include "engine/compute/device.h"
#include "engine/latency/latency_table.h"
#include "engine/model/checkpoint.h"
#include "engine/routing/routers.h"
#include "engine/routing/target.h"
#include "engine/text/tokenizer.h"

namespace flextron {

/// Immutable but for `latency`, which its owner may set when a table was measured.
struct LoadedModel {
    std::string name; ///< the folder's name, or the bundled model's
    std::string hash; ///< modelHash() of the checkpoint
    std::shared_ptr<const Checkpoint> checkpoint;
    std::shared_ptr<const Tokenizer> tokenizer; ///< null when the folder has none: then only ids can be read
    std::string tokenizer_problem;              ///< why it is null
    std::shared_ptr<const Routers> routers;     ///< null when there are none
    bool own_routers = true;                    ///< else of another run: what was recorded is not about them
    std::shared_ptr<const Backend> backend;
    Device device;
    std::optional<LatencyTable> latency;                                  ///< from the user's cache, when one fits
    std::string latency_problem = "no latency table for this set-up yet"; ///< why there is none

    [[nodiscard]] const ModelConfig& config() const { return checkpoint->config(); }
    /// What resolveTarget needs; points into this object.
    [[nodiscard]] TargetContext targetContext(int context = 256, KvRule kv = KvRule::All) const;
};

/// Which forward pass. Auto: the device's decode backend, unless a type of arithmetic was asked for, which only the
/// reference has. Importance, training and checks want the reference.
enum class BackendKind { Auto, Reference, Decode };

struct LoadOptions {
    DeviceRequest device;
    ComputeType type = ComputeType::Auto; ///< of the reference's arithmetic
    BackendKind backend = BackendKind::Auto;
    /// How weights are held. The reference computes in the type it holds: there Float32 and BFloat16 only.
    WeightType weights = WeightType::Auto;
    /// How the decode backend holds keys and values; the reference holds them in the type it computes in.
    KvType kv = KvType::Auto;
    std::filesystem::path
        routers; ///< other than the checkpoint's own; empty: routers.safetensors of the folder, if it is there
};

/// `model` is a checkpoint folder or a bundled model's name; empty means the first bundled one. The decode backend gets
/// as many threads as setThreads() says.
Result<LoadedModel> loadModel(const std::string& model, const LoadOptions& options, const ProgressFn& progress = {},
                              const CancelToken& cancel = {});

struct ModelEntry {
    std::string name;
    std::filesystem::path folder;
    bool bundled = false;
};
/// Bundled models, then those opened lately (most recent first, existing folders only).
std::vector<ModelEntry> listModels();
/// Folder of a path or name; NotFound lists the bundled names.
Result<std::filesystem::path> findModel(const std::string& model);
/// Puts a folder in front of the recent list in the user's data folder. Failing to is not an error worth stopping for.
void rememberModel(const std::filesystem::path& folder);

/// 16 hex digits over configuration, tensor names, shapes and a sample of the weights' bytes.
std::string modelHash(const Checkpoint& checkpoint);

} // namespace flextron
