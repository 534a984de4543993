// What the window compares: one prompt through the full model and through the live sub-network.
//
// Holds the inputs, the target and the panes' records, and decides what a change asks for: a new run, a preview, or
// another width in mid-text. Views read it and never talk to the engine.
#pragma once

#include <array>
#include <optional>

#include <QObject>

#include "ui/engineservice.h"
#include "ui/rundata.h"
#include "ui/throttle.h"

namespace flextron::ui {

enum class PaneState {
    Empty,   ///< never run
    Waiting, ///< asked for, nothing has come yet: what is shown is of the run before
    Reading, ///< the prompt
    Writing,
    Done,
    Stopped, ///< by the user: what was written stands
    Failed,
};

struct PaneData {
    PaneState state = PaneState::Empty;
    Trace trace;
    std::vector<QString> pieces; ///< text of each record; empty where a character was not complete yet
    int prompt_tokens = 0;
    PlanInfo plan;
    PaneTiming timing;
    RunInputs inputs;     ///< what it was made from
    bool preview = false; ///< the first few tokens only, while the slider moves
    Error error;          ///< when Failed

    [[nodiscard]] bool busy() const
    {
        return state == PaneState::Waiting || state == PaneState::Reading || state == PaneState::Writing;
    }
    [[nodiscard]] bool hasText() const { return !pieces.empty(); }
    /// Whole and by itself: fit to be compared with.
    [[nodiscard]] bool complete() const { return state == PaneState::Done && !preview; }
};

class Comparison final : public QObject {
    Q_OBJECT

public:
    static constexpr int kPreviewTokens = 16;

    explicit Comparison(EngineService* service, QObject* parent = nullptr);

    [[nodiscard]] const RunInputs& inputs() const { return inputs_; }
    [[nodiscard]] const Target& target() const { return target_; }
    [[nodiscard]] const PaneData& pane(PaneSlot slot) const { return panes_[static_cast<std::size_t>(slot)]; }
    /// Made from other inputs than those that are set now.
    [[nodiscard]] bool stale(PaneSlot slot) const;
    /// New-token index at which the live pane leaves the full one; nothing while they agree or have no common prompt.
    [[nodiscard]] std::optional<int> divergence() const;
    /// A run needs a model and a prompt.
    [[nodiscard]] bool canRun() const;

    void setInputs(const RunInputs& inputs);
    /// Both panes, to the end.
    void run();
    /// For the next run; starts nothing.
    void setTarget(const Target& target);
    /// While the slider moves: a run in progress goes on with the new width, else the first tokens are written anew.
    void dragTarget(const Target& target);
    /// The slider was let go: what was previewed is written to the end.
    void commitTarget(const Target& target);
    void stop();

signals:
    void inputsChanged();
    void targetChanged();
    /// Everything of the pane is new (or gone).
    void paneReset(flextron::ui::PaneSlot slot);
    /// Records from `batch.first_record` on and their texts were added to the pane.
    void paneGrew(flextron::ui::PaneSlot slot, const flextron::ui::PaneBatch& batch);
    /// State, timing, plan or staleness changed.
    void paneChanged(flextron::ui::PaneSlot slot);
    void divergenceChanged();

private:
    PaneData& slotData(PaneSlot slot) { return panes_[static_cast<std::size_t>(slot)]; }
    void startRun(std::vector<PaneSlot> which, bool preview);
    void startPreview();
    void resetForModel();
    void onStarted(const RunStart& start);
    void showStart(const RunStart& start);
    void onEvents(const RunBatch& batch);
    void onEnded(PaneState state, const Error& error);
    void updateDivergence();

    EngineService* service_;
    RunInputs inputs_;
    Target target_;
    std::array<PaneData, kPaneSlots> panes_;
    std::vector<PaneSlot> running_; ///< panes of the run in progress
    RunInputs running_inputs_;
    bool running_preview_ = false;
    bool retarget_unanswered_ = false;      ///< the run may have ended before the new target reached it
    std::optional<RunStart> pending_start_; ///< of a preview: the old text stays until the new one has a token
    std::optional<int> divergence_;
    Throttle preview_throttle_;
    Throttle retarget_throttle_;
};

} // namespace flextron::ui
