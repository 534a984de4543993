#include "ui/jobs/convertplan.h"

#include <algorithm>
#include <cmath>

#include <QCoreApplication>
#include <QDir>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>

#include "engine/base/files.h"
#include "engine/model/checkpoint.h"
#include "ui/jobs/jobtext.h"
#include "ui/parts/format.h"

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(ConvertPlan)
};

constexpr std::int64_t kLeastTokens = 150'000; // a small model is through in a minute or two; routers take twenty steps
constexpr double kTokensAParameter = 0.25;     // where nobody knows what the base has read, as the program does
constexpr double kImportanceShare = 0.1;       // of a short conversion, the calibration is kept short as well
constexpr int kMostImportance = 128;           // sequences: the program's own choice

Error problem(const QString& what, const QString& hint)
{
    return {ErrorCode::InvalidArgument, what.toStdString(), hint.toStdString()};
}

QString nearestFolder(const QString& path)
{
    QString folder = QFileInfo(path).absolutePath();
    while (!QFileInfo::exists(folder) && folder != QDir::rootPath()) folder = QFileInfo(folder).absolutePath();
    return folder;
}

bool isEmptyOrMissing(const QString& path)
{
    const QFileInfo info(path);
    return !info.exists() || (info.isDir() && QDir(path).isEmpty());
}

bool isFree(const QString& out)
{
    return isEmptyOrMissing(out) && !QFileInfo::exists(out + QStringLiteral(".work")) &&
           !QFileInfo::exists(out + QStringLiteral(".run"));
}

std::optional<Error> textProblem(const QString& file)
{
    const QFileInfo info(file);
    if (!info.isFile() || !info.isReadable())
        return problem(Text::tr("%1 is no file that can be read.").arg(file),
                       Text::tr("Take it off the list, or choose another text."));
    if (info.size() == 0)
        return problem(Text::tr("%1 is empty.").arg(file), Text::tr("Take it off the list, or choose another text."));
    return std::nullopt;
}

std::optional<Error> outProblem(const QString& out)
{
    if (out.isEmpty())
        return problem(Text::tr("No folder is given for the result."), Text::tr("Name one that does not exist yet."));
    if (!isEmptyOrMissing(out))
        return problem(Text::tr("%1 is there already.").arg(out),
                       Text::tr("Name another folder: nothing is written over."));
    if (QFileInfo::exists(out + QStringLiteral(".work")))
        return problem(Text::tr("%1.work holds an interrupted conversion.").arg(out),
                       Text::tr("Go on with it (Model > Resume an Interrupted Conversion), or name another folder."));
    const QString folder = nearestFolder(out);
    if (!QFileInfo(folder).isDir() || !QFileInfo(folder).isWritable())
        return problem(Text::tr("%1 cannot be written to.").arg(folder),
                       Text::tr("Choose a folder of your own for the result."));
    return std::nullopt;
}

std::optional<Error> lengthProblem(const ConvertPlan& plan)
{
    if (plan.what == ConvertPlan::What::SortOnly || plan.trainingTokens() > 0) return std::nullopt;
    if (plan.by_share)
        return problem(Text::tr("It is not known how many tokens the base was trained on."),
                       Text::tr("Type how many (say 26.8M), or say how long in tokens."));
    return problem(Text::tr("No training tokens are given."), Text::tr("Type how many, say 2M."));
}

QString number(double value)
{
    return QLocale::c().toString(value, 'g', QLocale::FloatingPointShortest);
}

} // namespace

Result<BaseFacts> readBase(const QString& folder)
{
    const auto checkpoint = Checkpoint::open(folder.toStdString());
    if (!checkpoint.ok()) return checkpoint.error();
    const Checkpoint& base = **checkpoint;
    const auto& stages = base.record().stages;
    BaseFacts facts;
    facts.folder = folder;
    facts.name = QFileInfo(QDir::cleanPath(folder)).fileName();
    facts.parameters = base.parameters();
    facts.layers = base.config().numLayers();
    facts.context = base.config().max_position_embeddings;
    facts.base_training_tokens = base.record().base_training_tokens;
    facts.converted = std::any_of(stages.begin(), stages.end(),
                                  [](const auto& stage) { return stage.name == "elastic"; });
    return facts;
}

