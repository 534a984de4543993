#include "engine/training/elastic_training.h"

#include "engine/generate/loaded_model.h"
#include "engine/training/passes_p.h"
#include "engine/training/random_p.h"
#include "engine/training/source_p.h"
#include "engine/training/validation_p.h"

namespace flextron {
namespace {

constexpr std::uint64_t kSandwich = 1; ///< what the random numbers of a step are for

class ElasticStage final : public StageWork {
public:
    ElasticStage(const StageSource& source, const ElasticOptions& options, Teacher base)
        : weights_(source.weights)
        , base_(std::move(base))
        , choices_(source.checkpoint->choices())
        , options_(options)
        , source_(modelHash(*source.checkpoint))
    {
        setTrainable(weights_, true);
    }

    [[nodiscard]] std::string name() const override { return "elastic"; }
    [[nodiscard]] Json settings() const override
    {
        return {{"source", source_},
                {"sub_networks", options_.sub_networks},
                {"sampling", static_cast<int>(options_.sampling)},
                {"full_share", options_.full_share},
                {"distill", options_.distill},
                {"distill_base", options_.distill_base},
                {"mlp_int_list", choices_.mlp_int_list},
                {"head_int_list", choices_.head_int_list}};
    }
    [[nodiscard]] std::vector<TrainedTensor> trained() const override { return trainedTensors(weights_); }

    void beginStep(const StepPlace& place) override
    {
        subnets_ = sandwich(weights_.config, choices_, options_.sub_networks, place.seed, place.step,
                            options_.sampling);
    }

    std::map<std::string, double> batch(const at::Tensor& ids, const StepPlace& place) override
    {
        std::map<std::string, double> numbers;
        const auto count = static_cast<double>(subnets_.size());
        const at::Tensor of_base = base_.logits(ids); // undefined without distillation from the base
        at::Tensor of_full;
        flops_ = base_.flops(ids);
        // One pass back after each pass forward: memory for one sub-network at a time.
        for (std::size_t i = 0; i < subnets_.size(); ++i) {
            SlicedWidths widths(subnets_[i]);
            const at::Tensor logits = trainingLogits(weights_, ids, widths);
            at::Tensor loss = nextTokenLoss(logits, ids);
            const double cross_entropy = loss.item<double>();
            numbers["loss"] += cross_entropy / count;
            numbers[i == 0   ? "loss_full"
                    : i == 1 ? "loss_smallest"
                             : "loss_random_" + std::to_string(i - 1)] = cross_entropy;
            if (options_.distill > 0 && i == 0) of_full = logits.detach();
            if (options_.distill > 0 && i > 0)
                loss = loss + distillation(of_full, logits, options_.distill, "divergence", numbers);
            if (of_base.defined())
                loss = loss + distillation(of_base, logits, options_.distill_base, "divergence_base", numbers);
            (loss * (place.scale * share(i))).backward();
            flops_ += trainingFlops(weights_.config, subnets_[i], ids);
        }
        return numbers;
    }
    [[nodiscard]] double lastFlops() const override { return flops_; }

    std::vector<ValidationLoss> validate(const std::vector<ValidationSet>& sets, const CancelToken& cancel) override
    {
        std::vector<ValidationLoss> losses;
        validateUniform(weights_, choices_, sets, losses, cancel);
        return losses;
    }

private:
    /// Of sub-network i in the loss.
    [[nodiscard]] double share(std::size_t i) const
    {
        const auto count = static_cast<double>(subnets_.size());
        if (options_.full_share == 0 || subnets_.size() == 1) return 1 / count;
        return i == 0 ? options_.full_share : (1 - options_.full_share) / (count - 1);
    }
    /// Weighted; its mean over the sub-networks goes into the metrics.
    at::Tensor distillation(const at::Tensor& teacher, const at::Tensor& logits, double weight, const char* name,
                            std::map<std::string, double>& numbers) const
    {
        const at::Tensor distance = divergence(teacher, logits);
        numbers[name] += distance.item<double>() / static_cast<double>(subnets_.size());
        return weight * distance;
    }

    const ReferenceWeights& weights_;
    Teacher base_;
    ChoiceSets choices_;
    ElasticOptions options_;
    std::string source_; ///< hash: a job goes on with the model that it began with
    std::vector<SubNetwork> subnets_;
    double flops_ = 0;
};

} // namespace

std::vector<SubNetwork> sandwich(const ModelConfig& config, const ChoiceSets& choices, int sub_networks,
                                 std::uint64_t seed, std::int64_t step, ElasticSampling sampling)
{
    SplitMix random = StepPlace{step, 0, seed, 1}.random(kSandwich);
    const std::vector<int>& mlp = choices.mlp_int_list;
    const std::vector<int>& heads = choices.head_int_list;
    std::vector<SubNetwork> subnets{fullSubNetwork(config)};
    if (sub_networks > 1) subnets.push_back(smallestSubNetwork(config, choices));
    const std::size_t longest = std::max(mlp.size(), heads.size());
    for (int i = 2; i < sub_networks; ++i) {
        const bool uniform = sampling == ElasticSampling::Mixed ? i % 2 == 0 : sampling == ElasticSampling::Uniform;
        if (uniform) { // the ends are there already: of what lies between, if anything
            const std::size_t index = longest > 2 ? 1 + random.below(longest - 2) : random.below(longest);
            const double share = static_cast<double>(index + 1) / static_cast<double>(longest);
            subnets.push_back(uniformSubNetwork(config, choiceAt(mlp, share), choiceAt(heads, share)));
        } else {
            SubNetwork subnet = fullSubNetwork(config);
            for (int& width : subnet.mlp) width = mlp[random.below(mlp.size())];
            for (int& width : subnet.heads) width = heads[random.below(heads.size())];
            subnets.push_back(subnet);
        }
    }
    return subnets;
}

Result<StageReport> trainElastic(const std::filesystem::path& source_folder, const std::filesystem::path& out,
                                 const TrainOptions& options, const ElasticOptions& elastic, const ProgressFn& progress,
                                 const CancelToken& cancel)
{
    return guarded([&] {
        if (elastic.sub_networks < 1 || !(elastic.distill >= 0) || !(elastic.distill_base >= 0) ||
            !(elastic.full_share >= 0 && elastic.full_share < 1))
            throw Failure(ErrorCode::InvalidArgument,
                          "elastic training needs at least one sub-network a step, no negative distillation, and a "
                          "share of the full model below 1",
                          "the defaults are 4 and 0");
        refuseExisting(out);
        const StageSource source = openStageSource(source_folder, options.device, cancel);
        const ModelConfig& config = source.checkpoint->config();
        if (!config.uniform())
            throw Failure(ErrorCode::Unsupported, source_folder.string() + ": its layers differ in size",
                          "train the model that it was extracted from");
        TrainingLoop loop(options, config.max_position_embeddings, jobFolderFor(options, out), source.tokenizer,
                          progress, cancel);
        ElasticStage stage(source, elastic,
                           teacherFor(elastic.distill_base, elastic.base, source_folder, options.device, cancel));
        const StageReport report = loop.run(stage);
        if (options.probe_steps > 0) return report;
        writeStageResult(out, source, report, options.dtype, nullptr, elastic.base_training_tokens,
                         metricsSoFar(loop.jobFolder(), source_folder));
        finishJob(loop.jobFolder());
        return report;
    });
}

} // namespace flextron
