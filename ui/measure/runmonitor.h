// The run monitor: how a conversion goes, or went, from its metrics.jsonl; two of them over each other.
#pragma once

#include <array>

#include <QComboBox>
#include <QLabel>
#include <QPointer>
#include <QTimer>
#include <QWidget>

#include "ui/compare/colorlegend.h"
#include "ui/data/runlog.h"
#include "ui/measure/runfiles.h"
#include "ui/parts/statepage.h"
#include "ui/parts/statusline.h"

class QCustomPlot;

namespace flextron::ui {

class RunMonitor final : public QWidget {
    Q_OBJECT

public:
    explicit RunMonitor(QWidget* parent = nullptr);

    /// A run's folder, its job's folder, or the file itself. `other`: over the first one, dashed.
    void open(const QString& path, bool other = false);
    /// Shows no longer the run that was opened as `path`: it is gone. The other one, if there is one, takes its place.
    void leave(const QString& path);
    [[nodiscard]] const QString& path() const { return runs_[0].path(); }
    /// Above the run: that it was interrupted, say, with what to do about it. Empty for nothing.
    void setNotice(const QString& text, QAction* action);
    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] const RunLog& log() const { return runs_[0].log(); }
    [[nodiscard]] QString findings() const { return findings_->text(); }
    [[nodiscard]] QCustomPlot* plot() const { return plot_; }
    [[nodiscard]] QList<QAction*> viewActions() const { return {open_action_, other_action_, close_other_action_}; }

    enum class Chart { Losses, Budgets, BudgetsByStep, Cost, Surrogate, Temperature, Entropy, MlpShares, HeadShares };
    void setChart(Chart chart);

signals:
    /// A run is shown for the first time: its panel should come to the front.
    void opened();

private:
    void makeActions();
    QWidget* makeContent();
    void showNone();
    void choose(bool other);
    void closeOther();
    void poll();
    void listStages();
    void redraw();
    void drawLines(Chart chart);
    void drawBudgets();
    void drawBudgetsByStep();
    void drawShares(SubBlock block);
    void addLine(const RunSeries& series, const QString& name, int color, bool dashed);
    void showState();
    void placeLegend();
    void showFindings();
    [[nodiscard]] Chart chart() const { return static_cast<Chart>(chart_->currentData().toInt()); }
    void changeEvent(QEvent* event) override;

    QAction* open_action_ = nullptr;
    QAction* other_action_ = nullptr;
    QAction* close_other_action_ = nullptr;
    std::array<RunReader, 2> runs_;
    QTimer timer_;
    QString notice_;
    QPointer<QAction> notice_action_;
    StatePage* page_ = nullptr;
    QComboBox* stage_ = nullptr;
    QComboBox* chart_ = nullptr;
    ElidedLabel* facts_ = nullptr;
    ColorLegend* legend_ = nullptr;
    QLabel* findings_ = nullptr;
    QCustomPlot* plot_ = nullptr;
};

} // namespace flextron::ui
