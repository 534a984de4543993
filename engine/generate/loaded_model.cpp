#include "engine/generate/loaded_model.h"

#include <algorithm>

#include "engine/base/files.h"
#include "engine/base/json_p.h"
#include "engine/compute/reference.h"
#include "engine/cuda/cuda_backend.h"

namespace flextron {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxRecent = 10;

std::vector<ModelEntry> bundledModels()
{
    std::vector<ModelEntry> entries;
    std::error_code problem; // a folder that is not there or not readable holds no models
    for (fs::directory_iterator it(resourceFolder() / "models", problem), end; !problem && it != end;
         it.increment(problem))
        if (fs::is_regular_file(it->path() / "config.json", problem))
            entries.push_back({it->path().filename().string(), it->path(), true});
    std::sort(entries.begin(), entries.end(), [](const ModelEntry& a, const ModelEntry& b) { return a.name < b.name; });
    return entries;
}

fs::path recentFile()
{
    return dataFolder() / "recent-models.json";
}

/// Folders opened lately, those that are gone included. A list that cannot be read is an empty one: it holds nothing
/// that matters.
std::vector<fs::path> recentFolders()
{
    const auto folders = guarded([] {
        const Json list = parseJson(readFile(recentFile(), 1 << 20).orThrow(), recentFile());
        std::vector<fs::path> result;
        for (const Json& folder : list)
            if (folder.is_string()) result.emplace_back(folder.get<std::string>());
        return result;
    });
    return folders ? *folders : std::vector<fs::path>();
}

std::string folderName(const fs::path& folder)
{
    const fs::path path = folder.has_filename() ? folder : folder.parent_path(); // "model/" is "model"
    return path.filename().string();
}

/// "." and ".." have no name of their own.
fs::path absoluteFolder(const fs::path& folder)
{
    std::error_code problem;
    const fs::path canonical = fs::weakly_canonical(fs::absolute(folder, problem), problem);
    return problem ? folder : canonical;
}

void addTokenizer(LoadedModel& model, const fs::path& folder)
{
    auto tokenizer = openTokenizer(folder);
    if (!tokenizer) {
        model.tokenizer_problem = tokenizer.error().message;
        return;
    }
    if (const auto fits = checkVocabulary(**tokenizer, model.config().vocab_size); !fits) {
        model.tokenizer_problem = fits.error().message;
        return;
    }
    model.tokenizer = *tokenizer;
}

void addRouters(LoadedModel& model, const LoadOptions& options)
{
    const fs::path own = model.checkpoint->folder() / "routers.safetensors";
    if (options.routers.empty() && !fs::exists(own)) return;
    model.routers = readRouters(options.routers.empty() ? own : options.routers, model.config(),
                                model.checkpoint->choices())
                        .orThrow();
    model.own_routers = options.routers.empty();
}

/// The reference's type of arithmetic, which is also that of its weights.
ComputeType referenceType(const LoadOptions& options)
{
    const auto held = [&] {
        switch (options.weights) {
        case WeightType::Auto: return options.type;
        case WeightType::Float32: return ComputeType::Float32;
        case WeightType::BFloat16: return ComputeType::BFloat16;
        default:
            throw Failure(ErrorCode::InvalidArgument,
                          "weights as " + std::string(weightTypeName(options.weights)) +
                              " were asked for, but the reference backend holds them as f32 or bf16",
                          "choose --weights f32, bf16 or auto, or run on the CPU without --dtype");
        }
    }();
    if (options.type != ComputeType::Auto && options.type != held)
        throw Failure(ErrorCode::InvalidArgument,
                      "weights as " + std::string(weightTypeName(options.weights)) + " and arithmetic in " +
                          std::string(computeTypeName(options.type)) +
                          " contradict each other: the reference backend computes in the type it holds",
                      "leave out one of the two");
    return held;
}

std::shared_ptr<const Backend> loadBackend(const LoadedModel& model, const LoadOptions& options,
                                           const ProgressFn& progress, const CancelToken& cancel)
{
    const bool decode = options.backend == BackendKind::Decode ||
                        (options.backend == BackendKind::Auto && options.type == ComputeType::Auto);
    if (!decode && options.kv != KvType::Auto)
        throw Failure(ErrorCode::InvalidArgument,
                      "keys and values as " + std::string(kvTypeName(options.kv)) +
                          " were asked for, but the reference backend keeps them in the type it computes in",
                      "leave --kv-type out, or run without --dtype");
    if (!decode)
        return loadReferenceBackend(model.checkpoint, model.device, referenceType(options), progress, cancel).orThrow();
    if (options.type != ComputeType::Auto)
        throw Failure(ErrorCode::InvalidArgument,
                      "the decode backends compute in float32; " + std::string(computeTypeName(options.type)) +
                          " was asked for",
                      "leave --dtype out, or use --weights");
    if (!model.device.cuda)
        return loadDecodeBackend(model.checkpoint, {options.weights, options.kv, threads()}, progress, cancel)
            .orThrow();
    if (options.kv != KvType::Auto && options.kv != KvType::Float32)
        throw Failure(ErrorCode::InvalidArgument,
                      "keys and values as " + std::string(kvTypeName(options.kv)) +
                          " were asked for, but on a GPU they are kept as f32",
                      "leave --kv-type out, or use --device cpu");
    return loadCudaBackend(model.checkpoint, cudaSupport(), model.device.index, options.weights, progress, cancel)
        .orThrow();
}

/// A table that does not fit or cannot be read is as good as none: it can be measured again.
void addLatency(LoadedModel& model)
{
    auto table = cachedLatencyTable(*model.backend);
    model.latency_problem = table ? std::string() : table.error().message;
    if (table) model.latency = std::move(*table);
}

} // namespace

