#include "app/commands/synthetic_model.h"

#include <cstring>
#include <memory>
#include <vector>

#include "engine/base/files.h"
#include "engine/base/half.h"
#include "engine/base/random.h"
#include "engine/model/checkpoint.h"

namespace flextron::cli {

namespace {

ModelConfig shapeConfig(const std::string& shape)
{
    const bool large = shape == "213M";
    ModelConfig config;
    config.hidden_size = large ? 1024 : 576;
    config.head_dim = 64;
    config.vocab_size = large ? 32000 : 49152;
    config.max_position_embeddings = 2048;
    config.layers.assign(large ? 16 : 30, large ? LayerSizes{16, 4, 2816} : LayerSizes{9, 3, 1536});
    config.tie_word_embeddings = true;
    return config;
}

/// A uniform number has the standard deviation of its range over the square root of 12; 0.02 is what Llama starts from.
std::uint16_t randomWeight(std::uint64_t index)
{
    constexpr double kRange = 0.02 * 3.4641016151377544;
    return floatToFloat16(static_cast<float>((openUnit(mixBits(index)) - 0.5) * kRange));
}

} // namespace

std::filesystem::path syntheticModel(const std::string& shape, Console& console)
{
    const auto folder = cacheFolder() / "bench" / shape;
    if (Checkpoint::open(folder).ok()) return folder;
    std::error_code problem;
    std::filesystem::create_directories(folder.parent_path(), problem);
    if (problem)
        throw Failure(ErrorCode::Io, folder.parent_path().string() + ": " + problem.message(),
                      "set XDG_CACHE_HOME to a folder that you may write to");

    CheckpointContents contents;
    contents.config = shapeConfig(shape);
    contents.dtype = DType::Float16;
    const auto expected = expectedTensors(contents.config);
    const auto storage = std::make_shared<std::vector<std::vector<std::uint16_t>>>();
    const auto progress = console.progress();
    std::uint64_t made = 0;
    for (const auto& [name, dimensions] : expected) {
        console.cancel().throwIfCancelled();
        std::size_t count = 1;
        for (const auto dimension : dimensions) count *= static_cast<std::size_t>(dimension);
        auto& values = storage->emplace_back(count);
        const bool norm = dimensions.size() == 1;
        for (auto& value : values) value = norm ? floatToFloat16(1.0f) : randomWeight(made++);
        const auto bytes = std::as_bytes(std::span<const std::uint16_t>(values));
        contents.tensors.push_back({name, {DType::Float16, dimensions, bytes}});
        if (progress)
            progress({"making a random " + shape + " model", contents.tensors.size(), expected.size(), "tensors"});
    }
    contents.storage = storage;
    writeCheckpoint(folder, contents, progress).orThrow();
    console.clearProgress();
    return folder;
}

} // namespace flextron::cli
