// One step for the plug-in: requests cut into slices of rows, results put back in their places.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/base/cancellation.h"
#include "engine/compute/backend.h"
#include "engine/cuda/cuda_model_p.h"

namespace flextron {

/// K/V of one text, in the GPU's memory.
class CudaCache final : public KvCache {
public:
    CudaCache(std::shared_ptr<const CudaModel> model, const ModelConfig& config, int capacity, std::vector<int> heads);
    ~CudaCache() override { model_->destroy(handle_); }

    [[nodiscard]] int length() const override { return length_; }
    [[nodiscard]] int capacity() const override { return capacity_; }
    [[nodiscard]] const std::vector<int>& heads() const override { return heads_; }
    [[nodiscard]] std::int64_t bytes() const override { return bytes_; }
    void truncate(int length) override { length_ = length; }
    [[nodiscard]] Result<std::unique_ptr<KvCache>> clone() const override;

    [[nodiscard]] FlextronCudaCache* handle() const { return handle_; }
    void grow(int tokens) { length_ += tokens; }

private:
    std::shared_ptr<const CudaModel> model_;
    const ModelConfig& config_; ///< the checkpoint's, which whoever has a cache also has
    int capacity_;
    std::vector<int> heads_;
    FlextronCudaCache* handle_ = nullptr;
    std::int64_t bytes_ = 0;
    int length_ = 0;
};

/// Reused from step to step: nothing is allocated once warm, but by the widening of a plan's overrides or routers.
class CudaStep final {
public:
    CudaStep(std::shared_ptr<const CudaModel> model, const ModelConfig& config)
        : model_(std::move(model))
        , config_(config)
    {
    }

    /// Reads all tokens. The requests were checked; caches do not grow here. Throws Failure.
    void run(std::span<const StepInput> panes, std::span<StepOutput> outputs, const CancelToken& cancel);

private:
    /// A token of a pane.
    struct Row {
        std::size_t pane = 0;
        int token = 0;
    };
    struct Pane {
        const CudaRouters* routers = nullptr;
        std::vector<float> code;   ///< of the target
        bool draws = false;        ///< tokens are wanted, not logits
        std::size_t rows_done = 0; ///< rows of StepOutput::logits or ::drawn that are there
        FlextronCudaDraw draw{};   ///< what all its draws share
    };

    void openPanes(std::span<const StepInput> panes, std::span<StepOutput> outputs);
    const CudaRouters& uploaded(const std::shared_ptr<const Routers>& routers);
    void addRow(const StepInput& input, std::size_t pane, int token);
    void setWidths(std::span<const StepInput> panes);
    void runSlice(std::span<const StepInput> panes, std::span<StepOutput> outputs);
    void takeWidths(std::span<const StepInput> panes, std::span<StepOutput> outputs);
    void takeLogits(std::span<const StepInput> panes, std::span<StepOutput> outputs);

    std::shared_ptr<const CudaModel> model_;
    const ModelConfig& config_;
    std::vector<std::unique_ptr<CudaRouters>> routers_;
    std::vector<Pane> panes_;

    // The slice at hand.
    std::vector<Row> rows_;
    std::vector<FlextronCudaRow> cuda_rows_;
    std::vector<std::int32_t> widths_; ///< [layer][attention, MLP][row]
    std::vector<std::int32_t> chosen_; ///< the same, after the routers
    std::vector<float> codes_;         ///< [row][code_stride_]
    std::vector<float> probabilities_; ///< [layer][attention, MLP][row][choice_stride_]
    std::vector<std::int32_t> logit_rows_;
    std::vector<FlextronCudaDraw> draws_;  ///< [logit row]
    std::vector<FlextronCudaDrawn> drawn_; ///< [logit row]
    std::vector<float> logits_;            ///< [logit row][vocab], if any is wanted
    int code_stride_ = 0;
    int choice_stride_ = 0;
};

} // namespace flextron
