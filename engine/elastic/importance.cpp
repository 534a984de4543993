#include "engine/elastic/importance.h"

#include <algorithm>

#include "engine/compute/reference_backend_p.h"
#include "engine/compute/reference_forward_p.h"

namespace flextron {
namespace {

/// Running sums over tokens, in float64: half a million float32 additions would lose the small ones.
class Accumulator {
public:
    explicit Accumulator(const ModelConfig& config) : config_(config)
    {
        for (const LayerSizes& sizes : config.layers) {
            mlp_.push_back(at::zeros({sizes.intermediate_size}, at::kDouble));
            groups_.push_back(at::zeros({sizes.num_key_value_heads}, at::kDouble));
        }
    }

    [[nodiscard]] reference::Observer observer()
    {
        return {[this](int layer, const at::Tensor& activations) { // [B, T, D]
                    mlp_[static_cast<std::size_t>(layer)] += sum(activations.abs().flatten(0, 1));
                },
                [this](int layer, const at::Tensor& outputs) { // [B, T, H, dh]
                    const at::Tensor heads = sum(at::linalg_vector_norm(outputs, 2, {-1}).flatten(0, 1)); // [H]
                    groups_[static_cast<std::size_t>(layer)] += heads.view({-1, config_.headsPerGroup()}).sum(1);
                }};
    }

    void finish(ImportanceReport& report) const
    {
        for (std::size_t l = 0; l < mlp_.size(); ++l) {
            report.mlp.push_back(means(mlp_[l], report.tokens));
            report.groups.push_back(means(groups_[l], report.tokens));
        }
    }

private:
    static at::Tensor sum(const at::Tensor& rows) { return rows.to(at::kCPU).sum(0, false, at::kDouble); }
    static std::vector<float> means(const at::Tensor& sums, std::int64_t tokens)
    {
        const at::Tensor mean = (sums / static_cast<double>(tokens)).to(at::kFloat).contiguous();
        const float* data = mean.const_data_ptr<float>();
        return {data, data + mean.numel()};
    }

    const ModelConfig& config_;
    std::vector<at::Tensor> mlp_, groups_; // a layer: [D], [G] float64
};

} // namespace

Result<ImportanceReport> measureImportance(const Backend& backend, std::span<const TokenId> ids,
                                           const ImportanceOptions& options, const ProgressFn& progress,
                                           const CancelToken& cancel)
{
    return guarded([&] {
        const auto* reference = dynamic_cast<const ReferenceBackend*>(&backend);
        if (!reference)
            throw Failure(ErrorCode::Unsupported, "importance can only be measured with the reference backend");
        const ModelConfig& config = backend.config();
        const std::int64_t length = options.sequence_length > 0
                                        ? std::min(options.sequence_length, config.max_position_embeddings)
                                        : config.max_position_embeddings;
        const auto available = static_cast<std::int64_t>(ids.size()) / length;
        if (available < 1)
            throw Failure(ErrorCode::InvalidArgument,
                          "the calibration text has " + std::to_string(ids.size()) +
                              " tokens, but one sequence takes " + std::to_string(length),
                          "give a longer text, or a smaller --sequence-length");
        for (const TokenId id : ids)
            if (id < 0 || id >= config.vocab_size)
                throw Failure(ErrorCode::InvalidArgument,
                              "token id " + std::to_string(id) + " is outside the vocabulary of " +
                                  std::to_string(config.vocab_size),
                              "the tokenizer belongs to another model");

        const std::int64_t sequences = std::min<std::int64_t>(available, options.sequences);
        const auto widths = reference::layerWidths(fullSubNetwork(config));
        Accumulator accumulator(config);
        const reference::Observer observer = accumulator.observer();
        const c10::InferenceMode inference;
        for (std::int64_t done = 0; done < sequences;) {
            cancel.throwIfCancelled();
            const std::int64_t batch = std::min<std::int64_t>(options.batch, sequences - done);
            std::vector<std::int64_t> rows;
            for (std::int64_t i = done; i < done + batch; ++i) {
                const auto* first = ids.data() + (i * available / sequences) * length; // spread evenly over the text
                rows.insert(rows.end(), first, first + length);
            }
            const at::Tensor input =
                at::tensor(rows, at::kLong).view({batch, length}).to(reference->weights().device());
            reference::forward(reference->weights(), input, widths, &observer);
            done += batch;
            if (progress)
                progress({"measuring importance", static_cast<std::uint64_t>(done),
                          static_cast<std::uint64_t>(sequences), "sequences"});
        }
        ImportanceReport report;
        report.sequences = sequences;
        report.tokens = sequences * length;
        accumulator.finish(report);
        return report;
    });
}

} // namespace flextron
