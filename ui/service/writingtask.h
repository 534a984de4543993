// Panes that write, each step shared by all that go on from the same text.
#pragma once

#include <map>

#include "engine/generate/generation.h"
#include "ui/service/enginetask.h"

namespace flextron::ui {

class WritingTask final : public EngineTask {
public:
    WritingTask(std::shared_ptr<const LoadedModel> model, const RunRequest& request);

    [[nodiscard]] RunStart start() const override;
    void advance(const CancelToken& cancel) override;
    [[nodiscard]] bool finished() const override;
    RunBatch takeBatch() override;
    std::optional<PlanInfo> retarget(const PaneChoice& choice) override;
    [[nodiscard]] std::int64_t kvBytes() const override;

private:
    /// Panes with the same beginning and weights are one generation.
    struct Group {
        std::shared_ptr<const LoadedModel> model; ///< whose weights they read
        std::vector<TokenId> given;
        std::vector<std::size_t> panes; ///< indices into panes_, by the generation's own
        std::unique_ptr<Generation> generation;
    };
    struct Pane {
        PaneRequest request;
        PlanInfo plan;
        std::size_t group = 0;
        int index = 0;         ///< in the group's generation
        int first_changed = 0; ///< records from here on were not handed out; int max = none
        PaneBatch waiting;
    };
    void collect(const Group& group, const std::vector<PaneEvent>& events);

    std::shared_ptr<const LoadedModel> model_;
    std::vector<Pane> panes_;
    std::vector<Group> groups_;
    std::map<int, std::vector<double>> step_ms_; ///< of decode steps, by the number of panes in them
};

} // namespace flextron::ui
