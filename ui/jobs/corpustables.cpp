#include "ui/jobs/corpustables.h"

#include <algorithm>

#include <QLocale>

#include "ui/parts/format.h"

namespace flextron::ui {

namespace {

QString fixed(double value, int decimals)
{
    return QLocale().toString(value, 'f', decimals);
}

double meanWidth(const CorpusRow& row)
{
    double mean = 0;
    for (std::size_t i = 0; i < row.shares.size(); ++i) mean += row.shares[i] * row.choices[i];
    return mean;
}

QString sharesText(const CorpusRow& row)
{
    QStringList shares;
    for (std::size_t i = 0; i < row.shares.size(); ++i)
        shares << CorpusRowModel::tr("%1: %2 %").arg(QLocale().toString(row.choices[i]), fixed(100 * row.shares[i], 1));
    return shares.join(QStringLiteral(", "));
}

} // namespace

void CorpusRowModel::setReport(const CorpusReport& report)
{
    beginResetModel();
    rows_.clear();
    for (const CorpusSide& side : report.sides)
        for (const CorpusRow& row : side.rows) rows_.push_back({side.routers, row});
    endResetModel();
}

int CorpusRowModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int CorpusRowModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : Columns;
}

QVariant CorpusRowModel::value(const Named& named, int column) const
{
    const CorpusRow& row = named.row;
    switch (column) {
    case Routers: return named.routers;
    case Text: return row.text;
    case Asked: return row.asked;
    case Layer: return row.layer;
    case Block: return row.block == SubBlock::Mlp ? tr("MLP") : tr("heads");
    case Widest: return *std::max_element(row.shares.begin(), row.shares.end());
    case MeanWidth: return meanWidth(row);
    case Entropy: return row.entropy;
    case RouterEntropy: return row.router_entropy;
    case Margin: return row.margin;
    case Shares: return sharesText(row);
    default: return {};
    }
}

QVariant CorpusRowModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid() || index.row() >= static_cast<int>(rows_.size())) return {};
    const QVariant value = this->value(rows_[static_cast<std::size_t>(index.row())], index.column());
    const bool number = value.typeId() == QMetaType::Double || value.typeId() == QMetaType::Int;
    if (role == kCorpusSortRole) return value;
    if (role == Qt::TextAlignmentRole) return QVariant((number ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role != Qt::DisplayRole) return {};
    switch (index.column()) {
    case Asked: return formatShare(value.toDouble());
    case Layer: return QLocale().toString(value.toInt());
    case Widest: return tr("%1 %").arg(fixed(100 * value.toDouble(), 1));
    case MeanWidth: return fixed(value.toDouble(), 1);
    case Entropy:
    case RouterEntropy:
    case Margin: return fixed(value.toDouble(), 3);
    default: return value;
    }
}

QVariant CorpusRowModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::ToolTipRole) {
        switch (section) {
        case Widest:
            return tr("Share of the tokens that get the most frequent choice; 100 % is a router that does not choose");
        case Entropy: return tr("Of the shares, nats: 0 when every token gets the same");
        case RouterEntropy: return tr("Of the router's own probabilities, mean over tokens, nats: 0 is sure");
        case Margin: return tr("Probability of the choice less that of the runner-up, mean over tokens: 1 is sure");
        default: return {};
        }
    }
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Routers: return tr("Routers");
    case Text: return tr("Text");
    case Asked: return tr("Asked");
    case Layer: return tr("Layer");
    case Block: return tr("Sub-block");
    case Widest: return tr("Most frequent");
    case MeanWidth: return tr("Mean width");
    case Entropy: return tr("Entropy");
    case RouterEntropy: return tr("Router's entropy");
    case Margin: return tr("Margin");
    case Shares: return tr("Shares");
    default: return {};
    }
}

void CorpusStopModel::setReport(const CorpusReport& report)
{
    beginResetModel();
    rows_.clear();
    for (const CorpusSide& side : report.sides)
        for (const CorpusStop& stop : side.stops) rows_.push_back({side.routers, stop});
    endResetModel();
}

int CorpusStopModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int CorpusStopModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : Columns;
}

QVariant CorpusStopModel::value(const Named& named, int column)
{
    const CorpusStop& stop = named.stop;
    switch (column) {
    case Routers: return named.routers;
    case Text: return stop.text;
    case Routing: return stop.dynamic ? tr("dynamic") : tr("static");
    case Asked: return stop.asked;
    case Got: return stop.cost;
    case Loss: return stop.loss;
    case Uniform: return stop.uniform ? QVariant(stop.uniform->difference) : QVariant();
    case Shuffled: return stop.shuffled ? QVariant(stop.shuffled->difference) : QVariant();
    case UsesInput: return stop.uses_its_input ? QVariant(*stop.uses_its_input ? 1 : 0) : QVariant();
    default: return {};
    }
}

QString CorpusStopModel::text(const Named& named, int column)
{
    const CorpusStop& stop = named.stop;
    const QString none = QStringLiteral("–");
    switch (column) {
    case Asked: return formatShare(stop.asked);
    case Got: return fixed(stop.cost, 3);
    case Loss: return tr("%1 ± %2").arg(fixed(stop.loss, 4), fixed(stop.standard_error, 4));
    case Uniform: return stop.uniform ? controlText(*stop.uniform) : none;
    case Shuffled: return stop.shuffled ? controlText(*stop.shuffled) : none;
    case UsesInput: return !stop.uses_its_input ? none : *stop.uses_its_input ? tr("yes") : tr("no");
    default: return value(named, column).toString();
    }
}

QVariant CorpusStopModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid() || index.row() >= static_cast<int>(rows_.size())) return {};
    const Named& named = rows_[static_cast<std::size_t>(index.row())];
    if (role == kCorpusSortRole) return value(named, index.column());
    if (role == Qt::TextAlignmentRole)
        return QVariant((index.column() >= Asked ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    return role == Qt::DisplayRole ? QVariant(text(named, index.column())) : QVariant();
}

QVariant CorpusStopModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::ToolTipRole) {
        switch (section) {
        case Got: return tr("Mean over tokens of the share of the full model's cost");
        case Uniform:
            return tr("Loss of uniform widths at the same cost, less the routers': above 0 speaks for the routers");
        case Shuffled:
            return tr("Loss when the choices are shuffled between the tokens, less the routers': above 0 speaks for "
                      "the routers");
        case UsesInput:
            return tr("The choices are worth more where they are than elsewhere, and no worse than uniform widths");
        default: return {};
        }
    }
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Routers: return tr("Routers");
    case Text: return tr("Text");
    case Routing: return tr("Routing");
    case Asked: return tr("Asked");
    case Got: return tr("Got");
    case Loss: return tr("Loss, nats");
    case Uniform: return tr("Uniform less it");
    case Shuffled: return tr("Shuffled less it");
    case UsesInput: return tr("Uses its input");
    default: return {};
    }
}

} // namespace flextron::ui
