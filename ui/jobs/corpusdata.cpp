#include "ui/jobs/corpusdata.h"

#include <algorithm>
#include <cmath>

#include <QCoreApplication>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>

#include "ui/parts/format.h"

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(CorpusReport)
};

constexpr int kMostLayers = 4096;
constexpr double kLeastP = 1e-3; // a smaller one is said to be below

[[noreturn]] void damaged(const char* field)
{
    throw Failure(ErrorCode::Corrupt,
                  std::string("corpus report: the field \"") + field + "\" is missing or no such thing",
                  "Make the report again with this version.");
}

double number(const QJsonObject& object, const char* field)
{
    const QJsonValue value = object.value(QLatin1String(field));
    if (!value.isDouble()) damaged(field);
    return value.toDouble();
}

QString text(const QJsonObject& object, const char* field)
{
    const QJsonValue value = object.value(QLatin1String(field));
    if (!value.isString()) damaged(field);
    return value.toString();
}

QJsonArray array(const QJsonObject& object, const char* field)
{
    const QJsonValue value = object.value(QLatin1String(field));
    if (!value.isArray()) damaged(field);
    return value.toArray();
}

CorpusRow readRow(const QJsonObject& object)
{
    CorpusRow row;
    row.text = text(object, "text");
    row.asked = number(object, "asked");
    row.layer = static_cast<int>(number(object, "layer"));
    if (row.layer < 0 || row.layer >= kMostLayers) damaged("layer");
    const QString block = text(object, "block");
    if (block != QLatin1String("mlp") && block != QLatin1String("heads")) damaged("block");
    row.block = block == QLatin1String("mlp") ? SubBlock::Mlp : SubBlock::Attention;
    for (const QJsonValue& value : array(object, "choices")) row.choices.push_back(value.toInt());
    for (const QJsonValue& value : array(object, "shares"))
        row.shares.push_back(std::clamp(value.toDouble(), 0.0, 1.0));
    if (row.choices.empty() || row.choices.size() != row.shares.size()) damaged("shares");
    row.entropy = number(object, "entropy_between_tokens");
    row.router_entropy = number(object, "router_entropy");
    row.margin = number(object, "margin");
    return row;
}

std::optional<CorpusControl> readControl(const QJsonObject& of, const char* name)
{
    const QJsonObject compared =
        of.value(QLatin1String(name)).toObject().value(QLatin1String("against_routers")).toObject();
    if (compared.isEmpty()) return std::nullopt;
    return CorpusControl{number(compared, "difference"), number(compared, "low"), number(compared, "high"),
                         number(compared, "p")};
}

void readStop(const QJsonObject& object, std::vector<CorpusStop>& stops)
{
    for (const bool dynamic : {true, false}) {
        const QJsonObject use = object.value(dynamic ? QLatin1String("dynamic") : QLatin1String("static")).toObject();
        if (use.isEmpty()) continue;
        CorpusStop stop;
        stop.text = text(object, "text");
        stop.asked = number(object, "asked");
        stop.dynamic = dynamic;
        stop.cost = number(use, "cost");
        stop.loss = number(use, "nll");
        stop.standard_error = use.value(QLatin1String("stderr")).toDouble();
        stop.uniform = readControl(use, "uniform");
        stop.shuffled = readControl(use, "shuffled");
        const QJsonValue uses = use.value(QLatin1String("uses_its_input"));
        if (uses.isBool()) stop.uses_its_input = uses.toBool();
        stops.push_back(stop);
    }
}

CorpusSide readSide(const QJsonObject& object)
{
    CorpusSide side;
    side.routers = text(object, "routers");
    side.cost_basis = text(object, "cost_basis");
    for (const QJsonValue& row : array(object, "rows")) side.rows.push_back(readRow(row.toObject()));
    for (const QJsonValue& stop : array(object, "stops")) readStop(stop.toObject(), side.stops);
    for (const QJsonValue& verdict : array(object, "verdicts")) side.verdicts << verdict.toString();
    return side;
}

CorpusCompared readCompared(const QJsonObject& object)
{
    CorpusCompared compared;
    compared.text = text(object, "text");
    compared.asked = number(object, "asked");
    const QJsonArray costs = array(object, "cost");
    if (costs.size() != 2) damaged("cost");
    compared.costs[0] = costs[0].toDouble();
    compared.costs[1] = costs[1].toDouble();
    const QJsonObject against = object.value(QLatin1String("second_less_first")).toObject();
    compared.second_less_first = {number(against, "difference"), number(against, "low"), number(against, "high"),
                                  number(against, "p")};
    return compared;
}

