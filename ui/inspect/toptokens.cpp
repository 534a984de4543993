#include "ui/inspect/toptokens.h"

#include <algorithm>
#include <cmath>

#include <QFont>
#include <QLocale>

#include "ui/parts/format.h"

namespace flextron::ui {

namespace {

QString probabilityText(double logprob)
{
    const double percent = 100 * std::exp(logprob);
    return TopTokensModel::tr("%1 %").arg(QLocale().toString(percent, 'f', percent < 1 ? 3 : 1));
}

QString bytesText(const std::optional<std::string>& bytes)
{
    if (!bytes) return QStringLiteral("–");
    return QString::fromLatin1(QByteArray(bytes->data(), static_cast<qsizetype>(bytes->size())).toHex(' '));
}

} // namespace

std::vector<TopToken> topTokensOf(const TokenRecord& record, const TokenRecord* baseline, const Tokenizer* tokenizer)
{
    std::vector<TopToken> tokens;
    const auto add = [&](int rank, TokenId id, float logprob) {
        TopToken token;
        token.rank = rank;
        token.id = id;
        token.logprob = logprob;
        token.chosen = id == record.id;
        if (token.chosen) token.bytes = record.bytes;
        else if (tokenizer != nullptr && id >= 0 && id < tokenizer->vocabSize())
            token.bytes = tokenizer->tokenBytes(id);
        if (baseline != nullptr) {
            const auto found = std::find_if(baseline->top.begin(), baseline->top.end(),
                                            [id](const TokenProbability& other) { return other.id == id; });
            if (found != baseline->top.end()) token.baseline_logprob = found->logprob;
            else if (id == baseline->id) token.baseline_logprob = baseline->logprob;
        }
        tokens.push_back(token);
    };
    for (std::size_t i = 0; i < record.top.size(); ++i)
        add(static_cast<int>(i), record.top[i].id, record.top[i].logprob);
    const bool listed = std::any_of(tokens.begin(), tokens.end(), [](const TopToken& token) { return token.chosen; });
    if (!listed && record.rank >= 0) add(record.rank, record.id, record.logprob);
    return tokens;
}

void TopTokensModel::setTokens(std::vector<TopToken> tokens)
{
    beginResetModel();
    tokens_ = std::move(tokens);
    endResetModel();
}

int TopTokensModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(tokens_.size());
}

int TopTokensModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : Columns;
}

QVariant TopTokensModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid()) return {};
    const TopToken& token = tokens_[static_cast<std::size_t>(index.row())];
    if (role == Qt::FontRole && token.chosen) {
        QFont font;
        font.setBold(true);
        return font;
    }
    if (role == Qt::TextAlignmentRole) {
        const bool left = index.column() == Token || index.column() == Bytes;
        return QVariant((left ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    }
    if (role == Qt::ToolTipRole && token.chosen) return tr("The token of this text");
    if (role != Qt::DisplayRole) return {};
    switch (index.column()) {
    case Rank: return QLocale().toString(token.rank);
    case Token: return token.bytes ? formatToken(*token.bytes) : QStringLiteral("–");
    case Probability: return probabilityText(token.logprob);
    case LogProbability: return QLocale().toString(token.logprob, 'f', 3);
    case Full: return token.baseline_logprob ? probabilityText(*token.baseline_logprob) : QStringLiteral("–");
    case Id: return QLocale().toString(token.id);
    case Bytes: return bytesText(token.bytes);
    default: return {};
    }
}

QVariant TopTokensModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::ToolTipRole && section == Full)
        return tr("The full model's probability at the same place of the same text; – where it did not list the token");
    if (role == Qt::ToolTipRole && section == Rank) return tr("Rank: 0 is the most probable");
    if (role == Qt::ToolTipRole && section == LogProbability) return tr("Natural logarithm of the probability");
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Rank: return tr("#");
    case Token: return tr("Token");
    case Probability: return tr("Prob.");
    case LogProbability: return tr("Log p");
    case Full: return tr("Full");
    case Id: return tr("Id");
    case Bytes: return tr("Bytes");
    default: return {};
    }
}

} // namespace flextron::ui
