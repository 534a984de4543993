// What the window compares: one prompt through the full model, through pinned sub-networks and through the live one.
//
// Holds the inputs, the targets and the panes' records, and decides what a change asks for: a new run, a preview, or
// another width in mid-text. Views read it and never talk to the engine.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include <QObject>

#include "engine/evaluate/scoring.h"
#include "ui/service/engineservice.h"
#include "ui/service/inquiry.h"
#include "ui/service/rundata.h"
#include "ui/service/throttle.h"

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
    RunInputs inputs;                   ///< what it was made from
    PaneChoice choice;                  ///< likewise; of the run's start, a later target is in `plan`
    bool branch = false;                ///< goes on from another beginning than the prompt
    bool retargeted = false;            ///< its widths were changed while it wrote
    bool kept = false;                  ///< opened from a file: not made from what is set now, and not out of date
    bool preview = false;               ///< the first few tokens only, while the slider moves
    Error error;                        ///< when Failed
    std::optional<double> solo_ms;      ///< a token, measured alone with these widths
    std::optional<Agreement> agreement; ///< with the full model, teacher-forced on the baseline's text
    quint64 serial = 0;                 ///< tells this text from the one before it

    [[nodiscard]] bool busy() const
    {
        return state == PaneState::Waiting || state == PaneState::Reading || state == PaneState::Writing;
    }
    [[nodiscard]] bool hasText() const { return !pieces.empty(); }
    /// Whole and by itself: fit to be compared with.
    [[nodiscard]] bool complete() const { return state == PaneState::Done && !preview; }
};

/// A pane that keeps a choice, whatever the slider does.
struct Pin {
    PaneSlot slot = PaneSlot::PinA;
    QString name;
    PaneChoice choice;
    std::vector<TokenId> branch; ///< what it goes on from in place of the prompt; empty for the prompt
};

/// Everything the user set: what undo, sessions and command lines are about. The prompt is in the inputs.
struct ComparisonState {
    RunInputs inputs;
    PaneChoice live;
    std::vector<Pin> pins;
};
bool operator==(const ComparisonState& a, const ComparisonState& b);

class Comparison final : public QObject {
    Q_OBJECT

public:
    static constexpr int kPreviewTokens = 16;
    static constexpr int kPreviewRead = 128; ///< tokens of a text that is read

    explicit Comparison(EngineService* service, QObject* parent = nullptr);

    [[nodiscard]] const RunInputs& inputs() const { return inputs_; }
    [[nodiscard]] const Target& target() const { return target_; }
    [[nodiscard]] const PaneData& pane(PaneSlot slot) const { return panes_[static_cast<std::size_t>(slot)]; }
    /// Panes that are there, in the order they are shown: the baseline, the pins, the live one.
    [[nodiscard]] std::vector<PaneSlot> order() const;
    [[nodiscard]] bool present(PaneSlot slot) const;
    [[nodiscard]] QString paneName(PaneSlot slot) const;
    [[nodiscard]] const std::vector<Pin>& pins() const { return pins_; }
    /// What the pane would run with now.
    [[nodiscard]] PaneChoice choice(PaneSlot slot) const;
    [[nodiscard]] const std::shared_ptr<const Overrides>& overrides() const { return overrides_; }
    /// Made from other inputs than those that are set now.
    [[nodiscard]] bool stale(PaneSlot slot) const;
    /// New-token index at which a pane leaves the full one; nothing while they agree or have no common prompt.
    [[nodiscard]] std::optional<int> divergence(PaneSlot slot = PaneSlot::Live) const;
    /// The same as an index into both panes' records.
    [[nodiscard]] std::optional<int> splitRecord(PaneSlot slot) const;
    /// The step that the panes of the last run shared.
    [[nodiscard]] const SharedStep& sharedStep() const { return shared_; }
    /// A run needs a model and a prompt.
    [[nodiscard]] bool canRun() const;
    [[nodiscard]] ComparisonState state() const { return {inputs_, {target_, overrides_}, pins_}; }
    /// Puts everything but the prompt and the mode back, and runs what that changes where there was something before.
    void restore(const ComparisonState& state);

