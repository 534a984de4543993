// The most probable tokens at one place, beside what the full model thinks of them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <QAbstractTableModel>

#include "engine/generate/trace.h"
#include "engine/text/tokenizer.h"

namespace flextron::ui {

struct TopToken {
    int rank = 0;
    TokenId id = 0;
    float logprob = 0;                     ///< nats
    std::optional<float> baseline_logprob; ///< nats; of the full model at the same place, where it listed the token
    std::optional<std::string> bytes;      ///< none without the tokenizer
    bool chosen = false;                   ///< the token of the text
};

/// The record's list, and the text's own token at the end when it is not in it. `baseline` may be null: the same token
/// of the full model's reading of the same text. `tokenizer` may be null; then only the text's own token has bytes.
std::vector<TopToken> topTokensOf(const TokenRecord& record, const TokenRecord* baseline, const Tokenizer* tokenizer);

class TopTokensModel final : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Rank, Token, Probability, LogProbability, Full, Id, Bytes, Columns };

    using QAbstractTableModel::QAbstractTableModel;
    void setTokens(std::vector<TopToken> tokens);
    [[nodiscard]] const std::vector<TopToken>& tokens() const { return tokens_; }

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<TopToken> tokens_;
};

} // namespace flextron::ui
