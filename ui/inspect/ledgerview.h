// The budget ledger: asked, expected, chosen, predicted, measured; and where it went.
#pragma once

#include <memory>

#include <QAbstractTableModel>
#include <QLabel>
#include <QTableView>
#include <QWidget>

#include "ui/data/layercosts.h"
#include "ui/inspect/inspected.h"

class QCPGraph;
class QCustomPlot;

namespace flextron::ui {

/// Layers, the one that overspends most first.
class SpendingModel final : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Layer, Expected, Chosen, Over, Columns };

    using QAbstractTableModel::QAbstractTableModel;
    void setLayers(std::vector<LayerSpending> layers);
    [[nodiscard]] const std::vector<LayerSpending>& layers() const { return layers_; }

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<LayerSpending> layers_;
};

class LedgerView final : public QWidget {
    Q_OBJECT

public:
    LedgerView(EngineService* service, Comparison* comparison, Selection* selection, QAction* run_action,
               QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QString summary() const { return summary_->text(); }
    [[nodiscard]] const BudgetLedger& ledger() const { return ledger_; }
    [[nodiscard]] SpendingModel* spending() const { return spending_; }

private:
    QWidget* makeContent();
    QCustomPlot* makePlot();
    void setModel(const ModelInfoPtr& model);
    void refresh();
    void showSummary();
    void showRunningMean();
    void changeEvent(QEvent* event) override;
    void updateColors();

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    QAction* run_action_;
    std::unique_ptr<LayerCosts> costs_;
    BudgetLedger ledger_;
    StatePage* page_ = nullptr;
    QLabel* summary_ = nullptr;
    QCustomPlot* plot_ = nullptr;
    QCPGraph* each_ = nullptr; // owned by plot_, as are the next two
    QCPGraph* mean_ = nullptr;
    QCPGraph* asked_ = nullptr;
    SpendingModel* spending_ = nullptr;
    QTableView* table_ = nullptr;
};

} // namespace flextron::ui
