#include "ui/parts/format.h"

#include <algorithm>
#include <cmath>

#include <QCoreApplication>
#include <QDateTime>
#include <QLocale>
#include <QStringDecoder>

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Format)
};

QString widthRange(const std::vector<int>& widths)
{
    const auto [low, high] = std::minmax_element(widths.begin(), widths.end());
    if (low == widths.end()) return QStringLiteral("0");
    const QLocale locale;
    return *low == *high ? locale.toString(*low)
                         : Text::tr("%1 to %2").arg(locale.toString(*low), locale.toString(*high));
}

} // namespace

QString formatCount(std::int64_t count)
{
    const QLocale locale;
    const auto value = static_cast<double>(count);
    if (count >= 1'000'000'000) return Text::tr("%1 B").arg(locale.toString(value / 1e9, 'f', 2));
    if (count >= 1'000'000)
        return Text::tr("%1 M").arg(locale.toString(value / 1e6, 'f', count >= 100'000'000 ? 0 : 1));
    if (count >= 10'000) return Text::tr("%1 K").arg(locale.toString(value / 1e3, 'f', 0));
    return locale.toString(static_cast<qlonglong>(count));
}

QString formatBytes(std::uint64_t bytes)
{
    return QLocale().formattedDataSize(static_cast<qint64>(bytes), bytes < 10'240 ? 0 : 1);
}

QString formatTokens(std::int64_t count)
{
    return count == 1 ? Text::tr("1 token")
                      : Text::tr("%1 tokens").arg(QLocale().toString(static_cast<qlonglong>(count)));
}

QString formatShare(double share)
{
    return QLocale().toString(share, 'f', 2);
}

QString formatRise(double nats)
{
    const QLocale locale;
    const auto with_sign = [&locale](double value, int decimals) {
        const QString number = locale.toString(std::abs(value), 'f', decimals);
        return value < 0 ? QStringLiteral("−") + number : QLatin1Char('+') + number;
    };
    if (nats == 0) return Text::tr("as the full model");
    constexpr double kPercent = 100;
    const double percent = kPercent * std::expm1(nats);
    return Text::tr("%1 nats, %2 % perplexity")
        .arg(with_sign(nats, std::abs(nats) < 0.0995 ? 3 : 2), with_sign(percent, std::abs(percent) < 9.5 ? 1 : 0));
}

QString formatMs(double ms)
{
    return Text::tr("%1 ms").arg(QLocale().toString(ms, 'f', ms < 10 ? 2 : ms < 100 ? 1 : 0));
}

QString formatMoment(const std::string& utc)
{
    const QString text = QString::fromStdString(utc);
    const QDateTime moment = QDateTime::fromString(text, Qt::ISODate);
    return moment.isValid() ? QLocale().toString(moment.toLocalTime(), QLocale::ShortFormat) : text;
}

QString formatCostShare(double share, bool from_table)
{
    return (from_table ? Text::tr("%1 of full ms") : Text::tr("%1 of full FLOPs")).arg(formatShare(share));
}

QString formatWidths(const SubNetwork& subnet, const ModelConfig& config)
{
    const LayerSizes full = config.maxSizes();
    return formatWidths(subnet, full.intermediate_size, full.num_attention_heads);
}

QString formatWidths(const SubNetwork& subnet, int full_mlp, int full_heads)
{
    const QLocale locale;
    return Text::tr("%1 of %2 neurons, %3 of %4 heads")
        .arg(widthRange(subnet.mlp), locale.toString(full_mlp), widthRange(subnet.heads), locale.toString(full_heads));
}

QString formatError(const Error& error)
{
    const QString message = QString::fromStdString(error.message);
    QString hint = QString::fromStdString(error.hint);
    if (hint.isEmpty()) return message;
    hint[0] = hint[0].toUpper();
    return message + QLatin1Char('\n') + hint;
}

QString formatToken(const std::string& bytes)
{
    QStringDecoder decoder(QStringDecoder::Utf8, QStringDecoder::Flag::Stateless);
    QString text = decoder.decode(QByteArrayView(bytes.data(), static_cast<qsizetype>(bytes.size())));
    if (decoder.hasError()) {
        return QString::fromLatin1(
            QByteArray::fromRawData(bytes.data(), static_cast<qsizetype>(bytes.size())).toHex(' '));
    }
    if (text.isEmpty()) return Text::tr("(no text)");
    text.replace(QLatin1Char('\n'), QStringLiteral("↵")).replace(QLatin1Char('\t'), QStringLiteral("⇥"));
    return QStringLiteral("“%1”").arg(text.replace(QLatin1Char(' '), QStringLiteral("␣")));
}

} // namespace flextron::ui
