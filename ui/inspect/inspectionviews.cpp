#include "ui/inspect/inspectionviews.h"

#include <QSplitter>
#include <QVBoxLayout>

#include "ui/compare/computeribbon.h"
#include "ui/compare/paneview.h"
#include "ui/compare/textcoloring.h"
#include "ui/inspect/anatomyview.h"
#include "ui/inspect/forceview.h"
#include "ui/inspect/heatmapview.h"
#include "ui/inspect/ledgerview.h"
#include "ui/inspect/mixerview.h"
#include "ui/inspect/responseview.h"
#include "ui/inspect/tokencard.h"
#include "ui/inspect/whyview.h"
#include "ui/measure/latencyview.h"
#include "ui/measure/paretoview.h"
#include "ui/measure/runmonitor.h"

namespace flextron::ui {

InspectionViews::InspectionViews(EngineService* service, Comparison* comparison, Selection* selection,
                                 const Actions& window, QObject* parent)
    : QObject(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , baseline_(new Baseline(service, comparison, this))
    , heatmap_(new HeatmapView(service, comparison, selection, baseline_, window.run))
    , token_card_(new TokenCard(service, comparison, selection, baseline_, window.run))
    , why_(new WhyView(service, comparison, selection, window.run))
    , response_(new ResponseView(service, comparison, selection))
    , ledger_(new LedgerView(service, comparison, selection, window.run))
    , force_(new ForceView(service, comparison, selection))
    , anatomy_(new AnatomyView(service, comparison, selection))
    , mixer_(new MixerView(service, comparison, selection))
    , pareto_(new ParetoView(service, comparison))
    , latency_(new LatencyView(service, comparison, window.measure, window.cancel_measure))
    , run_monitor_(new RunMonitor)
    , coloring_(new TextColoring(service, comparison, baseline_))
{
    auto* token = new QWidget;
    auto* layout = new QVBoxLayout(token);
    layout->addWidget(coloring_);
    layout->addWidget(token_card_, 1);
    add("heatmapDock", tr("Widths by token and layer"), heatmap_, Qt::BottomDockWidgetArea);
    add("anatomyDock", tr("Anatomy"), anatomy_, Qt::BottomDockWidgetArea);
    add("mixerDock", tr("Layer mixer"), mixer_, Qt::BottomDockWidgetArea);
    add("paretoDock", tr("Pareto"), pareto_, Qt::BottomDockWidgetArea);
    add("latencyDock", tr("Latency table"), latency_, Qt::BottomDockWidgetArea);
    add("runDock", tr("Run monitor"), run_monitor_, Qt::BottomDockWidgetArea);
    add("tokenDock", tr("Token"), token, Qt::RightDockWidgetArea);
    auto* why = new QSplitter(Qt::Vertical);
    why->addWidget(why_);
    why->addWidget(response_);
    why->setChildrenCollapsible(false);
    why->setStretchFactor(0, 3);
    why->setStretchFactor(1, 2);
    add("whyDock", tr("Why"), why, Qt::RightDockWidgetArea);
    add("ledgerDock", tr("Budget"), ledger_, Qt::RightDockWidgetArea);
    add("forceDock", tr("Force"), force_, Qt::RightDockWidgetArea);
    selection->setContinuationOffered(true);
    connect(selection, &Selection::continuationRequested, comparison, &Comparison::continueFrom);
    const auto forward = [this](const auto* view, auto view_failed, auto view_said) {
        connect(view, view_failed, this, &InspectionViews::failed);
        connect(view, view_said, this, &InspectionViews::said);
    };
    forward(force_, &ForceView::failed, &ForceView::said);
    forward(mixer_, &MixerView::failed, &MixerView::said);
    actions_ << heatmap_->viewActions() << token_card_->viewActions() << force_->viewActions() << mixer_->viewActions()
             << pareto_->viewActions() << latency_->viewActions() << run_monitor_->viewActions();
}

void InspectionViews::add(const char* name, const QString& title, QWidget* view, Qt::DockWidgetArea area)
{
    docks_.push_back({QLatin1String(name), title, view, area});
}

void InspectionViews::attach(PaneSlot slot, PaneView* pane)
{
    coloring_->attach(slot, pane->text());
    pane->addUnderText(new ComputeRibbon(slot, service_, comparison_, selection_));
}

} // namespace flextron::ui
