#include "ui/inspect/tokentable.h"

#include <algorithm>
#include <cmath>

#include <QHeaderView>
#include <QLocale>
#include <QScopedValueRollback>

#include "ui/parts/format.h"
#include "ui/parts/tables.h"

namespace flextron::ui {

namespace {

constexpr int kPosition = 0;
constexpr int kText = 1;
constexpr int kRank = 2;
constexpr int kFirstQuantity = 3;

} // namespace

TokenTableModel::TokenTableModel(std::function<TokenSource()> source, const CellGrid* grid, QObject* parent)
    : QAbstractTableModel(parent)
    , source_(std::move(source))
    , grid_(grid)
{
}

void TokenTableModel::rebuild()
{
    beginResetModel();
    const Trace* trace = source_().trace;
    rows_ = trace != nullptr ? static_cast<int>(trace->records.size()) : 0;
    layers_ = trace != nullptr ? trace->layers : 0;
    endResetModel();
}

void TokenTableModel::follow(int first)
{
    const int count = static_cast<int>(source_().trace->records.size());
    if (count < rows_ || source_().trace->layers != layers_) {
        rebuild();
        return;
    }
    if (first < rows_) emit dataChanged(index(std::max(0, first), 0), index(rows_ - 1, columnCount() - 1));
    if (count == rows_) return;
    beginInsertRows({}, rows_, count - 1);
    rows_ = count;
    endInsertRows();
}

void TokenTableModel::setLayerQuantity(Quantity quantity)
{
    quantity_ = quantity;
    if (rows_ > 0 && layers_ > 0) emit dataChanged(index(0, kFixedColumns), index(rows_ - 1, columnCount() - 1));
    emit headerDataChanged(Qt::Horizontal, kFixedColumns, std::max(kFixedColumns, columnCount() - 1));
}

int TokenTableModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : rows_;
}

int TokenTableModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kFixedColumns + layers_;
}

QVariant TokenTableModel::value(int token, int column) const
{
    const TokenSource source = source_();
    double value = 0;
    if (column == kPosition || column == kText) value = token;
    else if (column == kRank) {
        const int rank = source.trace->records[static_cast<std::size_t>(token)].rank;
        if (rank < 0) return {};
        value = rank;
    } else if (column < kFixedColumns) {
        value = tokenValue(source, token, static_cast<TokenQuantity>(column - kFirstQuantity));
    } else {
        value = grid_->at(token, column - kFixedColumns);
    }
    return std::isnan(value) ? QVariant() : QVariant(value);
}

QString TokenTableModel::text(int token, int column) const
{
    const QVariant number = value(token, column);
    if (column == kText) return formatToken(source_().trace->records[static_cast<std::size_t>(token)].bytes);
    if (!number.isValid()) return QStringLiteral("–");
    if (column < kFirstQuantity) return QLocale().toString(number.toInt());
    if (column < kFixedColumns)
        return tokenValueText(number.toDouble(), static_cast<TokenQuantity>(column - kFirstQuantity));
    return valueText(number.toDouble(), quantity_);
}

QVariant TokenTableModel::data(const QModelIndex& index, int role) const
{
    // The pane's records may be replaced before rebuild() is called.
    const TokenSource source = source_();
    if (!index.isValid() || source.trace == nullptr || index.row() >= static_cast<int>(source.trace->records.size()))
        return {};
    switch (role) {
    case Qt::DisplayRole: return text(index.row(), index.column());
    case Qt::TextAlignmentRole:
        return QVariant(index.column() == kText ? Qt::AlignLeft | Qt::AlignVCenter : Qt::AlignRight | Qt::AlignVCenter);
    case kValueRole: return value(index.row(), index.column());
    default: return {};
    }
}

QVariant TokenTableModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= columnCount()) return {};
    if (role == Qt::ToolTipRole && section >= kFixedColumns)
        return tr("%1, layer %2").arg(quantityName(quantity_)).arg(section - kFixedColumns);
    if (role != Qt::DisplayRole) return {};
    if (section == kPosition) return tr("#");
    if (section == kText) return tr("Token");
    if (section == kRank) return tr("Rank");
    if (section < kFixedColumns) return tokenQuantityName(static_cast<TokenQuantity>(section - kFirstQuantity));
    return tr("L%1").arg(section - kFixedColumns);
}

bool TokenSortModel::lessThan(const QModelIndex& left, const QModelIndex& right) const
{
    const QVariant a = left.data(TokenTableModel::kValueRole);
    const QVariant b = right.data(TokenTableModel::kValueRole);
    if (!a.isValid() || !b.isValid()) {
        if (a.isValid() == b.isValid()) return false;
        return (sortOrder() == Qt::AscendingOrder) == a.isValid();
    }
    return a.toDouble() < b.toDouble();
}

TokenTable::TokenTable(TokenTableModel* model, QWidget* parent) : QTableView(parent), sorted_(new TokenSortModel(this))
{
    setObjectName(QStringLiteral("tokenTable"));
    setUpTable(this, tr("Table of tokens"));
    sorted_->setSourceModel(model);
    sorted_->setSortRole(TokenTableModel::kValueRole);
    setModel(sorted_);
    setSortingEnabled(true);
    sortByColumn(kPosition, Qt::AscendingOrder);
    horizontalHeader()->setDefaultSectionSize(fontMetrics().averageCharWidth() * 10);
    horizontalHeader()->setSectionsMovable(true);
    constexpr int kMeasuredRows = 32; // of thousands, each time that a run begins
    horizontalHeader()->setResizeContentsPrecision(kMeasuredRows);
    const auto fit = [this] {
        for (int column = kRank; column < TokenTableModel::kFixedColumns; ++column) resizeColumnToContents(column);
        setColumnWidth(kPosition, fontMetrics().averageCharWidth() * 8);
        setColumnWidth(kText, fontMetrics().averageCharWidth() * 18);
    };
    connect(model, &QAbstractItemModel::modelReset, this, fit);
    fit();
}

void TokenTable::setCurrentToken(int token)
{
    const QScopedValueRollback follow(following_, true);
    const QModelIndex index = sorted_->mapFromSource(sorted_->sourceModel()->index(token, kPosition));
    if (!index.isValid()) {
        clearSelection();
        setCurrentIndex({});
        return;
    }
    if (index.row() == currentIndex().row()) return;
    setCurrentIndex(index);
    scrollTo(index);
}

void TokenTable::currentChanged(const QModelIndex& current, const QModelIndex& previous)
{
    QTableView::currentChanged(current, previous);
    if (following_ || !current.isValid()) return;
    emit tokenChosen(sorted_->mapToSource(current).row());
}

} // namespace flextron::ui