std::int64_t ConvertPlan::trainingTokens() const
{
    return by_share ? static_cast<std::int64_t>(share * static_cast<double>(base_tokens)) : tokens;
}

QString suggestedOut(const QString& base, ConvertPlan::What what)
{
    const QFileInfo info(QDir::cleanPath(base));
    const QString resources = QString::fromStdString(resourceFolder().string());
    const bool beside = QFileInfo(info.absolutePath()).isWritable() && !info.absoluteFilePath().startsWith(resources);
    const QString stem = QDir(beside ? info.absolutePath() : QDir::homePath())
                             .filePath(info.fileName() + (what == ConvertPlan::What::Whole
                                                              ? QStringLiteral("-elastic")
                                                              : QStringLiteral("-sorted")));
    QString out = stem;
    for (int again = 2; !isFree(out) && again < 1000; ++again) out = QStringLiteral("%1-%2").arg(stem).arg(again);
    return out;
}

ConvertPlan suggestedPlan(const BaseFacts& base, ConvertPlan::What what)
{
    ConvertPlan plan;
    plan.what = what;
    plan.base = base.folder;
    const QString text = QString::fromStdString((resourceFolder() / "corpus" / "tales.txt").string());
    if (QFileInfo::exists(text)) plan.texts.push_back({text, std::nullopt});
    plan.base_tokens = base.base_training_tokens;
    plan.by_share = plan.base_tokens > 0;
    plan.tokens = std::max(kLeastTokens,
                           static_cast<std::int64_t>(kTokensAParameter * static_cast<double>(base.parameters)));
    plan.out = suggestedOut(base.folder, what);
    return plan;
}

std::optional<Error> problemOf(const ConvertPlan& plan)
{
    if (plan.base.isEmpty())
        return problem(Text::tr("No model is chosen."), Text::tr("Choose the folder of the model to convert."));
    if (!QFileInfo::exists(plan.base + QStringLiteral("/config.json")))
        return problem(Text::tr("%1 is no model: it holds no config.json.").arg(plan.base),
                       Text::tr("Choose a folder in Hugging Face's layout."));
    if (plan.texts.empty())
        return problem(Text::tr("No text is given."),
                       Text::tr("Add one or more text files: the model is trained on them."));
    for (const ConvertText& text : plan.texts)
        if (auto found = textProblem(text.file)) return found;
    const auto shared = std::count_if(plan.texts.begin(), plan.texts.end(),
                                      [](const auto& text) { return text.share.has_value(); });
    if (shared != 0 && shared != std::ssize(plan.texts))
        return problem(Text::tr("Some texts have a share and some have none."),
                       Text::tr("Give every text a share, or none: then they are drawn by their sizes."));
    for (const QString& file : plan.validation)
        if (auto found = textProblem(file)) return found;
    if (auto found = lengthProblem(plan)) return found;
    return outProblem(plan.out);
}

QStringList convertArguments(const ConvertPlan& plan, int context)
{
    QStringList words{QStringLiteral("convert"), plan.base, QStringLiteral("--out"), plan.out,
                      QStringLiteral("--data")};
    QStringList shares;
    for (const ConvertText& text : plan.texts) {
        words << text.file;
        if (text.share) shares << number(*text.share);
    }
    const auto add = [&words](const char* name, const QString& value) { words << QLatin1String(name) << value; };
    if (!shares.isEmpty()) add("--shares", shares.join(QLatin1Char(',')));
    if (!plan.validation.isEmpty()) words << QStringLiteral("--validation") << plan.validation;
    if (plan.base_tokens > 0) add("--base-tokens", QString::number(plan.base_tokens));
    const int length = plan.sequence_length > 0 ? plan.sequence_length : std::max(1, context);
    int sequences = plan.importance_sequences;
    if (plan.what == ConvertPlan::What::SortOnly) {
        add("--stages", QStringLiteral("importance,permute"));
    } else {
        const std::int64_t tokens = plan.trainingTokens();
        add("--tokens", QString::number(tokens));
        if (sequences == 0)
            sequences = std::clamp(static_cast<int>(kImportanceShare * static_cast<double>(tokens) / length), 1,
                                   kMostImportance);
    }
    if (sequences > 0) add("--sequences", QString::number(sequences));
    if (plan.sequence_length > 0) add("--sequence-length", QString::number(plan.sequence_length));
    add("--batch", QString::number(plan.batch));
    if (plan.threads > 0) add("--threads", QString::number(plan.threads));
    if (plan.validate_every > 0) add("--validate-every", QString::number(plan.validate_every));
    add("--checkpoint-minutes", number(plan.checkpoint_minutes));
    add("--seed", QString::number(plan.seed));
    const auto list = [&](const char* name, const QString& text) {
        const QString bare = QString(text).remove(QLatin1Char(' '));
        if (!bare.isEmpty()) add(name, bare);
    };
    list("--choices-mlp", plan.mlp_choices);
    list("--choices-heads", plan.head_choices);
    list("--budgets", plan.budgets);
    return words << QStringLiteral("--json") << QStringLiteral("--progress-json");
}

