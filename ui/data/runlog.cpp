#include "ui/data/runlog.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QStringList>

namespace flextron::ui {

namespace {
constexpr std::size_t kLeastSteps = 20;
} // namespace

const RunSeries* RunStage::find(const QString& key) const
{
    const auto found = series.find(key);
    return found == series.end() ? nullptr : &found->second;
}

const RunStage* RunLog::stage(const QString& name) const
{
    const auto found = std::find_if(stages_.begin(), stages_.end(),
                                    [&](const RunStage& stage) { return stage.name == name; });
    return found == stages_.end() ? nullptr : &*found;
}

void RunLog::feed(const QByteArray& bytes)
{
    lines_in_.feed(bytes, [this](const QByteArray& line) { take(line); });
}

void RunLog::take(const QByteArray& line)
{
    const QJsonObject object = QJsonDocument::fromJson(line).object();
    const QString name = object.value(QLatin1String("stage")).toString();
    if (name.isEmpty()) {
        ++skipped_;
        return;
    }
    ++lines_;
    auto stage = std::find_if(stages_.begin(), stages_.end(),
                              [&](const RunStage& other) { return other.name == name; });
    if (stage == stages_.end()) stage = stages_.insert(stages_.end(), RunStage{name, {}, {}, 0, 0, 0});
    // A surrogate's lines are sub-networks, not steps: they are counted.
    const double step = object.value(QLatin1String("step")).toDouble(stage->last_step + 1);
    // A stage that was resumed after a crash repeats its last steps: the later ones count.
    if (step <= stage->last_step) {
        for (auto& [key, series] : stage->series) {
            while (!series.steps.empty() && series.steps.back() >= step) {
                series.steps.pop_back();
                series.values.pop_back();
            }
        }
        std::erase_if(stage->validation, [step](const RunValidation& entry) { return entry.step >= step; });
    }
    stage->last_step = step;
    stage->tokens = object.value(QLatin1String("tokens")).toDouble(stage->tokens);
    stage->seconds = object.value(QLatin1String("seconds")).toDouble(stage->seconds);
    for (auto entry = object.begin(); entry != object.end(); ++entry) {
        if (!entry.value().isDouble() || entry.key() == QLatin1String("step")) continue;
        RunSeries& series = stage->series[entry.key()];
        series.steps.push_back(step);
        series.values.push_back(entry.value().toDouble());
        if (const auto share = parseShareKey(entry.key())) layers_ = std::max(layers_, share->layer + 1);
    }
    for (const QJsonValue& value : object.value(QLatin1String("validation")).toArray()) {
        const QJsonObject entry = value.toObject();
        if (!entry.value(QLatin1String("loss")).isDouble()) continue;
        stage->validation.push_back(
            {step, entry.value(QLatin1String("file")).toString(), entry.value(QLatin1String("widths")).toString(),
             entry.value(QLatin1String("target")).toDouble(1), entry.value(QLatin1String("cost")).toDouble(1),
             entry.value(QLatin1String("loss")).toDouble(), entry.value(QLatin1String("standard_error")).toDouble()});
    }
}

std::optional<ShareKey> parseShareKey(const QString& key)
{
    const QStringList parts = key.split(QLatin1Char('_'));
    if (parts.size() != 3 || (parts[0] != QLatin1String("heads") && parts[0] != QLatin1String("mlp")))
        return std::nullopt;
    bool layer_ok = false;
    bool width_ok = false;
    const ShareKey share{parts[0] == QLatin1String("mlp") ? SubBlock::Mlp : SubBlock::Attention,
                         parts[1].toInt(&layer_ok), parts[2].toInt(&width_ok)};
    return layer_ok && width_ok && share.layer >= 0 && share.layer < 4096 && share.width >= 0 ? std::optional(share)
                                                                                              : std::nullopt;
}

RunSeries meanWidth(const RunStage& stage, SubBlock block, int layer)
{
    RunSeries mean;
    int full = 0;
    for (const auto& [key, series] : stage.series) {
        const auto share = parseShareKey(key);
        if (!share || share->block != block || share->layer != layer) continue;
        full = std::max(full, share->width);
        if (mean.steps.empty()) {
            mean.steps = series.steps;
            mean.values.assign(series.steps.size(), 0.0);
        }
        for (std::size_t i = 0; i < std::min(mean.values.size(), series.values.size()); ++i)
            mean.values[i] += series.values[i] * share->width;
    }
    for (double& value : mean.values) value /= std::max(1, full);
    return mean;
}

std::vector<RunValidation> lastValidation(const RunStage& stage)
{
    std::vector<RunValidation> last;
    for (const RunValidation& entry : stage.validation)
        if (entry.step == stage.validation.back().step) last.push_back(entry);
    std::stable_sort(last.begin(), last.end(), [](const RunValidation& a, const RunValidation& b) {
        return std::tie(a.file, a.widths, a.cost) < std::tie(b.file, b.widths, b.cost);
    });
    return last;
}

std::vector<std::pair<QString, RunSeries>> validationSeries(const RunStage& stage)
{
    std::set<QString> files;
    for (const RunValidation& entry : stage.validation) files.insert(entry.file);
    std::vector<std::pair<QString, RunSeries>> found;
    for (const RunValidation& entry : stage.validation) {
        const bool routed = entry.widths == QLatin1String("static") ||
                            entry.widths.startsWith(QLatin1String("dynamic"));
        QString name = entry.widths;
        if (routed) name += QStringLiteral(" %1").arg(entry.target, 0, 'f', 2);
        if (files.size() > 1) name.prepend(entry.file + QStringLiteral(", "));
        auto at = std::find_if(found.begin(), found.end(), [&](const auto& other) { return other.first == name; });
        if (at == found.end()) at = found.insert(found.end(), {name, {}});
        at->second.steps.push_back(entry.step);
        at->second.values.push_back(entry.loss);
    }
    return found;
}

std::vector<Collapse> collapsed(const RunStage& stage, double share)
{
    std::vector<Collapse> found;
    for (const auto& [key, series] : stage.series) {
        const auto choice = parseShareKey(key);
        if (!choice || series.values.empty()) continue;
        std::size_t first = series.values.size();
        while (first > 0 && series.values[first - 1] >= share) --first;
        const std::size_t steps = series.values.size() - first;
        if (steps < std::max(kLeastSteps, series.values.size() / 10)) continue;
        found.push_back({choice->block, choice->layer, choice->width, series.steps[first]});
    }
    std::sort(found.begin(), found.end(), [](const Collapse& a, const Collapse& b) {
        return a.layer != b.layer ? a.layer < b.layer : a.block < b.block;
    });
    return found;
}

} // namespace flextron::ui
