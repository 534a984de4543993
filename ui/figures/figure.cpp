#include "ui/figures/figure.h"

#include <array>
#include <charconv>
#include <cmath>

namespace flextron::ui {

QString figureNumber(double value)
{
    constexpr double kLargest = 1e15;
    constexpr double kSmallest = 1e-4;
    if (!std::isfinite(value)) return {};
    const double size = std::abs(value);
    // Left to itself the shortest form of 100000 is 1e+05.
    const bool fixed = size == 0 || (size >= kSmallest && size < kLargest);
    std::array<char, 64> text{};
    const auto end = fixed ? std::to_chars(text.begin(), text.end(), value, std::chars_format::fixed).ptr
                           : std::to_chars(text.begin(), text.end(), value).ptr;
    return QString::fromLatin1(text.data(), end - text.data());
}

QByteArray toCsv(const FigureData& data)
{
    QByteArray csv;
    const auto add = [&csv](const QStringList& row) {
        bool first = true;
        for (const QString& field : row) {
            if (!first) csv += ',';
            first = false;
            const bool quoted = field.contains(QLatin1Char(',')) || field.contains(QLatin1Char('"')) ||
                                field.contains(QLatin1Char('\n')) || field.contains(QLatin1Char('\r'));
            const QByteArray bytes = field.toUtf8();
            csv += quoted ? '"' + QByteArray(bytes).replace('"', "\"\"") + '"' : bytes;
        }
        csv += '\n';
    };
    add(data.columns);
    for (const QStringList& row : data.rows) add(row);
    return csv;
}

} // namespace flextron::ui
