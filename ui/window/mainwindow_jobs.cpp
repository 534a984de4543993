// Long jobs in the window: where their panels, menus and messages go.
#include "ui/window/mainwindow.h"

#include <QAction>
#include <QDockWidget>
#include <QMenu>

#include "ui/inspect/inspectionviews.h"
#include "ui/jobs/corpusview.h"
#include "ui/jobs/jobviews.h"
#include "ui/parts/fittingarea.h"
#include "ui/target/subnetworkpanel.h"

namespace flextron::ui {

void MainWindow::makeJobs()
{
    auto* jobs = new Jobs(flextronProgram(), this);
    jobs_ = new JobViews(jobs, service_, inspection_->runMonitor(), notice_, this);
    CorpusView* corpus = jobs_->corpus();
    addDock(QStringLiteral("corpusDock"), tr("Corpus report"), new FittingArea(corpus, FittingArea::Least::Little));
    addActions(corpus->viewActions());
    sub_network_->setPreparing(jobs_->convertAction(), jobs_->sortAction());
    connect(corpus, &CorpusView::layerChosen, selection_, &Selection::setLayer);
    connect(corpus, &CorpusView::said, this, &MainWindow::showMessage);
    connect(jobs_, &JobViews::openRequested, this, &MainWindow::openModel);
    connect(jobs_, &JobViews::monitorWanted, this, [this] { raiseDock(QStringLiteral("runDock")); });
    connect(jobs_, &JobViews::corpusWanted, this, [this] { raiseDock(QStringLiteral("corpusDock")); });
}

void MainWindow::makeJobMenu(QMenu* model, QMenu* analyze)
{
    model->addSeparator();
    model->addActions(jobs_->modelActions());
    QMenu* job = model->addMenu(tr("&Job"));
    job->addActions(jobs_->jobActions());
    analyze->addSeparator();
    analyze->addActions(jobs_->corpus()->viewActions());
}

void MainWindow::raiseDock(const QString& name)
{
    for (QDockWidget* dock : docks_) {
        if (dock->objectName() != name) continue;
        dock->show();
        dock->raise();
    }
}

} // namespace flextron::ui
