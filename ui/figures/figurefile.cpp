#include "ui/figures/figurefile.h"

#include <cmath>

#include <QBuffer>
#include <QFileInfo>
#include <QJsonDocument>
#include <QPageSize>
#include <QPainter>
#include <QPdfWriter>
#include <QRegularExpression>
#include <QSvgGenerator>

#include "engine/base/files.h"
#include "engine/base/system.h"
#include "engine/base/version.h"

namespace flextron::ui {

namespace {

constexpr double kUnitsPerInch = 96;
constexpr double kMetersPerInch = 0.0254;
constexpr double kPictureDots = 300; // an inch

QSizeF sizeOf(const Figure& figure, double width_mm)
{
    const double width = width_mm * kUnitsPerMm;
    return {width, std::ceil(figure.height(width))};
}

QByteArray pngOf(const Figure& figure, double width_mm)
{
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    figureImage(figure, width_mm, kPictureDots).save(&buffer, "PNG");
    return bytes;
}

QByteArray svgOf(const Figure& figure, double width_mm)
{
    const QSizeF size = sizeOf(figure, width_mm);
    QByteArray bytes;
    QBuffer buffer(&bytes);
    QSvgGenerator generator;
    generator.setOutputDevice(&buffer);
    generator.setResolution(static_cast<int>(kUnitsPerInch));
    generator.setSize(size.toSize());
    generator.setViewBox(QRectF(QPointF(0, 0), size));
    generator.setTitle(figure.title);
    QPainter painter(&generator);
    painter.fillRect(QRectF(QPointF(0, 0), size), Qt::white);
    figure.paint(painter, size);
    painter.end();
    // The size in whole units is not the column's width, and a reader without this typeface needs one like it.
    QString svg = QString::fromUtf8(bytes);
    static const QRegularExpression lengths(QStringLiteral("<svg width=\"[^\"]*\" height=\"[^\"]*\""));
    svg.replace(lengths, QStringLiteral("<svg width=\"%1mm\" height=\"%2mm\"")
                             .arg(width_mm)
                             .arg(QString::number(size.height() / kUnitsPerMm, 'f', 3)));
    static const QRegularExpression families(QStringLiteral("font-family=\"([^\",]*)\""));
    svg.replace(families, QStringLiteral("font-family=\"\\1, Verdana, sans-serif\""));
    return svg.toUtf8();
}

QByteArray pdfOf(const Figure& figure, double width_mm)
{
    const QSizeF size = sizeOf(figure, width_mm);
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    QPdfWriter writer(&buffer);
    writer.setResolution(static_cast<int>(kUnitsPerInch));
    writer.setPageSize(QPageSize(size / kUnitsPerMm, QPageSize::Millimeter, {}, QPageSize::ExactMatch));
    writer.setPageMargins(QMarginsF(0, 0, 0, 0));
    writer.setTitle(figure.title);
    writer.setCreator(QStringLiteral("Flextron Explorer %1").arg(QLatin1String(version)));
    QPainter painter(&writer);
    figure.paint(painter, size);
    painter.end();
    return bytes;
}

Result<void> write(const QString& file, const QByteArray& bytes)
{
    return writeFile(file.toStdString(), std::string_view(bytes.constData(), static_cast<std::size_t>(bytes.size())));
}

QString beside(const QString& file, const QString& ending)
{
    const QFileInfo info(file);
    const QString folder = info.path() == QLatin1String(".") && !file.startsWith(QLatin1String("./"))
                               ? QString()
                               : info.path() + QLatin1Char('/');
    return folder + info.completeBaseName() + ending;
}

} // namespace

QImage figureImage(const Figure& figure, double width_mm, double dots_per_inch)
{
    const QSizeF size = sizeOf(figure, width_mm);
    const double scale = dots_per_inch / kUnitsPerInch;
    QImage image((size * scale).toSize(), QImage::Format_RGB32);
    image.fill(Qt::white);
    // Type is measured in figure units and enlarged with everything else.
    image.setDotsPerMeterX(static_cast<int>(std::lround(kUnitsPerInch / kMetersPerInch)));
    image.setDotsPerMeterY(image.dotsPerMeterX());
    QPainter painter(&image);
    painter.scale(scale, scale);
    figure.paint(painter, size);
    painter.end();
    image.setDotsPerMeterX(static_cast<int>(std::lround(dots_per_inch / kMetersPerInch)));
    image.setDotsPerMeterY(image.dotsPerMeterX());
    return image;
}

QJsonObject figureOrigin(const FigureSource& source, const QString& command)
{
    const Trace& trace = source.trace();
    QJsonObject origin{
        {QStringLiteral("command"), command},
        {QStringLiteral("trace_command"), QString::fromStdString(trace.command)},
        {QStringLiteral("model"), QString::fromStdString(trace.model)},
        {QStringLiteral("model_hash"), QString::fromStdString(trace.model_hash)},
        {QStringLiteral("backend"), QString::fromStdString(trace.backend)},
        {QStringLiteral("latency_table"), QString::fromStdString(trace.latency_table)},
        {QStringLiteral("pane"), QString::fromStdString(trace.label)},
        {QStringLiteral("routing"), QString::fromStdString(trace.routing)},
        {QStringLiteral("budget"), trace.budget},
        {QStringLiteral("subnet"), QString::fromStdString(trace.subnet)},
        // As text: the numbers of JSON do not hold all of it.
        {QStringLiteral("seed"), QString::number(trace.sampler.seed)},
        {QStringLiteral("layer"), source.layer},
    };
    if (source.chosenToken() >= 0) origin[QStringLiteral("token")] = source.chosenToken();
    return origin;
}

Result<QStringList> writeFigureFiles(const Figure& figure, const FigureFile& wanted, const QJsonObject& origin)
{
    return guarded([&] {
        const QString ending = QFileInfo(wanted.file).suffix().toLower();
        const bool svg = ending == QLatin1String("svg");
        const bool pdf = ending == QLatin1String("pdf");
        if (!svg && !pdf && ending != QLatin1String("png"))
            throw Failure(ErrorCode::InvalidArgument,
                          wanted.file.toStdString() + ": a figure is written as .svg, .pdf or .png",
                          "give the file one of these endings");
        QStringList written;
        if (wanted.with_data) {
            const QString csv = beside(wanted.file, QStringLiteral(".csv"));
            const QString json = beside(wanted.file, QStringLiteral(".json"));
            QJsonObject sidecar = origin;
            sidecar[QStringLiteral("figure")] = figure.view;
            sidecar[QStringLiteral("title")] = figure.title;
            sidecar[QStringLiteral("file")] = QFileInfo(wanted.file).fileName();
            sidecar[QStringLiteral("data")] = QFileInfo(csv).fileName();
            sidecar[QStringLiteral("width_mm")] = wanted.width_mm;
            sidecar[QStringLiteral("height_mm")] = sizeOf(figure, wanted.width_mm).height() / kUnitsPerMm;
            sidecar[QStringLiteral("version")] = QLatin1String(version);
            sidecar[QStringLiteral("made_at")] = QString::fromStdString(nowInUtc());
            write(csv, toCsv(figure.data)).orThrow();
            write(json, QJsonDocument(sidecar).toJson()).orThrow();
            written << csv << json;
        }
        const QByteArray bytes = svg   ? svgOf(figure, wanted.width_mm)
                                 : pdf ? pdfOf(figure, wanted.width_mm)
                                       : pngOf(figure, wanted.width_mm);
        write(wanted.file, bytes).orThrow();
        written.prepend(wanted.file);
        return written;
    });
}

} // namespace flextron::ui
