#include "engine/training/validation_p.h"

#include <cmath>

#include "engine/model/cost.h"

namespace flextron {
namespace {

constexpr std::int64_t kBatch = 8; // sequences at once

} // namespace

at::Tensor idsTensor(const std::vector<std::vector<TokenId>>& rows)
{
    const auto length = static_cast<std::int64_t>(rows.front().size());
    at::Tensor ids = at::empty({static_cast<std::int64_t>(rows.size()), length}, at::kLong);
    auto* out = ids.mutable_data_ptr<std::int64_t>();
    for (const auto& row : rows) out = std::copy(row.begin(), row.end(), out);
    return ids;
}

std::vector<ValidationSet> validationSets(const TrainOptions& options, std::shared_ptr<const Tokenizer> tokenizer)
{
    std::vector<ValidationSet> sets;
    TextDataOptions data = options.data;
    data.part = DataPart::All;
    data.repeat = false;
    data.shuffle_window = 1;
    std::vector<TextFile> files;
    for (const std::filesystem::path& path : options.validation_files) files.push_back({path});
    if (files.empty() && data.held_out_share > 0) {
        files = data.files;
        data.part = DataPart::HeldOut;
    }
    for (const TextFile& file : files) {
        data.files = {file};
        const auto text = TextData::open(data, tokenizer).orThrow();
        std::vector<std::vector<TokenId>> rows;
        while (static_cast<int>(rows.size()) < options.validation_sequences) {
            rows.push_back(text->next().orThrow());
            if (rows.back().empty()) {
                rows.pop_back();
                break;
            }
        }
        if (rows.empty())
            throw Failure(ErrorCode::InvalidArgument,
                          file.path.string() + " has less validation text than one sequence of " +
                              std::to_string(data.sequence_length) + " tokens",
                          "give a longer text, a larger held-out share or a shorter sequence length");
        sets.push_back({file.path.filename().string(), idsTensor(rows)});
    }
    return sets;
}

ValidationLoss validationLoss(const ReferenceWeights& weights, const ValidationSet& set, const WidthsFor& widths,
                              const std::string& name, const CancelToken& cancel)
{
    const c10::InferenceMode inference;
    std::vector<at::Tensor> parts, costs, means;
    for (std::int64_t i = 0; i < set.ids.size(0); i += kBatch) {
        cancel.throwIfCancelled();
        const at::Tensor ids = set.ids.narrow(0, i, std::min(kBatch, set.ids.size(0) - i));
        const std::unique_ptr<WidthSource> source = widths(ids);
        parts.push_back(lossPerSequence(trainingLogits(weights, ids, *source), ids));
        if (const at::Tensor cost = source->cost(); cost.defined()) costs.push_back(cost);
        if (const at::Tensor mean = source->choiceMeans(); mean.defined()) means.push_back(mean);
    }
    const at::Tensor losses = at::cat(parts).to(at::kDouble); // [N]
    ValidationLoss result;
    result.file = set.name;
    result.widths = name;
    result.loss = losses.mean().item<double>();
    if (!costs.empty()) result.cost = at::cat(costs).mean().item<double>();
    if (!means.empty()) {
        const at::Tensor mean = at::cat(means).to(at::kCPU, at::kDouble).mean(0).contiguous();
        result.choice_means.assign(mean.const_data_ptr<double>(), mean.const_data_ptr<double>() + mean.numel());
    }
    const auto n = static_cast<double>(losses.numel());
    result.standard_error = n > 1 ? losses.std().item<double>() / std::sqrt(n) : 0;
    result.tokens = set.ids.size(0) * (set.ids.size(1) - 1);
    return result;
}

ValidationLoss validateSubNetwork(const ReferenceWeights& weights, const ValidationSet& set, const SubNetwork& subnet,
                                  const std::string& name, const CancelToken& cancel)
{
    const auto sliced = [&](const at::Tensor&) { return std::make_unique<SlicedWidths>(subnet); };
    ValidationLoss loss = validationLoss(weights, set, sliced, name, cancel);
    CostOptions options;
    options.kv = KvRule::All;
    loss.cost = loss.target = flopShare(subnet, weights.config, options);
    return loss;
}

double trainingFlops(const ModelConfig& config, const SubNetwork& subnet, const at::Tensor& ids)
{
    CostOptions options;
    options.context = static_cast<int>(ids.size(1) / 2 + 1); // a token sees half of the sequence on average
    return 3.0 * static_cast<double>(costOf(subnet, config, options).flops_per_token) *
           static_cast<double>(ids.numel());
}

void refuseExisting(const std::filesystem::path& out)
{
    std::error_code ignored;
    if (!std::filesystem::exists(out, ignored) || std::filesystem::is_empty(out, ignored)) return;
    throw Failure(ErrorCode::InvalidArgument, "cannot write to " + out.string() + ": it already exists",
                  "choose a folder that does not exist yet, or an empty one: nothing is overwritten");
}

} // namespace flextron
