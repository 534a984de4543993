// The Pareto plot: what quality costs on this device; a click on a point runs it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <QLabel>
#include <QWidget>

#include "ui/measure/paretodata.h"
#include "ui/parts/statepage.h"
#include "ui/service/inquiry.h"

class QCPErrorBars;
class QCPGraph;
class QCPItemTracer;
class QCustomPlot;

namespace flextron::ui {

class ParetoView final : public QWidget {
    Q_OBJECT

public:
    ParetoView(EngineService* service, Comparison* comparison, QWidget* parent = nullptr);
    ~ParetoView() override;

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QCustomPlot* plot() const { return plot_; }
    [[nodiscard]] const std::vector<ParetoPoint>& points() const { return points_; }
    [[nodiscard]] QString readout() const { return readout_->text(); }
    [[nodiscard]] QList<QAction*> viewActions() const { return {measure_action_, cancel_action_, text_action_}; }
    /// The text to measure on; empty = the one that comes with the program.
    void setText(const QString& name, const std::string& text);
    void openText(const QString& file);
    /// Runs the live pane as the point says.
    void choose(std::size_t index);

private:
    void makeActions();
    QWidget* makeContent();
    void makePlot();
    void measure();
    void measureNext();
    void cancel();
    void onPoint(const Result<ParetoPoint>& point);
    void redraw();
    void updateState();
    void showPoint(std::optional<std::size_t> index);
    [[nodiscard]] std::optional<std::size_t> nearest(QPointF position) const;
    bool eventFilter(QObject* watched, QEvent* event) override;
    bool handleKey(int key);
    void changeEvent(QEvent* event) override;
    void updateColors();

    EngineService* service_;
    Comparison* comparison_;
    QAction* measure_action_ = nullptr;
    QAction* cancel_action_ = nullptr;
    QAction* text_action_ = nullptr;
    QString text_name_;
    std::string text_;
    std::vector<ParetoRequest> waiting_; // the next one last
    std::size_t asked_ = 0;              // points of this measuring in all
    std::vector<ParetoPoint> points_;
    std::optional<std::size_t> current_;
    bool stale_ = false; // measured before the latency table or the text changed
    std::optional<Error> error_;
    std::shared_ptr<std::vector<TokenId>> ids_; // of the text, by the first point; engine thread only
    Inquiry<ParetoPoint> inquiry_;
    StatePage* page_ = nullptr;
    QCustomPlot* plot_ = nullptr;
    std::map<ParetoKind, QCPGraph*> graphs_; // owned by plot_, as are the next three
    std::map<ParetoKind, QCPErrorBars*> errors_;
    QCPGraph* front_ = nullptr;
    QCPGraph* marker_ = nullptr;
    QLabel* readout_ = nullptr;
};

} // namespace flextron::ui
