// A conversion's record, metrics.jsonl (docs/file-formats.md), as series to draw. No window.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <QByteArray>
#include <QString>

#include "engine/routing/overrides.h"
#include "ui/parts/linebuffer.h"

namespace flextron::ui {

/// Equal lengths; steps ascend as in the file.
struct RunSeries {
    std::vector<double> steps;
    std::vector<double> values;
};

/// What the stage came to on a validation text, with one kind of widths at one budget.
struct RunValidation {
    double step = 0;
    QString file;
    QString widths; ///< "full", "smallest", "uniform", "static", "dynamic", "dynamic, shuffled"
    double target = 1;
    double cost = 1;
    double loss = 0;
    double standard_error = 0;
};

/// One stage of a conversion: "elastic", "surrogate", "routers", "joint".
struct RunStage {
    QString name;
    std::map<QString, RunSeries> series;   ///< by the file's key
    std::vector<RunValidation> validation; ///< steps ascend
    double last_step = 0;
    double tokens = 0;
    double seconds = 0;
    [[nodiscard]] const RunSeries* find(const QString& key) const;
};

/// Takes the file's bytes as they come; a line that is not complete yet waits for its rest.
class RunLog {
public:
    void feed(const QByteArray& bytes);
    [[nodiscard]] const std::vector<RunStage>& stages() const { return stages_; }
    [[nodiscard]] const RunStage* stage(const QString& name) const;
    [[nodiscard]] int lines() const { return lines_; }
    /// Lines that are no JSON objects with a stage: a crash can leave one.
    [[nodiscard]] int skipped() const { return skipped_; }
    /// Layers of which choice shares are known.
    [[nodiscard]] int layers() const { return layers_; }

private:
    void take(const QByteArray& line);
    LineBuffer lines_in_;
    std::vector<RunStage> stages_;
    int lines_ = 0;
    int skipped_ = 0;
    int layers_ = 0;
};

/// "heads_3_8" and the like: a choice's share in a layer.
struct ShareKey {
    SubBlock block = SubBlock::Mlp;
    int layer = 0;
    int width = 0;
};
std::optional<ShareKey> parseShareKey(const QString& key);

/// Mean width of a layer by step, as a share of the largest choice; empty where there is nothing.
RunSeries meanWidth(const RunStage& stage, SubBlock block, int layer);

/// Those of the last step that has any, ascending in cost within a file and kind of widths.
std::vector<RunValidation> lastValidation(const RunStage& stage);
/// Loss by step of one file, kind and budget; named "dynamic 0.60" ("FILE, dynamic 0.60" where there are several
/// files).
std::vector<std::pair<QString, RunSeries>> validationSeries(const RunStage& stage);

/// A router that takes one choice for (nearly) every token, step after step, up to the last.
struct Collapse {
    SubBlock block = SubBlock::Mlp;
    int layer = 0;
    int width = 0;
    double since_step = 0;
};
/// At least `share` of the tokens in each of the last steps, and for at least a tenth of the stage's steps (20 at
/// least).
std::vector<Collapse> collapsed(const RunStage& stage, double share = 0.99);

} // namespace flextron::ui
