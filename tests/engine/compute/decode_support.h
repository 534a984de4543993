// What the tests of the decode backend share: models, readings, copies of a model with other weights.
#pragma once

#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/base/half.h"
#include "engine/compute/backend.h"
#include "engine/model/checkpoint.h"
#include "tests/engine/support/random_model.h"

namespace flextron::test {

/// In FLEXTRON_TEST_DATA of the environment (for programs that were built elsewhere), else where the sources lie.
inline std::filesystem::path dataFolder(const std::string& name)
{
    const char* elsewhere = std::getenv("FLEXTRON_TEST_DATA");
    return std::filesystem::path(elsewhere ? elsewhere : FLEXTRON_TEST_DATA) / name;
}

/// Names of every model in tests/data, to be opened with openModel.
inline std::vector<std::string> storedModels()
{
    std::vector<std::string> names{"stories260k-llama", "stories-gpt2"};
    for (const auto& entry : std::filesystem::directory_iterator(dataFolder("golden")))
        if (entry.is_directory()) names.push_back("golden/" + entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

/// Reads `ids` in steps of `chunk` tokens and returns all logits.
inline std::vector<float> readText(const Backend& backend, const std::vector<TokenId>& ids, const WidthPlan& plan,
                                   std::size_t chunk, KvCache* given = nullptr)
{
    std::unique_ptr<KvCache> own;
    if (!given) own = backend.newCache(static_cast<int>(ids.size()), widestOf(plan, backend.config()).heads).orThrow();
    KvCache* cache = given ? given : own.get();
    std::vector<float> all;
    StepOutput output;
    for (std::size_t i = 0; i < ids.size(); i += chunk) {
        const StepInput input{cache, std::span(ids).subspan(i, std::min(chunk, ids.size() - i)), &plan,
                              LogitsWanted::All};
        backend.step({&input, 1}, {&output, 1}).orThrow();
        all.insert(all.end(), output.logits.begin(), output.logits.end());
    }
    return all;
}

/// Mean nats of ids[1 ..] under logits [n][vocabulary].
inline double meanLoss(const std::vector<float>& logits, const std::vector<TokenId>& ids)
{
    const std::size_t vocab = logits.size() / ids.size();
    double sum = 0;
    for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
        const float* row = logits.data() + t * vocab;
        const double most = *std::max_element(row, row + vocab);
        double total = 0;
        for (std::size_t v = 0; v < vocab; ++v) total += std::exp(row[v] - most);
        sum += most + std::log(total) - row[ids[t + 1]];
    }
    return sum / static_cast<double>(ids.size() - 1);
}

inline double largestDifference(const std::vector<float>& a, const std::vector<float>& b)
{
    if (a.size() != b.size()) return INFINITY;
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = std::abs(double(a[i]) - double(b[i]));
        if (!(difference <= worst)) worst = difference; // NaN counts
    }
    return worst;
}

/// A copy of a checkpoint in float32 whose matrices were changed by `change(name, values, shape)`.
inline std::shared_ptr<const Checkpoint> changedCopy(
    const Checkpoint& source, const std::filesystem::path& folder,
    const std::function<void(const std::string&, std::vector<float>&, const std::vector<std::int64_t>&)>& change)
{
    CheckpointContents contents;
    contents.config = source.config();
    contents.dtype = DType::Float32;
    if (source.elastic()) contents.record = source.record();
    std::map<std::string, std::vector<float>> storage;
    for (const auto& [name, tensor] : source.tensors()) {
        std::vector<float>& values = storage[name] = toFloat(tensor);
        if (tensor.shape.size() == 2) change(name, values, tensor.shape);
        contents.tensors.push_back({name, {DType::Float32, tensor.shape, std::as_bytes(std::span(values))}});
    }
    writeCheckpoint(folder, contents).orThrow();
    return Checkpoint::open(folder).orThrow();
}

inline WidthPlan planOf(SubNetwork subnet)
{
    return {std::move(subnet), nullptr, 1.0, nullptr};
}

} // namespace flextron::test
