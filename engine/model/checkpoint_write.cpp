// Writing a checkpoint directory.
#include <algorithm>
#include <array>
#include <cstdio>

#include "engine/base/json_p.h"
#include "engine/model/checkpoint.h"

namespace flextron {

namespace fs = std::filesystem;

namespace {

/// Tokenizer files of either kind and what transformers reads beside them.
constexpr std::array kTokenizerFiles{"tokenizer.model",   "tokenizer.json",        "vocab.json",
                                     "merges.txt",        "tokenizer_config.json", "special_tokens_map.json",
                                     "added_tokens.json", "generation_config.json"};

/// The config that config.json shall hold: uniform, with the largest sizes, when layer_sizes has the true ones.
ModelConfig plainConfig(const ModelConfig& config)
{
    if (config.plainHuggingFace()) return config;
    LayerSizes sizes = config.maxSizes();
    if (config.isGpt()) sizes.num_attention_heads = sizes.num_key_value_heads = config.hidden_size / config.head_dim;
    // Where no layer has the sub-block at all, the smallest size that a config may say.
    if (sizes.num_attention_heads == 0) sizes.num_attention_heads = sizes.num_key_value_heads = 1;
    sizes.intermediate_size = std::max(sizes.intermediate_size, 1);
    ModelConfig plain = config;
    std::fill(plain.layers.begin(), plain.layers.end(), sizes);
    return plain;
}

void checkTensors(const CheckpointContents& contents)
{
    const auto refuse = [](const std::string& what) {
        throw Failure(ErrorCode::InvalidArgument, "cannot write the checkpoint: " + what,
                      "give the tensors that the configuration implies");
    };
    const auto expected = expectedTensors(contents.config);
    for (const auto& [name, tensor] : contents.tensors) {
        const auto found = expected.find(name);
        if (found == expected.end()) refuse("tensor \"" + name + "\" has no place in the model");
        if (found->second != tensor.shape)
            refuse("tensor \"" + name + "\" has shape " + shapeString(tensor.shape) + ", expected " +
                   shapeString(found->second));
    }
    // A name given twice is refused by the writer, so equal counts mean that all are there.
    if (contents.tensors.size() != expected.size())
        refuse(std::to_string(contents.tensors.size()) + " tensors are given, the model has " +
               std::to_string(expected.size()));
}

/// Consecutive tensors, each shard at most `max_bytes` unless a single tensor is larger.
std::vector<std::span<const NamedTensor>> splitIntoShards(std::span<const NamedTensor> tensors, std::uint64_t max_bytes)
{
    std::vector<std::span<const NamedTensor>> shards;
    std::size_t begin = 0;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        if (i > begin && bytes + tensors[i].tensor.bytes.size() > max_bytes) {
            shards.push_back(tensors.subspan(begin, i - begin));
            begin = i;
            bytes = 0;
        }
        bytes += tensors[i].tensor.bytes.size();
    }
    shards.push_back(tensors.subspan(begin));
    return shards;
}

std::string shardName(std::size_t index, std::size_t count)
{
    if (count == 1) return "model.safetensors";
    std::array<char, 64> name{};
    std::snprintf(name.data(), name.size(), "model-%05zu-of-%05zu.safetensors", index + 1, count);
    return name.data();
}

void writeWeights(const fs::path& folder, const CheckpointContents& contents, std::uint64_t total_bytes,
                  const ProgressFn& progress)
{
    const auto shards = splitIntoShards(contents.tensors, contents.max_shard_bytes);
    Json weight_map = Json::object();
    std::uint64_t written = 0;
    for (std::size_t i = 0; i < shards.size(); ++i) {
        const auto report = [&](Progress shard) {
            shard.done += written;
            shard.total = total_bytes;
            if (progress) progress(shard);
        };
        // transformers insists on the entry "format".
        writeSafetensors(folder / shardName(i, shards.size()), shards[i], {{"format", "pt"}}, report).orThrow();
        for (const NamedTensor& tensor : shards[i]) {
            weight_map[tensor.name] = shardName(i, shards.size());
            written += tensor.tensor.bytes.size();
        }
    }
    if (shards.size() == 1) return;
    const Json index = {{"metadata", {{"total_size", total_bytes}}}, {"weight_map", weight_map}};
    writeFile(folder / "model.safetensors.index.json", index.dump(2) + "\n").orThrow();
}

void copyTokenizer(const fs::path& from, const fs::path& folder)
{
    for (const char* name : kTokenizerFiles) {
        std::error_code ignored;
        if (!fs::exists(from / name, ignored)) continue;
        writeFile(folder / name, readFile(from / name).orThrow()).orThrow();
    }
}

/// Better now than after an hour of writing.
void checkSpace(const fs::path& folder, const fs::path& name, std::uint64_t bytes)
{
    std::error_code code;
    const auto space = fs::space(folder, code);
    if (!code && space.available < bytes)
        throw Failure(ErrorCode::Io,
                      "cannot write " + name.string() + ": the disk is full: " + std::to_string(bytes) +
                          " bytes are needed, " + std::to_string(space.available) + " are free",
                      "free some space, or choose a folder on another disk");
}

} // namespace

Result<void> writeCheckpoint(const fs::path& folder, const CheckpointContents& contents, const ProgressFn& progress)
{
    return guarded([&] {
        const bool plain = contents.config.plainHuggingFace();
        if (!plain && !contents.record)
            throw Failure(ErrorCode::InvalidArgument,
                          "cannot write the checkpoint: its layers differ, and there is no record to hold their sizes",
                          "give a record (flextron.json)");
        checkTensors(contents);
        std::uint64_t total_bytes = 0;
        for (const NamedTensor& tensor : contents.tensors) total_bytes += tensor.tensor.bytes.size();

        auto target = AtomicFolder::create(folder).orThrow();
        checkSpace(target.path(), folder, total_bytes);
        writeFile(target.path() / "config.json", writeConfig(plainConfig(contents.config), torchName(contents.dtype)))
            .orThrow();
        if (contents.record) {
            FlextronRecord record = *contents.record;
            record.layer_sizes = plain ? std::vector<LayerSizes>{} : contents.config.layers;
            writeFile(target.path() / "flextron.json", writeFlextronRecord(record)).orThrow();
        }
        if (!contents.tokenizer_from.empty()) copyTokenizer(contents.tokenizer_from, target.path());
        writeWeights(target.path(), contents, total_bytes, progress);
        target.commit().orThrow();
    });
}

} // namespace flextron
