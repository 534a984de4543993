// What crosses the border between the engine's thread and the window: plain values, copied or shared read-only.
#pragma once

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
#include "engine/routing/target.h"

namespace flextron::ui {

/// Tells runs apart; ids grow and are never used again. 0 = none.
using RunId = std::uint64_t;

/// The panes of first light. Panes of a run are a subset of these.
enum class PaneSlot { Full = 0, Live = 1 };
inline constexpr int kPaneSlots = 2;

/// How far a model has been prepared for being narrowed: what the window may promise.
enum class Preparation {
    None,    ///< never converted: units stand in any order, nothing was trained
    Sorted,  ///< by importance, but no training for narrow widths
    Trained, ///< narrow widths were trained
};

/// A loaded model as the window sees it. Immutable; a new one is made when a latency table arrives.
struct ModelInfo {
    QString name;
    std::shared_ptr<const Checkpoint> checkpoint; ///< immutable and safe from any thread
    Preparation preparation = Preparation::None;
    QString tokenizer;         ///< kind; empty without one
    QString tokenizer_problem; ///< why there is none
    QString backend;           ///< Backend::description()
    std::int64_t weight_bytes = 0;
    Device device;
    bool static_routers = false;
    bool dynamic_routers = false;
    std::optional<LatencyTable> latency;
    std::vector<Stop> latency_stops;   ///< ascending in share: what a budget can become
    std::vector<Stop> parameter_stops; ///< ascending in parameters: what a parameter target can become

    [[nodiscard]] const ModelConfig& config() const { return checkpoint->config(); }
    [[nodiscard]] const ChoiceSets& choices() const { return checkpoint->choices(); }
    [[nodiscard]] bool hasRouters() const { return static_routers || dynamic_routers; }
};
using ModelInfoPtr = std::shared_ptr<const ModelInfo>;

/// What a comparison is asked to do. Panes with equal inputs write the same text.
struct RunInputs {
    QString prompt;
    SamplerSettings sampler;
    int max_tokens = 64;
    bool operator==(const RunInputs&) const = default;
};

struct RunRequest {
    RunInputs inputs;
    std::vector<PaneSlot> panes; ///< at least one; Full is always the full model
    Target target;               ///< of the live pane
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
};

/// A pane as it stands before its first step.
struct PaneStart {
    PaneSlot slot = PaneSlot::Live;
    Trace trace; ///< header and the prompt's records
    PlanInfo plan;
};

struct RunStart {
    std::vector<PaneStart> panes;
    std::vector<QString> prompt_pieces; ///< the prompt cut into its tokens' text; BOS is empty
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

struct RunBatch {
    std::vector<PaneBatch> panes;
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
