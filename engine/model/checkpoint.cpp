// Opening a checkpoint directory.
#include "engine/model/checkpoint.h"

#include <algorithm>
#include <array>
#include <set>

#include "engine/base/json_p.h"

namespace flextron {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxJsonBytes = 256u << 20;
constexpr std::size_t kMaxFilesListed = 10'000;
constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr const char* kRecordFile = "flextron.json";
constexpr const char* kDownloadAgain =
    "the model's files are incomplete or do not belong together: download or copy them again";

void checkFolder(const fs::path& folder)
{
    std::error_code ignored;
    if (!fs::exists(folder, ignored))
        throw Failure(ErrorCode::NotFound, folder.string() + " does not exist",
                      "check the path for a typing error, or list what is there with: flextron models");
    if (!fs::is_directory(folder, ignored))
        throw Failure(ErrorCode::InvalidArgument, folder.string() + " is a file; a model is a folder",
                      "give the folder that holds config.json and model.safetensors");
    if (!fs::exists(folder / "config.json", ignored))
        throw Failure(ErrorCode::NotFound, folder.string() + " holds no config.json",
                      "give the folder that holds config.json and model.safetensors");
}

std::vector<std::pair<std::string, std::uint64_t>> listFiles(const fs::path& folder)
{
    std::vector<std::pair<std::string, std::uint64_t>> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
        std::error_code code;
        if (!entry.is_regular_file(code) || files.size() == kMaxFilesListed) continue;
        if (const auto size = entry.file_size(code); !code) files.emplace_back(entry.path().filename().string(), size);
    }
    std::sort(files.begin(), files.end());
    return files;
}

/// Puts the sizes of an extracted sub-network in place of config.json's, which are the largest.
void applyLayerSizes(const std::vector<LayerSizes>& layers, const fs::path& file, ModelConfig& config)
{
    if (layers.empty()) return;
    const auto refuse = [&](const std::string& what) {
        throw Failure(ErrorCode::Corrupt, file.string() + ": " + what, kDownloadAgain);
    };
    if (layers.size() != config.layers.size())
        refuse("\"layer_sizes\" has " + std::to_string(layers.size()) + " layers, config.json " +
               std::to_string(config.layers.size()));
    const LayerSizes largest = config.maxSizes();
    const int heads_per_group = config.headsPerGroup();
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const std::string name = "\"layer_sizes[" + std::to_string(l) + "]\"";
        if (layers[l].num_attention_heads > largest.num_attention_heads ||
            layers[l].intermediate_size > largest.intermediate_size)
            refuse(name + " is larger than config.json's sizes");
        if (layers[l].num_attention_heads != layers[l].num_key_value_heads * heads_per_group)
            refuse(name + " has " + std::to_string(layers[l].num_attention_heads) + " heads in " +
                   std::to_string(layers[l].num_key_value_heads) + " groups, config.json has " +
                   std::to_string(heads_per_group) + " heads a group");
    }
    config.layers = layers;
}

/// What flextron.json says must fit the model it lies beside.
void checkRecord(const FlextronRecord& record, const ModelConfig& config, const fs::path& file)
{
    if (const auto valid = validateChoiceSets(record.choices, config); !valid)
        throw Failure(ErrorCode::Corrupt, file.string() + ": " + valid.error().message, kDownloadAgain);
    const std::size_t means = config.layers.size() *
                              (record.choices.head_int_list.size() + record.choices.mlp_int_list.size());
    for (const RecordedLoss& loss : record.losses)
        if (!loss.choice_means.empty() && loss.choice_means.size() != means)
            throw Failure(ErrorCode::Corrupt,
                          file.string() + ": \"choice_means\" has " + std::to_string(loss.choice_means.size()) +
                              " numbers, the model's layers and choices make " + std::to_string(means),
                          kDownloadAgain);
    if (!record.importance) return;
    const auto refuse = [&](const std::string& what) {
        throw Failure(ErrorCode::Corrupt, file.string() + ": \"importance\" " + what, kDownloadAgain);
    };
    if (record.importance->mlp.size() != config.layers.size())
        refuse("has " + std::to_string(record.importance->mlp.size()) + " layers, the model " +
               std::to_string(config.layers.size()));
    for (std::size_t l = 0; l < config.layers.size(); ++l) {
        if (record.importance->mlp[l].size() != static_cast<std::size_t>(config.layers[l].intermediate_size) ||
            record.importance->groups[l].size() != static_cast<std::size_t>(config.layers[l].num_key_value_heads))
            refuse("of layer " + std::to_string(l) + " has " + std::to_string(record.importance->mlp[l].size()) +
                   " neurons and " + std::to_string(record.importance->groups[l].size()) + " groups, the model " +
                   std::to_string(config.layers[l].intermediate_size) + " and " +
                   std::to_string(config.layers[l].num_key_value_heads));
    }
}

