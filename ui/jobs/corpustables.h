// A corpus report's twins as sortable tables: the routers by layer, and texts by stop.
#pragma once

#include <QAbstractTableModel>
#include <QSortFilterProxyModel>

#include "ui/jobs/corpusdata.h"

namespace flextron::ui {

/// Both models give a number under this role for what is sorted by number.
inline constexpr int kCorpusSortRole = Qt::UserRole;

class CorpusRowModel final : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column {
        Routers,
        Text,
        Asked,
        Layer,
        Block,
        Widest,
        MeanWidth,
        Entropy,
        RouterEntropy,
        Margin,
        Shares,
        Columns
    };
    using QAbstractTableModel::QAbstractTableModel;
    void setReport(const CorpusReport& report);
    [[nodiscard]] const CorpusRow& row(int at) const { return rows_[static_cast<std::size_t>(at)].row; }

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Named {
        QString routers;
        CorpusRow row;
    };
    [[nodiscard]] QVariant value(const Named& named, int column) const;
    std::vector<Named> rows_;
};

class CorpusStopModel final : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Routers, Text, Routing, Asked, Got, Loss, Uniform, Shuffled, UsesInput, Columns };
    using QAbstractTableModel::QAbstractTableModel;
    void setReport(const CorpusReport& report);

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Named {
        QString routers;
        CorpusStop stop;
    };
    [[nodiscard]] static QString text(const Named& named, int column);
    [[nodiscard]] static QVariant value(const Named& named, int column);
    std::vector<Named> rows_;
};

} // namespace flextron::ui