    /// The mode stays.
    void setInputs(const RunInputs& inputs);
    void setMode(RunMode mode) { inputs_.mode = mode; }
    /// All panes, to the end.
    void run();
    /// Reads the prompt's text through all panes; nothing is written.
    void read();
    /// A new pane with the live pane's choice; none when all places are taken.
    std::optional<PaneSlot> addPin() { return addPane(nullptr); }
    /// The same, run by another source than the open model.
    std::optional<PaneSlot> addPane(std::shared_ptr<const PaneSource> source);
    /// A pane as it was kept, in its own place; what stood there goes.
    void putPin(Pin pin);
    void removePin(PaneSlot slot);
    void renamePin(PaneSlot slot, const QString& name);
    /// A new pane that goes on from `pane`'s text up to `record`, with another token in that record's place.
    std::optional<PaneSlot> continueFrom(PaneSlot pane, int record, TokenId alternative);
    [[nodiscard]] bool canAddPin() const { return pins_.size() < kPinSlots.size(); }
    /// Forced choices of the live pane, from the next run or token on; pins keep those they were made with.
    void setOverrides(std::shared_ptr<const Overrides> overrides);
    /// Each pane by itself for a short text: what it takes alone.
    void measureAlone();
    /// Records of all panes that have some, in order: what a trace file keeps.
    [[nodiscard]] std::vector<Trace> traces() const;
    /// Puts kept records in place of all panes; stops what runs.
    void showTraces(const std::vector<Trace>& traces);
    /// For the next run; starts nothing.
    void setTarget(const Target& target);
    /// While the slider moves: a run in progress goes on with the new width, else the first tokens are written anew.
    void dragTarget(const Target& target);
    /// The slider was let go: what was previewed is written to the end.
    void commitTarget(const Target& target);
    void stop();
    /// Empties all panes and takes pins and forced choices away: another model, another session.
    void clear();

signals:
    void inputsChanged();
    void targetChanged();
    void overridesChanged();
    /// Something that was asked for cannot be.
    void refused(const QString& why);
    /// Panes were added, removed or renamed.
    void panesChanged();
    void sharedStepChanged();
    /// The user's doing is complete: one step of undo. `what` is for a person; equal `key`s in a row are one step.
    void changed(const QString& what, const QString& key);
    /// Everything of the pane is new (or gone).
    void paneReset(flextron::ui::PaneSlot slot);
    /// Records from `batch.first_record` on and their texts were added to the pane.
    void paneGrew(flextron::ui::PaneSlot slot, const flextron::ui::PaneBatch& batch);
    /// State, timing, plan or staleness changed.
    void paneChanged(flextron::ui::PaneSlot slot);
    void divergenceChanged();

private:
    PaneData& slotData(PaneSlot slot) { return panes_[static_cast<std::size_t>(slot)]; }
    [[nodiscard]] const Pin* pin(PaneSlot slot) const;
    void dropKept();
    std::optional<PaneSlot> insertPin(PaneChoice choice, std::vector<TokenId> branch);
    [[nodiscard]] std::vector<PaneSlot> unfinished() const;
    [[nodiscard]] PaneRequest request(PaneSlot slot) const;
    void startRun(std::vector<PaneSlot> which, bool preview);
    void startPreview();
    void onStarted(const RunStart& start);
    void showStart(const RunStart& start);
    void onEvents(const RunBatch& batch);
    void onEnded(PaneState state, const Error& error);
    void makeInquiries();
    void askForAgreement();
    void updateDivergence();

    EngineService* service_;
    RunInputs inputs_;
    Target target_;
    std::shared_ptr<const Overrides> overrides_; // of the live pane
    std::vector<Pin> pins_;                      // in the order of their slots
    std::array<PaneData, kPaneSlots> panes_;
    std::array<std::optional<int>, kPaneSlots> splits_; // records
    std::array<std::unique_ptr<Inquiry<Agreement>>, kPaneSlots> agreements_;
    std::array<std::unique_ptr<Inquiry<double>>, kPaneSlots> solos_;
    struct AskedFor {
        quint64 agreement_of = 0; // PaneData::serial
        quint64 solo_of = 0;
    };
    std::array<AskedFor, kPaneSlots> asked_;
    SharedStep shared_;
    quint64 serial_ = 0;
    std::vector<PaneSlot> running_; ///< panes of the run in progress
    RunInputs running_inputs_;
    bool running_preview_ = false;
    bool retarget_unanswered_ = false;      ///< the run may have ended before the new target reached it
    std::optional<RunStart> pending_start_; ///< of a preview: the old text stays until the new one has a token
    Throttle preview_throttle_;
    Throttle retarget_throttle_;
};

} // namespace flextron::ui