std::optional<std::int64_t> parseTokenCount(const QString& text)
{
    QString digits = text.simplified().remove(QLatin1Char(' ')).toUpper();
    double unit = 1;
    for (const auto& [letter, size] :
         {std::pair('K', 1e3), std::pair('M', 1e6), std::pair('B', 1e9), std::pair('T', 1e12)}) {
        if (digits.endsWith(QLatin1Char(letter))) {
            unit = size;
            digits.chop(1);
            break;
        }
    }
    bool ok = false;
    double value = QLocale::c().toDouble(digits, &ok);
    if (!ok) value = QLocale().toDouble(digits, &ok);
    constexpr double kMost = 1e15;
    if (!ok || !(value * unit >= 1) || value * unit > kMost) return std::nullopt;
    return std::llround(value * unit);
}

double ConvertEstimate::seconds() const
{
    double sum = 0;
    for (const PlannedStage& stage : stages) sum += stage.seconds;
    return sum;
}

Result<ConvertEstimate> parseEstimate(const QByteArray& json)
{
    const QJsonObject object = QJsonDocument::fromJson(json).object();
    if (!object.contains(QLatin1String("fits")) || !object.value(QLatin1String("stages")).isArray())
        return Error{ErrorCode::Corrupt, Text::tr("the program's estimate could not be understood").toStdString(),
                     Text::tr("Explorer and flextron must be of the same version: install both again.").toStdString()};
    ConvertEstimate estimate;
    for (const QJsonValue& value : object.value(QLatin1String("stages")).toArray()) {
        const QJsonObject stage = value.toObject();
        estimate.stages.push_back(
            {stage.value(QLatin1String("name")).toString(), stage.value(QLatin1String("seconds")).toDouble()});
    }
    const auto bytes = [&object](const char* name) {
        return static_cast<std::int64_t>(object.value(QLatin1String(name)).toDouble());
    };
    estimate.memory_bytes = bytes("memory_bytes");
    estimate.available_memory_bytes = bytes("available_memory_bytes");
    estimate.disk_bytes = bytes("disk_bytes");
    estimate.available_disk_bytes = bytes("available_disk_bytes");
    estimate.fits = object.value(QLatin1String("fits")).toBool();
    for (const QJsonValue& value : object.value(QLatin1String("problems")).toArray())
        estimate.problems << value.toString();
    return estimate;
}

QString estimateText(const ConvertEstimate& estimate)
{
    QStringList stages;
    for (const PlannedStage& stage : estimate.stages)
        if (stage.seconds >= 0.5) stages << Text::tr("%1 %2").arg(stageName(stage.name), durationText(stage.seconds));
    const auto size = [](std::int64_t bytes) {
        return formatBytes(static_cast<std::uint64_t>(std::max<std::int64_t>(0, bytes)));
    };
    QString text = Text::tr("Time: about %1, from measured steps; reading the validation texts comes on top.")
                       .arg(durationText(estimate.seconds()));
    if (stages.size() > 1) text += QLatin1Char('\n') + Text::tr("Of it: %1.").arg(stages.join(QStringLiteral(", ")));
    text += QLatin1Char('\n') + Text::tr("Memory: %1 of the %2 that are free.")
                                    .arg(size(estimate.memory_bytes), size(estimate.available_memory_bytes));
    text += QLatin1Char('\n') + Text::tr("Disk: %1 of the %2 that are free.")
                                    .arg(size(estimate.disk_bytes), size(estimate.available_disk_bytes));
    for (const QString& found : estimate.problems) text += QLatin1Char('\n') + Text::tr("Does not fit: %1").arg(found);
    return text;
}

} // namespace flextron::ui
