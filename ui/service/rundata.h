// What crosses the border between the engine's thread and the window: plain values, copied or shared read-only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <QMetaType>
#include <QString>

#include "engine/base/error.h"
#include "engine/compute/device.h"
#include "engine/generate/generation.h"
#include "engine/generate/trace.h"
#include "engine/latency/latency_table.h"
#include "engine/model/checkpoint.h"
#include "engine/routing/quality.h"
#include "engine/routing/target.h"
#include "engine/text/tokenizer.h"

namespace flextron::ui {

/// Tells runs apart; ids grow and are never used again. 0 = none.
using RunId = std::uint64_t;

/// A pane's place, which is its own for as long as it is there: the baseline (always the full model), the pane that
/// follows the slider, and pins that hold a target. Full and Live are always there.
enum class PaneSlot : int { Full = 0, Live = 1, PinA = 2, PinB = 3, PinC = 4, PinD = 5 };
inline constexpr int kPaneSlots = 6;
inline constexpr std::array kPinSlots{PaneSlot::PinA, PaneSlot::PinB, PaneSlot::PinC, PaneSlot::PinD};

/// How far a model has been prepared for being narrowed: what the window may promise.
enum class Preparation {
    None,    ///< never converted: units stand in any order, nothing was trained
    Sorted,  ///< by importance, but no training for narrow widths
    Trained, ///< narrow widths were trained
};

/// A loaded model as the window sees it. Immutable; a new one is made when a latency table arrives.
struct ModelInfo {
    QString name;
    QString card; ///< the first paragraph of its README.md: what it is; empty without one
    std::shared_ptr<const Checkpoint> checkpoint; ///< immutable and safe from any thread
    Preparation preparation = Preparation::None;
    QString tokenizer;                           ///< kind; empty without one
    QString tokenizer_problem;                   ///< why there is none
    std::shared_ptr<const Tokenizer> vocabulary; ///< immutable and safe from any thread; null without one
    QString backend;                             ///< Backend::description()
    std::int64_t weight_bytes = 0;
    int bytes_per_weight = 4; ///< Backend::bytesPerWeight()
    Device device;
    bool static_routers = false;
    bool dynamic_routers = false;
    std::optional<LatencyTable> latency;
    QString latency_problem;         ///< why there is none: not measured yet, out of date, cannot be read
    std::vector<Stop> latency_stops; ///< ascending in share: what a budget can become
    std::vector<Stop> flops_stops;   ///< likewise in FLOPs; the same without a table
    /// What dynamic routers come to by the table, ascending; empty without a table or without such routers.
    std::vector<DynamicStop> dynamic_stops;
    std::vector<Stop> parameter_stops; ///< ascending in parameters: what a parameter target can become
    /// What a quality target can become, by Routing; the error says why it cannot be asked for.
    std::vector<Result<QualityCurve>> quality;

    [[nodiscard]] const ModelConfig& config() const { return checkpoint->config(); }
    [[nodiscard]] const ChoiceSets& choices() const { return checkpoint->choices(); }
    [[nodiscard]] bool hasRouters() const { return static_routers || dynamic_routers; }
};
using ModelInfoPtr = std::shared_ptr<const ModelInfo>;

enum class RunMode {
    Write, ///< go on from the prompt
    Read,  ///< read the prompt's text, teacher-forced, of any length; nothing is written
};

/// What a comparison is asked to do. Panes with equal inputs and equal choices write the same text.
struct RunInputs {
    QString prompt;
    SamplerSettings sampler;
    int max_tokens = 64;
    QString stop_text; ///< a pane ends before it; empty for none
    RunMode mode = RunMode::Write;
    bool operator==(const RunInputs&) const = default;
};

struct PaneSource;

/// How a pane gets its widths.
struct PaneChoice {
    Target target;
    std::shared_ptr<const Overrides> overrides;         ///< may be null
    std::shared_ptr<const PaneSource> source = nullptr; ///< null: the open model
};

struct PaneRequest {
    PaneSlot slot = PaneSlot::Live;
    PaneChoice choice; ///< Full: the full model, whatever stands here
    QString name;
    std::vector<TokenId> branch; ///< what the pane goes on from in place of the prompt; empty for the prompt
};

struct RunRequest {
    RunInputs inputs;
    std::vector<PaneRequest> panes; ///< at least one
    int limit = 0; ///< of a preview: tokens to write or to read at most; 0 for no other than the inputs'
};

/// What a target became: the engine's answer, not the user's wish.
struct PlanInfo {
    SubNetwork subnet;
    Routing routing = Routing::Uniform;
    double budget = 1.0;
    double share = 1.0;
    std::optional<double> predicted_ms;
    QString cost_basis; ///< "latency table" or "FLOPs"
    std::int64_t parameters = 0;
    std::optional<double> rise; ///< expected, of the loss over the full model's, nats a token
};

/// A pane as it stands before its first step.
struct PaneStart {
    PaneSlot slot = PaneSlot::Live;
    Trace trace; ///< header and the records of what is given
    PlanInfo plan;
    std::vector<QString> pieces; ///< what is given, cut into its tokens' text; BOS is empty
};

struct RunStart {
    std::vector<PaneStart> panes;
};

/// New text, said by the token at `record`.
struct TokenText {
    int record = 0;
    QString text;
};

/// What several steps brought to one pane.
struct PaneBatch {
    PaneSlot slot = PaneSlot::Live;
    int first_record = 0; ///< records from here on are new or changed
    std::vector<TokenRecord> records;
    std::vector<TokenText> texts;
    PaneTiming timing;
    bool finished = false;
    std::string stop_reason;
};

/// A decode step that several panes share: what the machine does, which is no pane's own speed.
struct SharedStep {
    int panes = 0;     ///< in the step
    double p50_ms = 0; ///< a step, over those with this many panes; 0 before the second
};

struct RunBatch {
    std::vector<PaneBatch> panes;
    SharedStep shared;
};

/// How a run ended. `cancelled` is no error: what was written stands.
struct RunEnd {
    bool cancelled = false;
    std::int64_t kv_bytes = 0;
};

struct LoadProgress {
    QString stage;
    std::uint64_t done = 0;
    std::uint64_t total = 0; ///< 0 while unknown
    QString unit;            ///< "bytes", ...
};

struct ModelListEntry {
    QString name;
    QString folder;
    bool bundled = false;
};

} // namespace flextron::ui
