// Reading a given text of any length through each pane, window by window: the records that writing makes, nothing
// written.
#pragma once

#include "ui/service/enginetask.h"

namespace flextron::ui {

/// Windows overlap by one token, as scoreText's do; a token's record is that of its first reading.
class ReadingTask final : public EngineTask {
public:
    ReadingTask(std::shared_ptr<const LoadedModel> model, const RunRequest& request);

    [[nodiscard]] RunStart start() const override;
    /// The next window of the next pane, so that all panes come on together; or nothing, while there is much to hand
    /// over.
    void advance(const CancelToken& cancel) override;
    [[nodiscard]] bool finished() const override;
    /// A piece of it: the window's thread takes in thousands of records without being held up.
    RunBatch takeBatch() override;
    /// A text is read with one choice: the next reading takes the new one.
    std::optional<PlanInfo> retarget(const PaneChoice&) override { return std::nullopt; }
    [[nodiscard]] std::int64_t kvBytes() const override { return 0; }

private:
    struct Pane {
        PaneRequest request;
        std::shared_ptr<const LoadedModel> model;
        ResolvedTarget resolved;
        PlanInfo plan;
        std::vector<TokenRecord> records;
        int sent = 0; ///< records
    };
    [[nodiscard]] int unsent() const; ///< records of all panes

    std::shared_ptr<const LoadedModel> model_;
    std::vector<TokenId> ids_;
    std::vector<QString> pieces_;
    std::vector<Pane> panes_;
    std::size_t next_ = 0; ///< pane
};

} // namespace flextron::ui