TargetContext LoadedModel::targetContext(int context, KvRule kv) const
{
    TargetContext result;
    result.config = &config();
    result.choices = &checkpoint->choices();
    result.latency = latency ? &*latency : nullptr;
    result.routers = routers;
    if (own_routers) result.losses = &checkpoint->record().losses;
    result.context = context;
    result.kv = kv;
    return result;
}

Result<LoadedModel> loadModel(const std::string& model, const LoadOptions& options, const ProgressFn& progress,
                              const CancelToken& cancel)
{
    return guarded([&] {
        const fs::path folder = findModel(model).orThrow();
        LoadedModel loaded;
        loaded.name = folderName(folder);
        loaded.checkpoint = Checkpoint::open(folder).orThrow();
        loaded.hash = modelHash(*loaded.checkpoint);
        addTokenizer(loaded, folder);
        addRouters(loaded, options);
        cancel.throwIfCancelled();
        loaded.device = chooseDevice(options.device).orThrow();
        loaded.backend = loadBackend(loaded, options, progress, cancel);
        addLatency(loaded);
        return loaded;
    });
}

std::vector<ModelEntry> listModels()
{
    std::vector<ModelEntry> entries = bundledModels();
    std::error_code problem;
    for (const fs::path& folder : recentFolders())
        if (fs::is_directory(folder, problem)) entries.push_back({folderName(folder), folder, false});
    return entries;
}

Result<fs::path> findModel(const std::string& model)
{
    return guarded([&] {
        const std::vector<ModelEntry> bundled = bundledModels();
        if (model.empty()) {
            if (bundled.empty())
                throw Failure(ErrorCode::NotFound,
                              "no model is bundled with this program in " + (resourceFolder() / "models").string(),
                              "name the folder of a checkpoint");
            return bundled.front().folder;
        }
        for (const ModelEntry& entry : bundled)
            if (entry.name == model) return entry.folder;
        const fs::path folder = absoluteFolder(model);
        std::error_code problem;
        if (fs::is_directory(folder, problem)) return folder;
        if (fs::exists(folder, problem))
            throw Failure(ErrorCode::InvalidArgument, folder.string() + " is a file, and a model is a folder",
                          "name the folder that holds config.json");
        std::string names;
        for (const ModelEntry& entry : bundled) names += (names.empty() ? "" : ", ") + entry.name;
        throw Failure(ErrorCode::NotFound, "there is no model \"" + model + "\": neither a folder nor a bundled model",
                      names.empty() ? "name the folder of a checkpoint"
                                    : "name the folder of a checkpoint, or one of the bundled models: " + names);
    });
}

void rememberModel(const fs::path& folder)
{
    (void)guarded([&] {
        const fs::path path = absoluteFolder(folder);
        for (const ModelEntry& entry : bundledModels())
            if (absoluteFolder(entry.folder) == path) return; // listed in any case
        Json list = Json::array({path.string()});
        for (const fs::path& other : recentFolders())
            if (other != path && list.size() < kMaxRecent) list.push_back(other.string());
        fs::create_directories(recentFile().parent_path());
        writeFile(recentFile(), list.dump(1) + "\n").orThrow();
    });
}

} // namespace flextron