QString quoted(QString field)
{
    if (!field.contains(QLatin1Char(',')) && !field.contains(QLatin1Char('"')) && !field.contains(QLatin1Char('\n')))
        return field;
    return QLatin1Char('"') + field.replace(QLatin1Char('"'), QStringLiteral("\"\"")) + QLatin1Char('"');
}

QString plain(double value)
{
    return QLocale::c().toString(value, 'g', QLocale::FloatingPointShortest);
}

} // namespace

Result<CorpusReport> parseCorpusReport(const QByteArray& json)
{
    return guarded([&] {
        const QJsonDocument document = QJsonDocument::fromJson(json);
        if (!document.isObject())
            throw Failure(ErrorCode::Corrupt, "corpus report: this is no JSON object", "Make the report again.");
        const QJsonObject object = document.object();
        CorpusReport report;
        report.json = json;
        report.model = text(object.value(QLatin1String("model")).toObject(), "name");
        report.sides.push_back(readSide(object));
        if (object.contains(QLatin1String("other"))) {
            report.sides.push_back(readSide(object.value(QLatin1String("other")).toObject()));
            for (const QJsonValue& row : array(object, "compared"))
                report.compared.push_back(readCompared(row.toObject()));
        }
        return report;
    });
}

QString toCsv(const CorpusReport& report)
{
    std::size_t most = 0;
    for (const CorpusSide& side : report.sides)
        for (const CorpusRow& row : side.rows) most = std::max(most, row.choices.size());
    QStringList header{QStringLiteral("routers"), QStringLiteral("text"), QStringLiteral("asked"),
                       QStringLiteral("layer"), QStringLiteral("block")};
    for (std::size_t i = 1; i <= most; ++i)
        header << QStringLiteral("choice_%1").arg(i) << QStringLiteral("share_%1").arg(i);
    header << QStringLiteral("entropy_between_tokens") << QStringLiteral("router_entropy") << QStringLiteral("margin");
    QString csv = header.join(QLatin1Char(',')) + QLatin1Char('\n');
    for (const CorpusSide& side : report.sides) {
        for (const CorpusRow& row : side.rows) {
            QStringList fields{quoted(side.routers), quoted(row.text), plain(row.asked), QString::number(row.layer),
                               row.block == SubBlock::Mlp ? QStringLiteral("mlp") : QStringLiteral("heads")};
            for (std::size_t i = 0; i < most; ++i) {
                const bool there = i < row.choices.size();
                fields << (there ? QString::number(row.choices[i]) : QString())
                       << (there ? plain(row.shares[i]) : QString());
            }
            fields << plain(row.entropy) << plain(row.router_entropy) << plain(row.margin);
            csv += fields.join(QLatin1Char(',')) + QLatin1Char('\n');
        }
    }
    return csv;
}

std::vector<std::pair<QString, double>> placesOf(const CorpusSide& side)
{
    std::vector<std::pair<QString, double>> places;
    for (const CorpusRow& row : side.rows) {
        const std::pair place(row.text, row.asked);
        if (std::find(places.begin(), places.end(), place) == places.end()) places.push_back(place);
    }
    return places;
}

std::vector<CorpusRow> rowsAt(const CorpusSide& side, const QString& text, double asked)
{
    std::vector<CorpusRow> rows;
    std::copy_if(side.rows.begin(), side.rows.end(), std::back_inserter(rows),
                 [&](const CorpusRow& row) { return row.text == text && row.asked == asked; });
    return rows;
}

QString controlText(const CorpusControl& control)
{
    const QLocale locale;
    const QString sign = control.difference < 0 ? QString() : QStringLiteral("+");
    const QString p = control.p < kLeastP ? Text::tr("p < %1").arg(locale.toString(kLeastP))
                                          : Text::tr("p = %1").arg(locale.toString(control.p, 'f', 3));
    return Text::tr("%1%2 (%3)").arg(sign, locale.toString(control.difference, 'f', 4), p);
}

QString stopName(const QString& text, double asked)
{
    return Text::tr("%1 at %2").arg(text, formatShare(asked));
}

} // namespace flextron::ui
