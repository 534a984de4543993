// The heatmap's twin: a row a token, sorted by what is looked for; the layers' values to the right.
#pragma once

#include <functional>

#include <QAbstractTableModel>
#include <QSortFilterProxyModel>
#include <QTableView>

#include "ui/data/cellgrid.h"
#include "ui/data/tokendata.h"

namespace flextron::ui {

class TokenTableModel final : public QAbstractTableModel {
    Q_OBJECT

public:
    /// Numbers, as double; invalid where there is none.
    static constexpr int kValueRole = Qt::UserRole;
    /// Position, text, rank, then the quantities, then a column a layer.
    static constexpr int kFixedColumns = 9;
    static int columnOf(TokenQuantity quantity) { return 3 + static_cast<int>(quantity); }

    TokenTableModel(std::function<TokenSource()> source, const CellGrid* grid, QObject* parent = nullptr);

    /// Everything is new.
    void rebuild();
    /// Tokens from `first` on are new or changed.
    void follow(int first);
    void setLayerQuantity(Quantity quantity);

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    [[nodiscard]] QVariant value(int token, int column) const;
    [[nodiscard]] QString text(int token, int column) const;

    std::function<TokenSource()> source_;
    const CellGrid* grid_;
    Quantity quantity_ = Quantity::MlpWidth;
    int rows_ = 0;
    int layers_ = 0;
};

/// Nothing comes last, whichever way is up.
class TokenSortModel final : public QSortFilterProxyModel {
    Q_OBJECT

public:
    using QSortFilterProxyModel::QSortFilterProxyModel;

private:
    [[nodiscard]] bool lessThan(const QModelIndex& left, const QModelIndex& right) const override;
};

class TokenTable final : public QTableView {
    Q_OBJECT

public:
    explicit TokenTable(TokenTableModel* model, QWidget* parent = nullptr);

    /// -1 for none. Scrolls there.
    void setCurrentToken(int token);

signals:
    void tokenChosen(int token);

private:
    void currentChanged(const QModelIndex& current, const QModelIndex& previous) override;
    TokenSortModel* sorted_;
    bool following_ = false; // the selection of the other views: nobody chose it here
};

} // namespace flextron::ui
