// A conversion as the form has it: what is wrong with it, the command line that does it, and what it will take. No
// window.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <QByteArray>
#include <QString>
#include <QStringList>

#include "engine/base/error.h"
#include "ui/jobs/jobfile.h"

namespace flextron::ui {

/// What the form wants to know of a base before anything is run.
struct BaseFacts {
    QString folder;
    QString name;
    std::int64_t parameters = 0;
    int layers = 0;
    int context = 0;
    std::int64_t base_training_tokens = 0; ///< that its record knows of; 0 for unknown
    bool converted = false;                ///< narrow widths were trained already
};
/// Opens the checkpoint (not its weights). Not for the window's thread.
Result<BaseFacts> readBase(const QString& folder);

struct ConvertText {
    QString file;
    std::optional<double> share; ///< of what is drawn; none: by the files' sizes
    bool operator==(const ConvertText&) const = default;
};

struct ConvertPlan {
    enum class What { Whole, SortOnly };
    What what = What::Whole;
    QString base;
    std::vector<ConvertText> texts;
    QStringList validation;
    /// How long: a share of the base's tokens, or so many tokens.
    bool by_share = true;
    double share = kPaperShare;
    std::int64_t base_tokens = 0; ///< 0: unknown
    std::int64_t tokens = 0;
    QString out;
    // Advanced. 0 or empty: as the program chooses.
    int batch = 8;
    int sequence_length = 0;
    int importance_sequences = 0;
    int threads = 0;
    int validate_every = 0;
    double checkpoint_minutes = 5;
    std::uint64_t seed = 42;
    QString mlp_choices, head_choices, budgets;

    static constexpr double kPaperShare = 0.0763; // Flextron, section 4: 7.63 % of the pretraining tokens
    /// That all stages read together.
    [[nodiscard]] std::int64_t trainingTokens() const;
    bool operator==(const ConvertPlan&) const = default;
};

/// A plan for the base that a person can start as it is: the program's own text, a new folder beside the base (or at
/// home), and, where nobody knows the base's tokens, enough to see every stage work.
ConvertPlan suggestedPlan(const BaseFacts& base, ConvertPlan::What what);
/// BASE-elastic or BASE-sorted, where there is nothing yet and something can be written.
QString suggestedOut(const QString& base, ConvertPlan::What what);

/// What stands in the way, the first thing first; looks at the files. Nothing when it can be started.
std::optional<Error> problemOf(const ConvertPlan& plan);
/// "flextron" not included; `context` is the base's.
QStringList convertArguments(const ConvertPlan& plan, int context);

/// "26.8M", "1,000,000", "2 B"; nothing for what is no positive count.
std::optional<std::int64_t> parseTokenCount(const QString& text);

struct ConvertEstimate {
    std::vector<PlannedStage> stages;
    std::int64_t memory_bytes = 0;
    std::int64_t available_memory_bytes = 0;
    std::int64_t disk_bytes = 0;
    std::int64_t available_disk_bytes = 0;
    bool fits = false;
    QStringList problems; ///< what does not fit, and what would

    [[nodiscard]] double seconds() const;
};
/// Of `flextron convert --dry-run --json`.
Result<ConvertEstimate> parseEstimate(const QByteArray& json);
/// Time, memory and disk, in words.
QString estimateText(const ConvertEstimate& estimate);

} // namespace flextron::ui
