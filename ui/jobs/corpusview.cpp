#include "ui/jobs/corpusview.h"

#include <utility>

#include <QDateTime>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QJsonDocument>
#include <QLocale>
#include <QSignalBlocker>
#include <QTableView>
#include <QVBoxLayout>

#include "engine/base/files.h"
#include "ui/jobs/corpussetup.h"
#include "ui/parts/askforfile.h"
#include "ui/parts/elsewhere.h"
#include "ui/parts/format.h"
#include "ui/parts/tables.h"
#include "ui/parts/viewaction.h"

namespace flextron::ui {

namespace {

constexpr std::uint64_t kMostBytes = 256U << 20; // of a report
constexpr qsizetype kMostKept = 8 << 20;         // in a session: a larger one has to be exported

QTableView* sortableTable(QAbstractTableModel* model, const QString& name)
{
    auto* sorted = new QSortFilterProxyModel(model);
    sorted->setSourceModel(model);
    sorted->setSortRole(kCorpusSortRole);
    auto* table = new QTableView;
    table->setModel(sorted);
    setUpTable(table, name);
    table->setSortingEnabled(true);
    table->horizontalHeader()->setSectionsMovable(true);
    table->sortByColumn(-1, Qt::AscendingOrder); // as in the report, until a heading is clicked
    QObject::connect(model, &QAbstractItemModel::modelReset, table, &QTableView::resizeColumnsToContents);
    return table;
}

QString newJobFolder()
{
    const auto reports = dataFolder() / "reports";
    return QString::fromStdString(reports.string()) + QLatin1Char('/') +
           QDateTime::currentDateTimeUtc().toString(QStringLiteral("yyyyMMdd-HHmmss-zzz"));
}

} // namespace

CorpusView::CorpusView(Jobs* jobs, EngineService* service, const JobActions& job_actions, QAction* convert_action,
                       QWidget* parent)
    : QWidget(parent)
    , jobs_(jobs)
    , service_(service)
    , job_actions_(job_actions)
    , convert_action_(convert_action)
{
    makeActions();
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    connect(jobs_, &Jobs::changed, this, &CorpusView::follow);
    connect(service_, &EngineService::modelLoaded, this, &CorpusView::updateState);
    follow();
    updateState();
}

void CorpusView::makeActions()
{
    make_action_ = viewAction(
        this, "makeCorpusReport", tr("Make a Corpus &Report…"),
        tr("Watch the open model's routers while they read texts, and hold them against uniform and shuffled widths"));
    open_action_ = viewAction(this, "openCorpusReport", tr("Open a Cor&pus Report…"),
                              tr("Show a report that was exported, or written by flextron routers --json"));
    export_action_ = viewAction(this, "exportCorpusReport", tr("Export the Corpus Repo&rt…"),
                                tr("Write the report as JSON or CSV"));
    connect(make_action_, &QAction::triggered, this, &CorpusView::showSetup);
    connect(open_action_, &QAction::triggered, this, [this] {
        askForFile(this, {FileQuestion::Kind::Open, open_action_->text(), tr("Reports (*.json)"), {}, {}},
                   [this](const QString& file) { openFile(file); });
    });
    connect(export_action_, &QAction::triggered, this, [this] {
        askForFile(this,
                   {FileQuestion::Kind::Save, export_action_->text(), tr("JSON (*.json);;CSV (*.csv)"),
                    QStringLiteral("routers.json"), QStringLiteral("json")},
                   [this](const QString& file) { exportTo(file); });
    });
}

QWidget* CorpusView::makeContent()
{
    auto* content = new QWidget;
    side_ = new QComboBox;
    side_->setAccessibleName(tr("Which routers"));
    side_->setObjectName(QStringLiteral("corpusSide"));
    place_ = new QComboBox;
    place_->setAccessibleName(tr("Text and stop"));
    place_->setObjectName(QStringLiteral("corpusPlace"));
    for (QComboBox* box : {side_, place_}) box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    facts_ = new ElidedLabel;
    facts_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    auto* bar = new QHBoxLayout;
    bar->addWidget(side_);
    bar->addWidget(place_);
    bar->addWidget(facts_, 1);
    for (QAction* action : {make_action_, export_action_}) {
        auto* button = new ActionButton;
        button->setAction(action);
        bar->addWidget(button);
    }
    bars_ = new CorpusBars;
    stop_model_ = new CorpusStopModel(this);
    row_model_ = new CorpusRowModel(this);
    verdicts_ = new QListWidget;
    verdicts_->setAccessibleName(tr("Verdicts"));
    verdicts_->setWordWrap(true);
    tabs_ = new QTabWidget;
    tabs_->setDocumentMode(true);
    tabs_->addTab(bars_, tr("By &layer"));
    tabs_->addTab(sortableTable(stop_model_, tr("Cost and loss by text and stop")), tr("By te&xt and stop"));
    tabs_->addTab(sortableTable(row_model_, tr("Routers, a row each")), tr("As a ta&ble"));
    tabs_->addTab(verdicts_, tr("&Verdicts"));
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addLayout(bar);
    layout->addWidget(tabs_, 1);
    connect(side_, &QComboBox::currentIndexChanged, this, &CorpusView::showPlace);
    connect(place_, &QComboBox::currentIndexChanged, this, &CorpusView::showPlace);
    connect(bars_, &CorpusBars::rowChosen, this, [this](int layer) {
        facts_->setFullText(bars_->rowText(bars_->current()));
        emit layerChosen(layer);
    });
    return content;
}

QStringList CorpusView::verdicts() const
{
    QStringList all;
    for (int i = 0; i < verdicts_->count(); ++i) all << verdicts_->item(i)->text();
    return all;
}

void CorpusView::showSetup()
{
    if (setup_ == nullptr) {
        setup_ = new CorpusSetup(window());
        connect(setup_, &CorpusSetup::wanted, this, &CorpusView::make);
    }
    updateState();
    setup_->show();
    setup_->raise();
    setup_->activateWindow();
}

void CorpusView::make(const CorpusRequest& request)
{
    if (!service_->model()) return;
    JobRecord job;
    job.kind = JobKind::Report;
    job.title = tr("Report on %1").arg(service_->model()->name);
    job.folder = newJobFolder();
    job.arguments = corpusArguments(QString::fromStdString(service_->model()->checkpoint->folder().string()), request);
    error_.reset();
    if (const auto started = jobs_->start(job); !started.ok()) error_ = started.error();
    emit raised();
    updateState();
}

/// The job may be an older window's.
void CorpusView::follow()
{
    const auto& job = jobs_->job();
    if (job && job->kind == JobKind::Report && !jobs_->alive() && taken_ != job->folder) {
        taken_ = job->folder;
        if (jobs_->state() == JobState::Finished) load(job->outputFile());
        else error_ = jobs_->failure();
    }
    const bool ours = job && job->kind == JobKind::Report;
    if (ours || std::exchange(busy_, jobs_->alive()) != jobs_->alive()) updateState();
}

void CorpusView::load(const QString& file)
{
    elsewhere(
        this,
        [file] {
            return guarded([&] {
                const std::string text = readFile(file.toStdString(), kMostBytes).orThrow();
                return parseCorpusReport(QByteArray::fromStdString(text)).orThrow();
            });
        },
        [this](const Result<CorpusReport>& report) {
            if (report.ok()) {
                showReport(*report);
                emit raised();
            } else {
                emit failed(tr("The corpus report could not be read."), report.error());
            }
            updateState();
        });
}

void CorpusView::openFile(const QString& file)
{
    load(file);
}

void CorpusView::restore(const QByteArray& json)
{
    if (json.isEmpty()) {
        report_.reset();
        kept_.clear();
        updateState();
        return;
    }
    auto report = parseCorpusReport(json);
    if (report.ok()) showReport(*std::move(report));
    else emit failed(tr("The session's corpus report could not be read."), report.error());
    updateState();
}

void CorpusView::exportTo(const QString& file)
{
    if (!report_) return;
    const bool csv = file.endsWith(QLatin1String(".csv"), Qt::CaseInsensitive);
    elsewhere(
        this,
        [file, csv, report = *report_] {
            return writeFile(file.toStdString(), csv ? toCsv(report).toStdString() : report.json.toStdString());
        },
        [this, file](const Result<void>& written) {
            if (written.ok()) emit said(tr("Written: %1").arg(file));
            else emit failed(tr("The report could not be written."), written.error());
        });
}

void CorpusView::showReport(CorpusReport report)
{
    report_ = std::move(report);
    kept_ = QJsonDocument::fromJson(report_->json).toJson(QJsonDocument::Compact);
    if (kept_.size() > kMostKept) kept_.clear();
    error_.reset();
    {
        const QSignalBlocker quiet_side(side_);
        const QSignalBlocker quiet_place(place_);
        side_->clear();
        for (const CorpusSide& side : report_->sides) side_->addItem(side.routers);
        if (report_->sides.size() > 1) side_->addItem(tr("both, the second under the first"));
        side_->setVisible(report_->sides.size() > 1);
        place_->clear();
        for (const auto& [text, asked] : placesOf(report_->sides.front()))
            place_->addItem(stopName(text, asked), QVariantList{text, asked});
        side_->setCurrentIndex(side_->count() - 1);
        place_->setCurrentIndex(place_->count() > 0 ? 0 : -1);
    }
    stop_model_->setReport(*report_);
    row_model_->setReport(*report_);
    verdicts_->clear();
    for (const CorpusSide& side : report_->sides) {
        if (report_->sides.size() > 1) verdicts_->addItem(side.routers + QLatin1Char(':'));
        for (const QString& verdict : side.verdicts) verdicts_->addItem(verdict);
    }
    for (const CorpusCompared& row : report_->compared) {
        verdicts_->addItem(tr("%1: the second routers' loss less the first's is %2, at a cost of %3 and %4")
                               .arg(stopName(row.text, row.asked), controlText(row.second_less_first),
                                    QLocale().toString(row.costs[1], 'f', 3),
                                    QLocale().toString(row.costs[0], 'f', 3)));
    }
    showPlace();
}

void CorpusView::showPlace()
{
    if (!report_) return;
    const QVariantList place = place_->currentData().toList();
    if (place.size() != 2) {
        bars_->setRows({}, {});
        facts_->setFullText(tr("No dynamic routers: nothing is chosen by token"));
        return;
    }
    const auto sides = static_cast<int>(report_->sides.size());
    const bool both = sides > 1 && side_->currentIndex() == sides;
    const CorpusSide& side = report_->sides[static_cast<std::size_t>(both ? 0 : std::max(0, side_->currentIndex()))];
    bars_->setRows(rowsAt(side, place[0].toString(), place[1].toDouble()),
                   both ? rowsAt(report_->sides[1], place[0].toString(), place[1].toDouble())
                        : std::vector<CorpusRow>());
    QString facts;
    for (const CorpusStop& stop : side.stops) {
        if (!stop.dynamic || stop.text != place[0].toString() || stop.asked != place[1].toDouble()) continue;
        facts = tr("asked %1, got %2 (%3)")
                    .arg(formatShare(stop.asked), QLocale().toString(stop.cost, 'f', 3), side.cost_basis);
        if (stop.uniform) facts += tr("; uniform %1").arg(controlText(*stop.uniform));
        if (stop.shuffled) facts += tr("; shuffled %1").arg(controlText(*stop.shuffled));
    }
    facts_->setFullText(facts);
}

void CorpusView::updateState()
{
    const ModelInfoPtr& model = service_->model();
    const bool routers = model && model->hasRouters();
    make_action_->setEnabled(routers && !jobs_->alive());
    export_action_->setEnabled(report_.has_value());
    if (setup_ != nullptr)
        setup_->setBlocked(!routers         ? tr("Open a model with routers first.")
                           : jobs_->alive() ? tr("A job is running; a report can start after it.")
                                            : QString());
    const bool running = jobs_->alive() && jobs_->job()->kind == JobKind::Report;
    if (running) {
        const JobProgress& progress = jobs_->progress();
        page_->showLoading(jobs_->stopping() ? tr("Stopping") : tr("Reading the texts"),
                           {progress.stage, static_cast<std::uint64_t>(progress.done),
                            static_cast<std::uint64_t>(progress.total), progress.unit},
                           job_actions_.stop);
    } else if (error_) {
        page_->showError(tr("There is no report"), *error_, make_action_);
    } else if (report_) {
        if (model && model->name != report_->model)
            page_->showStale(tr("The report is on another model: %1.").arg(report_->model), make_action_);
        else page_->showContent();
    } else if (!model) {
        page_->showEmpty(tr("No report"), tr("Open a model with routers, or a report that was exported."),
                         open_action_);
    } else if (!routers) {
        page_->showEmpty(tr("This model has no routers"), tr("Converting trains them."), convert_action_);
    } else {
        page_->showEmpty(tr("No report"),
                         tr("Watch what the routers choose while they read texts, layer by layer, and whether it is "
                            "worth anything."),
                         make_action_);
    }
}

} // namespace flextron::ui