/// Files named by the index, in order. Only plain names: an index cannot reach outside its folder.
std::set<std::string> shardNames(const JsonObject& index)
{
    const JsonObject weight_map = index.object("weight_map");
    std::set<std::string> names;
    for (const auto& [tensor, file] : index.at("weight_map").items()) {
        const std::string name = weight_map.text(tensor);
        if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
            name.find('\0') != std::string::npos)
            weight_map.mustBe(tensor, "the name of a file in the same folder");
        names.insert(name);
    }
    return names;
}

/// Throws when a tensor is not where the index says it is.
void checkIndex(const JsonObject& index, const std::vector<SafetensorsFile>& shards)
{
    const JsonObject weight_map = index.object("weight_map");
    for (const auto& [tensor, file] : index.at("weight_map").items()) {
        const std::string name = weight_map.text(tensor);
        const auto shard = std::find_if(shards.begin(), shards.end(), [&](const SafetensorsFile& opened) {
            return opened.path().filename() == name;
        });
        if (!shard->tensors().contains(tensor))
            throw Failure(ErrorCode::Corrupt,
                          shard->path().string() + ": tensor " + describe(tensor) + " is missing, but the index " +
                              index.where() + " places it there",
                          kDownloadAgain);
    }
}

std::vector<SafetensorsFile> openShards(const fs::path& folder)
{
    std::vector<SafetensorsFile> shards;
    std::error_code ignored;
    if (fs::exists(folder / kSingleFile, ignored)) {
        shards.push_back(SafetensorsFile::open(folder / kSingleFile).orThrow());
        return shards;
    }
    const fs::path index_file = folder / kIndexFile;
    if (!fs::exists(index_file, ignored)) {
        if (fs::exists(folder / "pytorch_model.bin", ignored) ||
            fs::exists(folder / "pytorch_model.bin.index.json", ignored))
            throw Failure(ErrorCode::Unsupported,
                          folder.string() + " holds pickled weights (pytorch_model.bin), which can run code when read",
                          "choose the checkpoint's safetensors form, or convert it with transformers: "
                          "save_pretrained(..., safe_serialization=True)");
        throw Failure(ErrorCode::NotFound,
                      folder.string() + " holds neither model.safetensors nor model.safetensors.index.json",
                      kDownloadAgain);
    }
    const Json document = parseJson(readFile(index_file, kMaxJsonBytes).orThrow(), index_file);
    const JsonObject index(document, index_file.string());
    for (const std::string& name : shardNames(index)) {
        if (!fs::exists(folder / name, ignored))
            throw Failure(ErrorCode::NotFound,
                          "the shard " + (folder / name).string() +
                              " is missing; model.safetensors.index.json names it",
                          kDownloadAgain);
        shards.push_back(SafetensorsFile::open(folder / name).orThrow());
    }
    checkIndex(index, shards);
    return shards;
}

/// The full name of a tensor: files written from the bare model leave "transformer." or "model." out.
std::string fullName(const std::string& name, const ModelConfig& config)
{
    const std::string prefix = config.isGpt() ? "transformer." : "model.";
    return name.starts_with(prefix) || name.starts_with("lm_head.") ? name : prefix + name;
}

/// Buffers that older files carry (causal masks, rotary frequencies) and the copy of tied embeddings: computed here, as
/// transformers does.
bool isIgnored(const std::string& name, const ModelConfig& config)
{
    if (name == "lm_head.weight") return config.tie_word_embeddings;
    return config.isGpt() ? name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
                          : name.ends_with("rotary_emb.inv_freq");
}

void checkTensor(const std::string& name, const TensorView& tensor, const std::vector<std::int64_t>& shape,
                 const fs::path& file)
{
    const std::string what = file.string() + ": tensor " + describe(name);
    if (tensor.shape != shape)
        throw Failure(ErrorCode::Corrupt,
                      what + " has shape " + shapeString(tensor.shape) + ", expected " + shapeString(shape) +
                          " from config.json",
                      kDownloadAgain);
    constexpr std::array kFloating{DType::Float32, DType::Float16, DType::BFloat16, DType::Float64};
    if (std::find(kFloating.begin(), kFloating.end(), tensor.dtype) == kFloating.end())
        throw Failure(ErrorCode::Unsupported,
                      what + " has type " + std::string(torchName(tensor.dtype)) +
                          ", expected float32, float16, bfloat16 or float64",
                      "choose the checkpoint in float16, bfloat16 or float32: quantized weights are not supported");
}

