#include "ui/data/tokendata.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <QCoreApplication>
#include <QLocale>

#include "ui/data/routerdata.h"

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Tokens)
};

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kMsPerNs = 1e-6;
constexpr double kSurprisalEnd = 8.0;  // nats: a probability of 0.0003
constexpr double kDifferenceEnd = 2.0; // nats: 7 times less probable

double meanShare(const TokenSource& source, int token)
{
    double sum = 0;
    for (int layer = 0; layer < source.trace->layers; ++layer)
        sum += cellValue(*source.trace, token, layer, Quantity::ComputeShare, source.shares);
    return source.trace->layers > 0 ? sum / source.trace->layers : kNaN;
}

} // namespace

double tokenValue(const TokenSource& source, int token, TokenQuantity quantity)
{
    if (source.trace == nullptr || token < 0 || token >= static_cast<int>(source.trace->records.size())) return kNaN;
    const TokenRecord& record = source.trace->records[static_cast<std::size_t>(token)];
    const double logprob = token == 0 ? kNaN : record.logprob;
    switch (quantity) {
    case TokenQuantity::Probability: return std::exp(logprob);
    case TokenQuantity::Surprisal: return -logprob;
    case TokenQuantity::LossDifference:
        if (token == 0 || source.baseline.trace == nullptr || token >= source.baseline.common ||
            token >= static_cast<int>(source.baseline.trace->records.size()))
            return kNaN;
        return source.baseline.trace->records[static_cast<std::size_t>(token)].logprob - logprob;
    case TokenQuantity::Compute: return record.read ? meanShare(source, token) : kNaN;
    case TokenQuantity::Milliseconds: return record.read ? record.ns * kMsPerNs : kNaN;
    case TokenQuantity::Margin: return smallestMargin(*source.trace, token);
    }
    return kNaN;
}

QString tokenQuantityName(TokenQuantity quantity)
{
    switch (quantity) {
    case TokenQuantity::Probability: return Text::tr("Probability");
    case TokenQuantity::Surprisal: return Text::tr("Surprisal (nats)");
    case TokenQuantity::LossDifference: return Text::tr("Loss difference to full (nats)");
    case TokenQuantity::Compute: return Text::tr("Compute (% of full)");
    case TokenQuantity::Milliseconds: return Text::tr("Time (ms)");
    case TokenQuantity::Margin: return Text::tr("Smallest margin");
    }
    return {};
}

QString tokenValueText(double value, TokenQuantity quantity)
{
    if (std::isnan(value)) return QStringLiteral("–");
    const QLocale locale;
    switch (quantity) {
    case TokenQuantity::Probability: return locale.toString(value, 'f', value < 0.001 ? 5 : 3);
    case TokenQuantity::Surprisal: return locale.toString(value, 'f', 2);
    case TokenQuantity::LossDifference:
        return (value > 0 ? QStringLiteral("+") : QString()) + locale.toString(value, 'f', 3);
    case TokenQuantity::Compute: return Text::tr("%1 %").arg(locale.toString(100 * value, 'f', 0));
    case TokenQuantity::Milliseconds: return locale.toString(value, 'f', 3);
    case TokenQuantity::Margin: return locale.toString(value, 'f', 3);
    }
    return {};
}

TokenScale tokenScale(const TokenSource& source, TokenQuantity quantity)
{
    switch (quantity) {
    case TokenQuantity::Surprisal: return {ColorMap::Sequential, {0, kSurprisalEnd}};
    case TokenQuantity::LossDifference: return {ColorMap::Diverging, {-kDifferenceEnd, kDifferenceEnd}};
    case TokenQuantity::Probability:
    case TokenQuantity::Compute:
    case TokenQuantity::Margin: return {ColorMap::Sequential, {0, 1}};
    case TokenQuantity::Milliseconds: break;
    }
    double high = 0;
    for (const TokenRecord& record : source.trace->records) high = std::max(high, record.ns * kMsPerNs);
    return {ColorMap::Sequential, {0, high > 0 ? high : 1}};
}

} // namespace flextron::ui
