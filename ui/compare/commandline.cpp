#include "ui/compare/commandline.h"

#include <charconv>

#include <QRegularExpression>
#include <QStringList>

#include "ui/service/panesource.h"

namespace flextron::ui {

namespace {

/// The shortest form that reads back as the same number; C locale.
QString number(double value)
{
    char buffer[32]; // NOLINT(modernize-avoid-c-arrays)
    const auto end = std::to_chars(std::begin(buffer), std::end(buffer), value).ptr;
    return QString::fromLatin1(std::begin(buffer), end - std::begin(buffer));
}

void addPlace(QStringList& words, const ModelInfo& model)
{
    words << QStringLiteral("--device") << QString::fromStdString(model.device.id());
    const auto weights = QRegularExpression(QStringLiteral("^decode, (\\S+) weights")).match(model.backend);
    if (weights.hasMatch()) words << QStringLiteral("--weights") << weights.captured(1);
    const auto type = QRegularExpression(QStringLiteral("^reference, [^,]+, (\\w+),")).match(model.backend);
    if (type.hasMatch()) words << QStringLiteral("--dtype") << type.captured(1);
    const auto threads = QRegularExpression(QStringLiteral("(\\d+) threads?")).match(model.backend);
    if (threads.hasMatch()) words << QStringLiteral("--threads") << threads.captured(1);
}

void addWidths(QStringList& words, const PaneData& pane)
{
    if (pane.plan.routing == Routing::Dynamic) {
        words << QStringLiteral("--budget") << number(pane.plan.budget)
              << QStringLiteral("--cost flops --routing dynamic"); // as the routers were asked, whatever table there is
    } else {
        words << QStringLiteral("--subnet") << shellQuoted(QString::fromStdString(toString(pane.plan.subnet)));
    }
    if (pane.choice.overrides && !pane.choice.overrides->empty()) {
        words << QStringLiteral("--overrides <(printf %s %1)")
                     .arg(shellQuoted(QString::fromStdString(toJson(*pane.choice.overrides))));
    }
    words << QStringLiteral("--kv all");
}

void addSampling(QStringList& words, const RunInputs& inputs)
{
    const SamplerSettings& sampler = inputs.sampler;
    words << QStringLiteral("--max-tokens") << QString::number(inputs.max_tokens);
    words << QStringLiteral("--temperature") << number(sampler.temperature);
    if (sampler.top_k > 0) words << QStringLiteral("--top-k") << QString::number(sampler.top_k);
    if (sampler.top_p < 1) words << QStringLiteral("--top-p") << number(sampler.top_p);
    if (sampler.min_p > 0) words << QStringLiteral("--min-p") << number(sampler.min_p);
    if (sampler.repeat_penalty != 1) words << QStringLiteral("--repeat-penalty") << number(sampler.repeat_penalty);
    if (!inputs.stop_text.isEmpty()) words << QStringLiteral("--stop") << shellQuoted(inputs.stop_text);
    words << QStringLiteral("--seed") << QString::number(sampler.seed);
}

} // namespace

QString shellQuoted(const QString& text)
{
    return QLatin1Char('\'') + QString(text).replace(QLatin1Char('\''), QStringLiteral("'\\''")) + QLatin1Char('\'');
}

QString paneCommand(const PaneData& pane, const ModelInfo& model)
{
    if (!pane.hasText()) return {};
    const bool read = pane.inputs.mode == RunMode::Read;
    QStringList words{QStringLiteral("flextron"), read ? QStringLiteral("score") : QStringLiteral("generate"),
                      shellQuoted(pane.choice.source && !pane.choice.source->shares_weights
                                      ? pane.choice.source->file
                                      : QString::fromStdString(model.checkpoint->folder().string()))};
    if (pane.choice.source && pane.choice.source->shares_weights)
        words << QStringLiteral("--routers") << shellQuoted(pane.choice.source->file);
    if (read) {
        words << QStringLiteral("--text <(printf %s %1)").arg(shellQuoted(pane.inputs.prompt));
    } else if (pane.branch) {
        QStringList ids;
        for (int i = 0; i < pane.prompt_tokens; ++i)
            ids << QString::number(pane.trace.records[static_cast<std::size_t>(i)].id);
        words << QStringLiteral("--prompt-ids") << ids.join(QLatin1Char(','));
    } else {
        words << QStringLiteral("-p") << shellQuoted(pane.inputs.prompt);
    }
    addWidths(words, pane);
    if (!read) addSampling(words, pane.inputs);
    addPlace(words, model);
    return words.join(QLatin1Char(' '));
}

} // namespace flextron::ui
