#include "ui/inspectionviews.h"

#include <QVBoxLayout>

#include "ui/computeribbon.h"
#include "ui/heatmapview.h"
#include "ui/ledgerview.h"
#include "ui/paneview.h"
#include "ui/textcoloring.h"
#include "ui/tokencard.h"
#include "ui/whyview.h"

namespace flextron::ui {

InspectionViews::InspectionViews(EngineService* service, Comparison* comparison, Selection* selection,
                                 QAction* run_action, QObject* parent)
    : QObject(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , baseline_(new Baseline(service, comparison, this))
    , heatmap_(new HeatmapView(service, comparison, selection, baseline_, run_action))
    , token_card_(new TokenCard(service, comparison, selection, baseline_, run_action))
    , why_(new WhyView(service, comparison, selection, run_action))
    , ledger_(new LedgerView(service, comparison, selection, run_action))
    , coloring_(new TextColoring(service, comparison, baseline_))
{
    auto* token = new QWidget;
    auto* layout = new QVBoxLayout(token);
    layout->addWidget(coloring_);
    layout->addWidget(token_card_, 1);
    add("heatmapDock", tr("Widths by token and layer"), heatmap_, Qt::BottomDockWidgetArea);
    add("tokenDock", tr("Token"), token, Qt::RightDockWidgetArea);
    add("whyDock", tr("Why"), why_, Qt::RightDockWidgetArea);
    add("ledgerDock", tr("Budget"), ledger_, Qt::RightDockWidgetArea);
    selection->setContinuationOffered(true);
    connect(selection, &Selection::continuationRequested, comparison, &Comparison::continueFrom);
    actions_ << heatmap_->viewActions() << token_card_->viewActions();
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