/// The tensors the config implies, taken from the shards; throws for one that is missing, doubled or of no use.
std::map<std::string, TensorView> collectTensors(const std::vector<SafetensorsFile>& shards, const ModelConfig& config,
                                                 const fs::path& folder)
{
    const auto expected = expectedTensors(config);
    std::map<std::string, TensorView> tensors;
    for (const SafetensorsFile& shard : shards) {
        for (const auto& [file_name, tensor] : shard.tensors()) {
            const std::string name = fullName(file_name, config);
            if (isIgnored(name, config)) continue;
            const auto found = expected.find(name);
            if (found == expected.end())
                throw Failure(ErrorCode::Corrupt,
                              shard.path().string() + ": tensor " + describe(name) + " has no place in the " +
                                  std::string(familyName(config.family)) + " model that config.json describes",
                              kDownloadAgain);
            checkTensor(name, tensor, found->second, shard.path());
            if (!tensors.emplace(name, tensor).second)
                throw Failure(ErrorCode::Corrupt,
                              shard.path().string() + ": tensor " + describe(name) + " is there twice", kDownloadAgain);
        }
    }
    for (const auto& [name, shape] : expected) {
        if (tensors.contains(name)) continue;
        const bool head = name == "lm_head.weight";
        throw Failure(ErrorCode::Corrupt,
                      folder.string() + ": tensor \"" + name + "\" " + shapeString(shape) +
                          " is missing from the weights",
                      head ? "if the model ties its embeddings, config.json must say \"tie_word_embeddings\": true"
                           : kDownloadAgain);
    }
    return tensors;
}

/// The dtype with the most bytes.
DType mainDType(const std::map<std::string, TensorView>& tensors)
{
    std::map<DType, std::size_t> bytes;
    for (const auto& [name, tensor] : tensors) bytes[tensor.dtype] += tensor.bytes.size();
    return std::max_element(bytes.begin(), bytes.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
}

} // namespace

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(const fs::path& folder)
{
    return guarded([&]() -> std::shared_ptr<const Checkpoint> {
        checkFolder(folder);
        const std::shared_ptr<Checkpoint> checkpoint(new Checkpoint);
        checkpoint->folder_ = folder;
        checkpoint->files_ = listFiles(folder);
        const fs::path config_file = folder / "config.json";
        checkpoint->config_ = parseConfig(readFile(config_file, kMaxJsonBytes).orThrow(), config_file).orThrow();

        const fs::path record_file = folder / kRecordFile;
        std::error_code ignored;
        checkpoint->elastic_ = fs::exists(record_file, ignored);
        if (checkpoint->elastic_) {
            checkpoint->record_ =
                parseFlextronRecord(readFile(record_file, kMaxJsonBytes).orThrow(), record_file).orThrow();
            applyLayerSizes(checkpoint->record_.layer_sizes, record_file, checkpoint->config_);
            checkRecord(checkpoint->record_, checkpoint->config_, record_file);
        } else {
            checkpoint->record_.choices = defaultChoiceSets(checkpoint->config_);
        }

        checkpoint->shards_ = openShards(folder);
        checkpoint->tensors_ = collectTensors(checkpoint->shards_, checkpoint->config_, folder);
        checkpoint->dtype_ = mainDType(checkpoint->tensors_);
        return checkpoint;
    });
}

std::int64_t Checkpoint::bytes() const
{
    std::int64_t sum = 0;
    for (const auto& [name, tensor] : tensors_) sum += static_cast<std::int64_t>(tensor.bytes.size());
    return sum;
}

std::int64_t Checkpoint::parameters() const
{
    std::int64_t sum = 0;
    for (const auto& [name, tensor] : tensors_) sum += tensor.elements();
    return sum;
}

const TensorView& Checkpoint::tensor(const std::string& name) const
{
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
        throw Failure(ErrorCode::Corrupt, folder_.string() + ": tensor \"" + name + "\" is missing from the weights",
                      kDownloadAgain);
    return found->second;
}

} // namespace flextron
