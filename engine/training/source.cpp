#include "engine/training/source_p.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>

#include "engine/base/files.h"
#include "engine/model/cost.h"
#include "engine/training/passes_p.h"
#include "engine/training/validation_p.h"

namespace flextron {

StageSource openStageSource(const std::filesystem::path& folder, const Device& device, const CancelToken& cancel)
{
    StageSource source;
    source.checkpoint = Checkpoint::open(folder).orThrow();
    source.tokenizer = openTokenizer(folder).orThrow();
    checkVocabulary(*source.tokenizer, source.checkpoint->config().vocab_size).orThrow();
    source.weights = loadReferenceWeights(*source.checkpoint, placeOf(device), at::kFloat, {}, cancel);
    return source;
}

Teacher::Teacher(ReferenceWeights weights) : weights_(std::move(weights))
{
    setTrainable(*weights_, false);
}

at::Tensor Teacher::logits(const at::Tensor& ids) const
{
    if (!weights_) return {};
    const at::NoGradGuard no_graph;
    SlicedWidths full(fullSubNetwork(weights_->config));
    return trainingLogits(*weights_, ids, full);
}

double Teacher::flops(const at::Tensor& ids) const
{
    return weights_ ? trainingFlops(weights_->config, fullSubNetwork(weights_->config), ids) / 3 : 0;
}

Teacher teacherFor(double weight, const std::filesystem::path& folder, const std::filesystem::path& source,
                   const Device& device, const CancelToken& cancel)
{
    if (weight <= 0) return {};
    const auto checkpoint = Checkpoint::open(folder.empty() ? source : folder).orThrow();
    return Teacher(loadReferenceWeights(*checkpoint, placeOf(device), at::kFloat, {}, cancel));
}

namespace {

/// What belongs into flextron.json: the control of shuffled choices does not.
std::vector<RecordedLoss> recordedLosses(const std::vector<ValidationLoss>& validation)
{
    std::vector<RecordedLoss> losses;
    for (const ValidationLoss& loss : validation) {
        if (loss.widths == "dynamic, shuffled") continue;
        const std::string routing = loss.widths == "smallest" ? "uniform" : loss.widths;
        losses.push_back({loss.file, routing, loss.target, loss.cost, loss.loss, loss.standard_error, loss.tokens,
                          routing == "dynamic" ? loss.choice_means : std::vector<double>()});
    }
    return losses;
}

/// What was measured of the finished model in this stage. A stage that leaves the weights alone measures the static
/// router only: those rows then take the place of the old ones.
std::vector<RecordedLoss> mergedLosses(const std::vector<RecordedLoss>& before, std::vector<RecordedLoss> now)
{
    const auto is_static = [](const RecordedLoss& loss) { return loss.routing == "static"; };
    if (!std::all_of(now.begin(), now.end(), is_static)) return now;
    std::vector<RecordedLoss> merged;
    std::copy_if(before.begin(), before.end(), std::back_inserter(merged), std::not_fn(is_static));
    merged.insert(merged.end(), now.begin(), now.end());
    std::stable_sort(merged.begin(), merged.end(), [](const auto& a, const auto& b) { return a.text < b.text; });
    return merged;
}

} // namespace

void writeTrained(const std::filesystem::path& out, const CheckpointContents& contents, const Routers* routers,
                  const std::string& metrics)
{
    auto folder = AtomicFolder::create(out).orThrow();
    writeCheckpoint(folder.path(), contents).orThrow();
    if (routers) writeRouters(folder.path() / "routers.safetensors", *routers).orThrow();
    if (!metrics.empty()) writeFile(folder.path() / "metrics.jsonl", metrics).orThrow();
    folder.commit().orThrow();
}

void writeStageResult(const std::filesystem::path& out, const StageSource& source, const StageReport& report,
                      DType dtype, const Routers* routers, std::int64_t base_training_tokens,
                      const std::string& metrics)
{
    CheckpointContents contents = checkpointContents(source.weights, dtype);
    FlextronRecord record = source.checkpoint->record();
    record.stages.push_back({report.stage, report.tokens, report.seconds});
    if (base_training_tokens > 0) record.base_training_tokens = base_training_tokens;
    if (routers) record.budget_list = routers->budget_list;
    if (!report.validation.empty()) record.losses = mergedLosses(record.losses, recordedLosses(report.validation));
    contents.record = record;
    contents.tokenizer_from = source.checkpoint->folder();
    writeTrained(out, contents, routers, metrics);
}

int choiceAt(const std::vector<int>& choices, double share)
{
    const auto n = static_cast<double>(choices.size());
    const double index = std::clamp(std::round(share * n) - 1, 0.0, n - 1);
    return choices[static_cast<std::size_t>(index)];
}

void validateUniform(const ReferenceWeights& weights, const ChoiceSets& choices, const std::vector<ValidationSet>& sets,
                     std::vector<ValidationLoss>& losses, const CancelToken& cancel)
{
    const std::size_t steps = std::max(choices.mlp_int_list.size(), choices.head_int_list.size());
    for (const ValidationSet& set : sets)
        for (std::size_t i = steps; i >= 1; --i) {
            const double share = static_cast<double>(i) / static_cast<double>(steps);
            const auto subnet = uniformSubNetwork(weights.config, choiceAt(choices.mlp_int_list, share),
                                                  choiceAt(choices.head_int_list, share));
            losses.push_back(validateSubNetwork(weights, set, subnet,
                                                i == steps ? "full"
                                                : i == 1   ? "smallest"
                                                           : "uniform",
                                                cancel));
        }
}

} // namespace flextron
