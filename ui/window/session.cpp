#include "ui/window/session.h"

#include <cmath>

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

#include "engine/base/files.h"
#include "ui/service/panesource.h"

namespace flextron::ui {

namespace {

constexpr std::uint64_t kMostBytes = 16u << 20;
constexpr std::array kKinds{std::pair(Target::Kind::Full, "full"),
                            std::pair(Target::Kind::Budget, "budget"),
                            std::pair(Target::Kind::LatencyMs, "latency_ms"),
                            std::pair(Target::Kind::Parameters, "parameters"),
                            std::pair(Target::Kind::Quality, "quality"),
                            std::pair(Target::Kind::Explicit, "subnet")};
constexpr const char* kFlopsKind = "flops"; // a budget that is counted in FLOPs

/// Fields of one object, each checked; a failure names the file and the way to the field.
class Reader {
public:
    Reader(QJsonObject object, QString where) : object_(std::move(object)), where_(std::move(where)) {}

    /// What messages begin with.
    [[nodiscard]] const QString& where() const { return where_; }

    [[noreturn]] void fail(const QString& field, const QString& expected) const
    {
        throw Failure(ErrorCode::Corrupt,
                      QStringLiteral("%1%2: expected %3").arg(where_, field, expected).toStdString(),
                      "The file was changed or damaged. Open another session, or mend this field by hand.");
    }
    [[nodiscard]] QString text(const QString& field) const
    {
        if (!object_.value(field).isString()) fail(field, QStringLiteral("a text"));
        return object_.value(field).toString();
    }
    /// A text, or a list of its lines.
    [[nodiscard]] QString lines(const QString& field) const
    {
        if (!object_.value(field).isArray()) return text(field);
        QStringList found;
        for (const QJsonValue& line : array(field)) {
            if (!line.isString()) fail(field, QStringLiteral("a text or a list of lines"));
            found << line.toString();
        }
        return found.join(QLatin1Char('\n'));
    }
    [[nodiscard]] double number(const QString& field, double low, double high) const
    {
        const QJsonValue value = object_.value(field);
        if (!value.isDouble() || !(value.toDouble() >= low && value.toDouble() <= high))
            fail(field, QStringLiteral("a number from %1 to %2").arg(low).arg(high));
        return value.toDouble();
    }
    [[nodiscard]] int whole(const QString& field, int low, int high) const
    {
        const double value = number(field, low, high);
        if (value != std::floor(value)) fail(field, QStringLiteral("a whole number"));
        return static_cast<int>(value);
    }
    [[nodiscard]] bool flag(const QString& field) const
    {
        if (!object_.value(field).isBool()) fail(field, QStringLiteral("true or false"));
        return object_.value(field).toBool();
    }
    [[nodiscard]] Reader object(const QString& field) const
    {
        if (!object_.value(field).isObject()) fail(field, QStringLiteral("an object"));
        return {object_.value(field).toObject(), where_ + field + QLatin1Char('.')};
    }
    [[nodiscard]] QJsonArray array(const QString& field) const
    {
        if (!object_.value(field).isArray()) fail(field, QStringLiteral("a list"));
        return object_.value(field).toArray();
    }
    [[nodiscard]] Reader entry(const QString& field, const QJsonValue& value) const
    {
        if (!value.isObject()) fail(field, QStringLiteral("objects"));
        return {value.toObject(), where_ + field + QLatin1Char('.')};
    }
    [[nodiscard]] std::vector<int> numbers(const QString& field) const
    {
        std::vector<int> found;
        for (const QJsonValue& value : array(field)) {
            if (!value.isDouble() || value.toInt(-1) < 0) fail(field, QStringLiteral("numbers from 0 on"));
            found.push_back(value.toInt());
        }
        return found;
    }
    [[nodiscard]] const QJsonObject& all() const { return object_; }

private:
    QJsonObject object_;
    QString where_;
};

QJsonObject choiceObject(const SavedChoice& choice)
{
    QJsonObject object{{QStringLiteral("kind"), choice.kind},
                       {QStringLiteral("value"), choice.value},
                       {QStringLiteral("routing"), choice.routing}};
    if (!choice.subnet.isEmpty()) object.insert(QStringLiteral("subnet"), choice.subnet);
    if (!choice.overrides.isEmpty()) object.insert(QStringLiteral("overrides"), choice.overrides);
    if (!choice.source.isEmpty()) object.insert(QStringLiteral("source"), choice.source);
    return object;
}

SavedChoice readChoice(const Reader& reader)
{
    SavedChoice choice;
    choice.kind = reader.text(QStringLiteral("kind"));
    const bool known = choice.kind == QLatin1String(kFlopsKind) ||
                       std::any_of(kKinds.begin(), kKinds.end(),
                                   [&](const auto& kind) { return choice.kind == QLatin1String(kind.second); });
    if (!known) reader.fail(QStringLiteral("kind"), QStringLiteral("a kind of target, found “%1”").arg(choice.kind));
    choice.value = reader.number(QStringLiteral("value"), 0, 1e15);
    choice.routing = reader.text(QStringLiteral("routing"));
    if (!choice.routing.isEmpty() && !parseRouting(choice.routing.toStdString()).ok())
        reader.fail(QStringLiteral("routing"), QStringLiteral("dynamic, static or uniform"));
    if (choice.kind == QLatin1String("subnet")) choice.subnet = reader.text(QStringLiteral("subnet"));
    if (reader.all().contains(QStringLiteral("overrides"))) choice.overrides = reader.text(QStringLiteral("overrides"));
    if (reader.all().contains(QStringLiteral("source"))) choice.source = reader.text(QStringLiteral("source"));
    return choice;
}

QJsonArray idArray(const std::vector<int>& ids)
{
    QJsonArray array;
    for (const int id : ids) array.append(id);
    return array;
}

QJsonObject samplingObject(const RunInputs& inputs)
{
    const SamplerSettings& sampler = inputs.sampler;
    return {{QStringLiteral("seed"), QString::number(sampler.seed)}, // a JSON number holds 53 bits only
            {QStringLiteral("temperature"), sampler.temperature},
            {QStringLiteral("top_k"), sampler.top_k},
            {QStringLiteral("top_p"), sampler.top_p},
            {QStringLiteral("min_p"), sampler.min_p},
            {QStringLiteral("repeat_penalty"), sampler.repeat_penalty},
            {QStringLiteral("max_tokens"), inputs.max_tokens},
            {QStringLiteral("stop_text"), inputs.stop_text}};
}

RunInputs readSampling(const Reader& reader)
{
    RunInputs inputs;
    bool ok = false;
    inputs.sampler.seed = reader.text(QStringLiteral("seed")).toULongLong(&ok);
    if (!ok) reader.fail(QStringLiteral("seed"), QStringLiteral("a whole number as a text"));
    inputs.sampler.temperature = reader.number(QStringLiteral("temperature"), 0, 100);
    inputs.sampler.top_k = reader.whole(QStringLiteral("top_k"), 0, 1'000'000);
    inputs.sampler.top_p = reader.number(QStringLiteral("top_p"), 0, 1);
    inputs.sampler.min_p = reader.number(QStringLiteral("min_p"), 0, 1);
    inputs.sampler.repeat_penalty = reader.number(QStringLiteral("repeat_penalty"), 0, 1e6);
    const auto valid = validateSampler(inputs.sampler);
    if (!valid.ok()) reader.fail(QString(), QString::fromStdString(valid.error().message));
    inputs.max_tokens = reader.whole(QStringLiteral("max_tokens"), 1, 1'000'000);
    inputs.stop_text = reader.text(QStringLiteral("stop_text"));
    return inputs;
}

std::vector<SavedPin> readPins(const Reader& reader)
{
    std::vector<SavedPin> pins;
    for (const QJsonValue& value : reader.array(QStringLiteral("pins"))) {
        const Reader entry = reader.entry(QStringLiteral("pins"), value);
        SavedPin pin;
        pin.slot = kPinSlots.at(
            static_cast<std::size_t>(entry.whole(QStringLiteral("place"), 0, static_cast<int>(kPinSlots.size()) - 1)));
        if (!pins.empty() && pin.slot <= pins.back().slot)
            entry.fail(QStringLiteral("place"), QStringLiteral("ascending places"));
        pin.name = entry.text(QStringLiteral("name"));
        pin.choice = readChoice(entry.object(QStringLiteral("target")));
        pin.branch = entry.numbers(QStringLiteral("branch"));
        pins.push_back(std::move(pin));
    }
    return pins;
}

Session readSessionObject(const Reader& reader)
{
    const QString format = QStringLiteral("flextron_session");
    const int version = reader.whole(format, 1, 1'000'000);
    if (version > Session::kFormatVersion) {
        throw Failure(ErrorCode::Unsupported,
                      reader.where().toStdString() + "the session is of version " + std::to_string(version) +
                          "; this program reads up to " + std::to_string(Session::kFormatVersion),
                      "Open it with the newer program that wrote it.");
    }
    Session session;
    const Reader model = reader.object(QStringLiteral("model"));
    session.model_name = model.text(QStringLiteral("name"));
    session.model_folder = model.text(QStringLiteral("folder"));
    session.settings = readSampling(reader.object(QStringLiteral("sampling")));
    session.prompt = reader.text(QStringLiteral("prompt"));
    session.settings.mode = reader.flag(QStringLiteral("read")) ? RunMode::Read : RunMode::Write;
    session.ran = reader.flag(QStringLiteral("ran"));
    session.live = readChoice(reader.object(QStringLiteral("target")));
    session.pins = readPins(reader);
    const Reader selection = reader.object(QStringLiteral("selection"));
    session.selection.pane = static_cast<PaneSlot>(selection.whole(QStringLiteral("pane"), 0, kPaneSlots - 1));
    session.selection.primary = selection.whole(QStringLiteral("token"), -1, 1'000'000'000);
    session.selection.layer = selection.whole(QStringLiteral("layer"), -1, 1'000'000);
    session.pace = reader.text(QStringLiteral("pace"));
    session.notes = reader.lines(QStringLiteral("notes"));
    if (reader.all().contains(QStringLiteral("corpus_report")))
        session.corpus_report = reader.text(QStringLiteral("corpus_report")).toUtf8();
    session.geometry = QByteArray::fromBase64(reader.text(QStringLiteral("geometry")).toLatin1());
    session.layout = QByteArray::fromBase64(reader.text(QStringLiteral("layout")).toLatin1());
    const QJsonObject boxes = reader.object(QStringLiteral("boxes")).all();
    for (auto box = boxes.begin(); box != boxes.end(); ++box) session.boxes[box.key()] = box.value().toInt(-1);
    return session;
}

} // namespace

SavedChoice saveChoice(const PaneChoice& choice)
{
    SavedChoice saved;
    for (const auto& [kind, name] : kKinds) {
        if (kind == choice.target.kind) saved.kind = QLatin1String(name);
    }
    if (choice.target.by_flops) saved.kind = QLatin1String(kFlopsKind);
    saved.value = choice.target.value;
    if (choice.target.kind == Target::Kind::Explicit)
        saved.subnet = QString::fromStdString(toString(choice.target.subnet));
    if (choice.target.routing) {
        const std::string_view name = routingName(*choice.target.routing);
        saved.routing = QString::fromLatin1(name.data(), static_cast<qsizetype>(name.size()));
    }
    if (choice.overrides && !choice.overrides->empty())
        saved.overrides = QString::fromStdString(toJson(*choice.overrides));
    if (choice.source) saved.source = choice.source->file;
    return saved;
}

Result<PaneChoice> openChoice(const SavedChoice& saved, const ModelConfig& config)
{
    return guarded([&] {
        PaneChoice choice;
        for (const auto& [kind, name] : kKinds) {
            if (saved.kind == QLatin1String(name)) choice.target.kind = kind;
        }
        choice.target.by_flops = saved.kind == QLatin1String(kFlopsKind);
        if (choice.target.by_flops) choice.target.kind = Target::Kind::Budget;
        choice.target.value = saved.value;
        if (choice.target.kind == Target::Kind::Explicit)
            choice.target.subnet = parseSubNetwork(saved.subnet.toStdString(), config).orThrow();
        if (!saved.routing.isEmpty()) choice.target.routing = parseRouting(saved.routing.toStdString()).orThrow();
        if (!saved.overrides.isEmpty()) {
            choice.overrides = std::make_shared<const Overrides>(
                parseOverrides(saved.overrides.toStdString(), config).orThrow());
        }
        return choice;
    });
}

QByteArray toJson(const Session& session)
{
    QJsonArray pins;
    for (const SavedPin& pin : session.pins) {
        pins.append(QJsonObject{
            {QStringLiteral("place"), static_cast<int>(pin.slot) - static_cast<int>(PaneSlot::PinA)},
            {QStringLiteral("name"), pin.name},
            {QStringLiteral("target"), choiceObject(pin.choice)},
            {QStringLiteral("branch"), idArray(pin.branch)},
        });
    }
    QJsonObject boxes;
    for (const auto& [name, index] : session.boxes) boxes.insert(name, index);
    QJsonObject object{
        {QStringLiteral("flextron_session"), Session::kFormatVersion},
        {QStringLiteral("model"),
         QJsonObject{{QStringLiteral("name"), session.model_name}, {QStringLiteral("folder"), session.model_folder}}},
        {QStringLiteral("prompt"), session.prompt},
        {QStringLiteral("sampling"), samplingObject(session.settings)},
        {QStringLiteral("read"), session.settings.mode == RunMode::Read},
        {QStringLiteral("ran"), session.ran},
        {QStringLiteral("target"), choiceObject(session.live)},
        {QStringLiteral("pins"), pins},
        {QStringLiteral("selection"), QJsonObject{{QStringLiteral("pane"), static_cast<int>(session.selection.pane)},
                                                  {QStringLiteral("token"), session.selection.primary},
                                                  {QStringLiteral("layer"), session.selection.layer}}},
        {QStringLiteral("pace"), session.pace},
        {QStringLiteral("notes"), session.notes},
        {QStringLiteral("geometry"), QString::fromLatin1(session.geometry.toBase64())},
        {QStringLiteral("layout"), QString::fromLatin1(session.layout.toBase64())},
        {QStringLiteral("boxes"), boxes},
    };
    if (!session.corpus_report.isEmpty())
        object.insert(QStringLiteral("corpus_report"), QString::fromUtf8(session.corpus_report));
    return QJsonDocument(object).toJson(QJsonDocument::Indented);
}

Result<Session> parseSession(const QByteArray& json, const QString& file)
{
    return guarded([&] {
        QJsonParseError problem;
        const QJsonDocument document = QJsonDocument::fromJson(json, &problem);
        if (!document.isObject()) {
            const QString what = problem.error == QJsonParseError::NoError
                                     ? QStringLiteral("it holds no JSON object")
                                     : QStringLiteral("%1 at byte %2").arg(problem.errorString()).arg(problem.offset);
            throw Failure(ErrorCode::Corrupt,
                          QStringLiteral("%1: this is no session: %2").arg(file, what).toStdString(),
                          "Open a file that was written by File > Save Session.");
        }
        return readSessionObject({document.object(), file + QStringLiteral(": ")});
    });
}

Result<void> writeSession(const QString& file, const Session& session)
{
    return writeFile(file.toStdString(), toJson(session).toStdString());
}

Result<Session> readSession(const QString& file)
{
    const auto text = readFile(file.toStdString(), kMostBytes);
    if (!text.ok()) return text.error();
    return parseSession(QByteArray::fromStdString(*text), file);
}

} // namespace flextron::ui
