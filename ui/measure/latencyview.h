// The latency table of this device: what it says, whether it still holds, and a fuller one on request.
#pragma once

#include <QAbstractTableModel>
#include <QLabel>
#include <QTableView>
#include <QWidget>

#include "ui/data/comparison.h"
#include "ui/parts/statepage.h"
#include "ui/service/inquiry.h"

namespace flextron::ui {

/// A row a width: neurons, then heads under both rules for keys and values, at the longest context.
class LatencyModel final : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Block, Width, OwnMs, AllMs, Columns };

    using QAbstractTableModel::QAbstractTableModel;
    void setTable(const std::optional<LatencyTable>& table);

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::optional<LatencyTable> table_;
};

class LatencyView final : public QWidget {
    Q_OBJECT

public:
    LatencyView(EngineService* service, Comparison* comparison, QAction* quick_action, QAction* cancel_quick_action,
                QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QString facts() const { return facts_->text(); }
    [[nodiscard]] QString comparedText() const { return compared_->text(); }
    [[nodiscard]] QList<QAction*> viewActions() const { return {full_action_, check_action_, cancel_action_}; }

private:
    void makeActions();
    QWidget* makeContent();
    void setModel(const ModelInfoPtr& model);
    void measureFull();
    void check();
    void showCompared();
    void updateState();

    EngineService* service_;
    Comparison* comparison_;
    QAction* quick_action_;
    QAction* cancel_quick_action_;
    QAction* full_action_ = nullptr;
    QAction* check_action_ = nullptr;
    QAction* cancel_action_ = nullptr;
    Inquiry<LatencyTable> full_;
    Inquiry<StaleCheck> check_;
    LoadProgress progress_;
    std::optional<StaleCheck> checked_;
    std::optional<Error> error_;
    StatePage* page_ = nullptr;
    QLabel* facts_ = nullptr;
    QLabel* compared_ = nullptr;
    LatencyModel* model_ = nullptr;
};

} // namespace flextron::ui
