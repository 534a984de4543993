// The views that look into a run: makes them, and tells the window where each wants to stand.
#pragma once

#include <vector>

#include <QObject>

#include "ui/data/baseline.h"
#include "ui/data/comparison.h"
#include "ui/data/selection.h"

class QAction;
class QWidget;

namespace flextron::ui {

class AnatomyView;
class ForceView;
class HeatmapView;
class LatencyView;
class LedgerView;
class MixerView;
class PaneView;
class ParetoView;
class ResponseView;
class RunMonitor;
class TextColoring;
class TokenCard;
class WhyView;

class InspectionViews final : public QObject {
    Q_OBJECT

public:
    /// A dock of the window; the first of an area is the one on top.
    struct Dock {
        QString name; ///< object name
        QString title;
        QWidget* view = nullptr;
        Qt::DockWidgetArea area = Qt::BottomDockWidgetArea;
    };

    /// The window's own, offered where a panel is empty.
    struct Actions {
        QAction* run = nullptr;
        QAction* measure = nullptr;
        QAction* cancel_measure = nullptr;
    };
    InspectionViews(EngineService* service, Comparison* comparison, Selection* selection, const Actions& window,
                    QObject* parent = nullptr);

    /// A pane from now on has its text coloured and a ribbon under it.
    void attach(PaneSlot slot, PaneView* pane);

    [[nodiscard]] const std::vector<Dock>& docks() const { return docks_; }
    /// For the menu "Analyze" and the window's shortcuts.
    [[nodiscard]] const QList<QAction*>& actions() const { return actions_; }
    [[nodiscard]] HeatmapView* heatmap() const { return heatmap_; }
    [[nodiscard]] TokenCard* tokenCard() const { return token_card_; }
    [[nodiscard]] WhyView* why() const { return why_; }
    [[nodiscard]] ResponseView* response() const { return response_; }
    [[nodiscard]] LedgerView* ledger() const { return ledger_; }
    [[nodiscard]] ForceView* force() const { return force_; }
    [[nodiscard]] AnatomyView* anatomy() const { return anatomy_; }
    [[nodiscard]] MixerView* mixer() const { return mixer_; }
    [[nodiscard]] ParetoView* pareto() const { return pareto_; }
    [[nodiscard]] LatencyView* latency() const { return latency_; }
    [[nodiscard]] RunMonitor* runMonitor() const { return run_monitor_; }
    [[nodiscard]] TextColoring* coloring() const { return coloring_; }
    [[nodiscard]] Baseline* baseline() const { return baseline_; }

signals:
    /// A view could not do what it was asked for.
    void failed(const QString& title, const flextron::Error& error);
    void said(const QString& text); ///< for the status bar

private:
    void add(const char* name, const QString& title, QWidget* view, Qt::DockWidgetArea area);

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    Baseline* baseline_;
    HeatmapView* heatmap_;
    TokenCard* token_card_;
    WhyView* why_;
    ResponseView* response_;
    LedgerView* ledger_;
    ForceView* force_;
    AnatomyView* anatomy_;
    MixerView* mixer_;
    ParetoView* pareto_;
    LatencyView* latency_;
    RunMonitor* run_monitor_;
    TextColoring* coloring_;
    std::vector<Dock> docks_;
    QList<QAction*> actions_;
};

} // namespace flextron::ui
