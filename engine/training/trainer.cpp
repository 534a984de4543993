#include "engine/training/trainer.h"

#include "engine/model/cost.h"
#include "engine/training/passes_p.h"
#include "engine/training/source_p.h"
#include "engine/training/validation_p.h"

namespace flextron {
namespace {

class BaseStage final : public StageWork {
public:
    BaseStage(const ModelConfig& config, const TrainOptions& options)
        : weights_(randomWeights(config, options.seed, placeOf(options.device)))
        , full_(fullSubNetwork(config))
    {
        setTrainable(weights_, true);
    }

    [[nodiscard]] std::string name() const override { return "base"; }
    [[nodiscard]] Json settings() const override
    {
        const ModelConfig& config = weights_.config;
        if (config.plainHuggingFace()) return parseJson(writeConfig(config, "float32"), "config.json");
        return {{"model_type", familyName(config.family)}, {"hidden_size", config.hidden_size}};
    }
    [[nodiscard]] std::vector<TrainedTensor> trained() const override { return trainedTensors(weights_); }
    void beginStep(const StepPlace&) override {}

    std::map<std::string, double> batch(const at::Tensor& ids, const StepPlace& place) override
    {
        SlicedWidths widths(full_);
        const at::Tensor loss = nextTokenLoss(trainingLogits(weights_, ids, widths), ids);
        (loss * place.scale).backward();
        flops_ = trainingFlops(weights_.config, full_, ids);
        return {{"loss", loss.item<double>()}};
    }
    [[nodiscard]] double lastFlops() const override { return flops_; }

    std::vector<ValidationLoss> validate(const std::vector<ValidationSet>& sets, const CancelToken& cancel) override
    {
        std::vector<ValidationLoss> losses;
        for (const ValidationSet& set : sets)
            losses.push_back(validateSubNetwork(weights_, set, full_, "full", cancel));
        return losses;
    }
    [[nodiscard]] const ReferenceWeights& weights() const { return weights_; }

private:
    ReferenceWeights weights_;
    SubNetwork full_;
    double flops_ = 0;
};

} // namespace

Result<StageReport> trainBase(const ModelConfig& config, const std::filesystem::path& tokenizer_folder,
                              std::shared_ptr<const Tokenizer> tokenizer, const std::filesystem::path& out,
                              const TrainOptions& options, const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&] {
        checkVocabulary(*tokenizer, config.vocab_size).orThrow();
        refuseExisting(out);
        TrainingLoop loop(options, config.max_position_embeddings, jobFolderFor(options, out), std::move(tokenizer),
                          progress, cancel);
        BaseStage stage(config, options);
        const StageReport report = loop.run(stage);
        if (options.probe_steps > 0) return report;
        CheckpointContents contents = checkpointContents(stage.weights(), options.dtype);
        contents.tokenizer_from = tokenizer_folder;
        writeTrained(out, contents, nullptr, metricsSoFar(loop.jobFolder()));
        finishJob(loop.jobFolder());
        return report;
    });
}

} // namespace flextron
