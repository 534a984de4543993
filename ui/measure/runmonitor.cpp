#include "ui/measure/runmonitor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <QFile>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLocale>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include <qcustomplot.h>

#include "ui/parts/askforfile.h"
#include "ui/parts/colors.h"
#include "ui/parts/plots.h"
#include "ui/parts/viewaction.h"

namespace flextron::ui {

namespace {

constexpr int kPollMs = 1000;

} // namespace

RunMonitor::RunMonitor(QWidget* parent) : QWidget(parent)
{
    makeActions();
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    showNone();
    timer_.setInterval(kPollMs);
    connect(&timer_, &QTimer::timeout, this, &RunMonitor::poll);
}

void RunMonitor::makeActions()
{
    open_action_ = viewAction(this, "openRun", tr("Open a &Run…"),
                              tr("Show the record of a conversion (metrics.jsonl)"));
    other_action_ = viewAction(this, "openOtherRun", tr("Lay Another Run &Over It…"),
                               tr("Draw a second run dashed over the first"));
    close_other_action_ = viewAction(this, "closeOtherRun", tr("Close the Other R&un"), tr("Take the second run away"));
    other_action_->setEnabled(false);
    close_other_action_->setEnabled(false);
    connect(open_action_, &QAction::triggered, this, [this] { choose(false); });
    connect(other_action_, &QAction::triggered, this, [this] { choose(true); });
    connect(close_other_action_, &QAction::triggered, this, &RunMonitor::closeOther);
}

void RunMonitor::showNone()
{
    page_->showEmpty(tr("No run"),
                     tr("Open the folder of a conversion, finished or still going on, also one from another machine."),
                     open_action_);
}

void RunMonitor::closeOther()
{
    runs_[1].close();
    close_other_action_->setEnabled(false);
    redraw();
}

QWidget* RunMonitor::makeContent()
{
    auto* content = new QWidget;
    stage_ = new QComboBox;
    stage_->setAccessibleName(tr("Stage of the conversion"));
    stage_->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    chart_ = new QComboBox;
    chart_->setObjectName(QStringLiteral("runChart"));
    chart_->setAccessibleName(tr("What is drawn of the run"));
    const std::vector<std::pair<QString, Chart>> charts{{tr("Losses"), Chart::Losses},
                                                        {tr("Loss by budget"), Chart::Budgets},
                                                        {tr("Loss by budget over the steps"), Chart::BudgetsByStep},
                                                        {tr("Cost, asked and got"), Chart::Cost},
                                                        {tr("Surrogate error and gate"), Chart::Surrogate},
                                                        {tr("Temperature"), Chart::Temperature},
                                                        {tr("Entropy of the routers"), Chart::Entropy},
                                                        {tr("MLP width by layer"), Chart::MlpShares},
                                                        {tr("Heads by layer"), Chart::HeadShares}};
    for (const auto& [name, value] : charts) chart_->addItem(name, static_cast<int>(value));
    facts_ = new ElidedLabel;
    facts_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    findings_ = new QLabel;
    findings_->setWordWrap(true);
    findings_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    plot_ = new QCustomPlot;
    plot_->setObjectName(QStringLiteral("runPlot"));
    plot_->setAccessibleName(tr("Series of the run by step"));
    plot_->setMinimumHeight(fontMetrics().height() * 7);
    plot_->setInteractions(QCP::iRangeDrag | QCP::iRangeZoom);
    plot_->axisRect()->setupFullAxesBox();
    for (QCPAxis* axis : {plot_->xAxis2, plot_->yAxis2}) axis->setTicks(false);
    plot_->legend->setFillOrder(QCPLayoutGrid::foRowsFirst);
    keepNumbersApart(plot_);
    stylePlot(plot_, palette(), font());
    auto* bar = new QHBoxLayout;
    bar->addWidget(stage_);
    bar->addWidget(chart_);
    bar->addWidget(facts_, 1);
    legend_ = new ColorLegend;
    legend_->setScale(ColorMap::Sequential, {0, 1}, {}, [](double value) { return QLocale().toString(value, 'f', 1); });
    legend_->setToolTip(tr("Mean width, as a share of the full one"));
    legend_->hide();
    bar->addWidget(legend_);
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addLayout(bar);
    layout->addWidget(plot_, 1);
    layout->addWidget(findings_);
    connect(stage_, &QComboBox::currentIndexChanged, this, &RunMonitor::redraw);
    connect(chart_, &QComboBox::currentIndexChanged, this, &RunMonitor::redraw);
    return content;
}

void RunMonitor::setChart(Chart chart)
{
    chart_->setCurrentIndex(chart_->findData(static_cast<int>(chart)));
}

void RunMonitor::choose(bool other)
{
    askForFile(this, {FileQuestion::Kind::Folder, tr("Folder of a conversion"), {}, {}, {}},
               [this, other](const QString& folder) { open(folder, other); });
}

void RunMonitor::open(const QString& path, bool other)
{
    const RunFiles found = runFiles(path);
    if (found.files.isEmpty() && !found.waiting) {
        const Error error{ErrorCode::NotFound, path.toStdString() + ": there is no metrics.jsonl",
                          "Open the folder that flextron convert writes, or beside it OUT.work while it runs."};
        if (other) facts_->setFullText(QString::fromStdString(error.message));
        else page_->showError(tr("The run could not be opened"), error, open_action_);
        return;
    }
    runs_[other ? 1 : 0].open(path);
    if (!other) setNotice({}, nullptr);
    other_action_->setEnabled(true);
    close_other_action_->setEnabled(runs_[1].isOpen());
    page_->showLoading(tr("Reading"), {path, 0, 0, {}});
    poll();
    timer_.start();
    emit opened();
}

void RunMonitor::leave(const QString& path)
{
    if (runs_[1].path() == path) closeOther();
    if (runs_[0].path() != path) return;
    setNotice({}, nullptr);
    runs_[0] = runs_[1];
    listStages();
    closeOther();
    if (runs_[0].isOpen()) return poll();
    timer_.stop();
    other_action_->setEnabled(false);
    showNone();
}

void RunMonitor::setNotice(const QString& text, QAction* action)
{
    if (text == notice_ && action == notice_action_) return;
    notice_ = text;
    notice_action_ = action;
    if (runs_[0].isOpen()) showState();
}

void RunMonitor::poll()
{
    bool changed = false;
    bool more = false;
    for (RunReader& run : runs_) {
        changed |= run.poll();
        more |= run.more();
    }
    timer_.setInterval(more ? 0 : kPollMs); // a long record comes in pieces, and in between the window is served
    const bool shown = page_->state() == StatePage::State::Content || page_->state() == StatePage::State::Stale;
    if (log().lines() == 0) {
        if (!more) showState();
    } else if (changed || !shown) {
        listStages();
        redraw();
        showState();
    }
}

void RunMonitor::showState()
{
    if (log().lines() == 0)
        page_->showEmpty(tr("No steps yet"),
                         notice_.isEmpty() ? tr("The run has written nothing so far; it is looked at every second.")
                                           : notice_,
                         notice_.isEmpty() ? open_action_ : notice_action_.data());
    else if (notice_.isEmpty()) page_->showContent();
    else page_->showStale(notice_, notice_action_);
}

void RunMonitor::listStages()
{
    QStringList names;
    for (const RunStage& stage : log().stages()) names << stage.name;
    QStringList listed;
    for (int i = 0; i < stage_->count(); ++i) listed << stage_->itemText(i);
    if (listed == names) return;
    const QSignalBlocker quiet(stage_);
    stage_->clear();
    stage_->addItems(names);
    stage_->setCurrentIndex(stage_->count() - 1); // what is going on now
}

void RunMonitor::addLine(const RunSeries& series, const QString& name, int color, bool dashed)
{
    QCPGraph* graph = plot_->addGraph();
    graph->setData(QVector<double>(series.steps.begin(), series.steps.end()),
                   QVector<double>(series.values.begin(), series.values.end()), true);
    graph->setName(dashed ? tr("%1, other run").arg(name) : name);
    graph->setPen(QPen(seriesColor(color, palette()), dashed ? 1.2 : 1.8, dashed ? Qt::DashLine : Qt::SolidLine));
    constexpr std::size_t kFew = 40; // of few, each can be seen
    if (series.steps.size() <= kFew) graph->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssDisc, 5));
}

/// What each kind of widths came to when the validation texts were read last: loss against cost, a point a budget.
void RunMonitor::drawBudgets()
{
    int color = 0;
    std::map<QString, int> colors; // the same in both runs
    for (std::size_t run = 0; run < runs_.size(); ++run) {
        const RunStage* stage = runs_[run].log().stage(stage_->currentText());
        if (stage == nullptr) continue;
        std::map<QString, RunSeries> points;
        const auto last = lastValidation(*stage);
        const bool files = std::any_of(last.begin(), last.end(),
                                       [&](const auto& entry) { return entry.file != last.front().file; });
        for (const RunValidation& entry : last) {
            RunSeries& series = points[files ? entry.file + QStringLiteral(", ") + entry.widths : entry.widths];
            series.steps.push_back(entry.cost);
            series.values.push_back(entry.loss);
        }
        for (const auto& [name, series] : points) {
            const auto [at, fresh] = colors.try_emplace(name, color);
            if (fresh) ++color;
            addLine(series, name, at->second, run == 1);
        }
    }
    plot_->xAxis->setLabel(tr("cost, share of full"));
    plot_->yAxis->setLabel(tr("validation loss, nats"));
}

void RunMonitor::drawBudgetsByStep()
{
    for (std::size_t run = 0; run < runs_.size(); ++run) {
        const RunStage* stage = runs_[run].log().stage(stage_->currentText());
        if (stage == nullptr) continue;
        int color = 0;
        for (const auto& [name, series] : validationSeries(*stage)) {
            // The controls would make it unreadable; they stand in "Loss by budget".
            if (name.contains(QLatin1String("shuffled")) || name.contains(QLatin1String("static"))) continue;
            addLine(series, name, color++, run == 1);
        }
    }
    plot_->yAxis->setLabel(tr("validation loss, nats"));
}

void RunMonitor::drawLines(Chart chart)
{
    std::vector<std::pair<QString, QString>> keys;
    const RunStage* first = log().stage(stage_->currentText());
    if (first == nullptr) return;
    switch (chart) {
    case Chart::Losses:
        for (const auto& [key, series] : first->series) {
            if (key == QLatin1String("loss")) keys.emplace_back(key, tr("loss"));
            if (key.startsWith(QLatin1String("loss_"))) keys.emplace_back(key, key.mid(5).replace('_', ' '));
        }
        break;
    case Chart::Cost:
        keys = {{QStringLiteral("target"), tr("asked")},
                {QStringLiteral("cost_expected"), tr("expected")},
                {QStringLiteral("cost"), tr("drawn")}};
        break;
    case Chart::Surrogate:
        keys = {{QStringLiteral("surrogate_error"), tr("error")},
                {QStringLiteral("surrogate_threshold"), tr("threshold")},
                {QStringLiteral("gate_open"), tr("gate open")},
                {QStringLiteral("predicted"), tr("predicted loss")},
                {QStringLiteral("loss"), tr("loss")}};
        break;
    case Chart::Temperature: keys = {{QStringLiteral("temperature"), tr("temperature")}}; break;
    case Chart::Entropy: keys = {{QStringLiteral("entropy"), tr("mean entropy, nats")}}; break;
    case Chart::Budgets:
    case Chart::BudgetsByStep:
    case Chart::MlpShares:
    case Chart::HeadShares: break;
    }
    plot_->yAxis->setLabel(chart == Chart::Losses ? tr("nats a token")
                           : chart == Chart::Cost ? tr("share of full")
                           : keys.size() == 1     ? keys.front().second
                                                  : QString());
    for (std::size_t run = 0; run < runs_.size(); ++run) {
        const RunStage* stage = runs_[run].log().stage(stage_->currentText());
        if (stage == nullptr) continue;
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const RunSeries* series = stage->find(keys[i].first);
            if (series != nullptr) addLine(*series, keys[i].second, static_cast<int>(i), run == 1);
        }
    }
}

void RunMonitor::drawShares(SubBlock block)
{
    const RunStage* stage = log().stage(stage_->currentText());
    const int layers = log().layers();
    plot_->yAxis->setLabel(tr("layer"));
    legend_->show();
    if (stage == nullptr || layers == 0) return;
    const RunSeries any = meanWidth(*stage, block, 0);
    if (any.steps.empty()) return;
    constexpr int kColumns = 1000; // of a long run, every so many steps
    const int columns = std::min<int>(kColumns, static_cast<int>(any.steps.size()));
    auto* map = new QCPColorMap(plot_->xAxis, plot_->yAxis);
    map->data()->setSize(columns, layers);
    map->data()->setRange(QCPRange(any.steps.front(), std::max(any.steps.front() + 1, any.steps.back())),
                          QCPRange(0, std::max(1, layers - 1)));
    for (int layer = 0; layer < layers; ++layer) {
        const RunSeries mean = meanWidth(*stage, block, layer);
        for (int column = 0; column < columns; ++column) {
            const std::size_t at = static_cast<std::size_t>(column) * any.steps.size() /
                                   static_cast<std::size_t>(columns);
            map->data()->setCell(column, layer,
                                 at < mean.values.size() ? mean.values[at] : std::numeric_limits<double>::quiet_NaN());
        }
    }
    QCPColorGradient gradient;
    gradient.clearColorStops();
    for (std::size_t i = 0; i < kSequentialStops.size(); ++i)
        gradient.setColorStopAt(static_cast<double>(i) / (kSequentialStops.size() - 1), QColor(kSequentialStops[i]));
    gradient.setNanHandling(QCPColorGradient::nhTransparent);
    map->setGradient(gradient);
    map->setDataRange(QCPRange(0, 1));
    map->setInterpolate(false);
}

void RunMonitor::redraw()
{
    plot_->clearPlottables();
    legend_->hide();
    const bool shares = chart() == Chart::MlpShares || chart() == Chart::HeadShares;
    plot_->xAxis->setLabel(tr("step"));
    const auto ticker = [](bool whole) { return whole ? wholeNumbers() : QSharedPointer<QCPAxisTicker>::create(); };
    plot_->xAxis->setTicker(ticker(chart() != Chart::Budgets));
    plot_->yAxis->setTicker(ticker(shares));
    switch (chart()) {
    case Chart::MlpShares: drawShares(SubBlock::Mlp); break;
    case Chart::HeadShares: drawShares(SubBlock::Attention); break;
    case Chart::Budgets: drawBudgets(); break;
    case Chart::BudgetsByStep: drawBudgetsByStep(); break;
    default: drawLines(chart()); break;
    }
    plot_->rescaleAxes();
    if (plot_->graphCount() > 0) { // points at the rim are seen whole
        plot_->yAxis->scaleRange(1.1);
        plot_->xAxis->scaleRange(1.02);
    }
    if (shares) { // cells at the rim likewise
        plot_->yAxis->setRange(-0.5, log().layers() - 0.5);
        plot_->xAxis->setRange(plot_->xAxis->range().lower - 0.5, plot_->xAxis->range().upper + 0.5);
    }
    placeLegend();
    stylePlot(plot_, palette(), font());
    showFindings();
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

// Beside the lines, not over the newest ones; one line needs none, and none keeps its room.
void RunMonitor::placeLegend()
{
    QCPLayoutGrid* places = plot_->plotLayout();
    const bool wanted = plot_->graphCount() > 1;
    if (wanted == places->hasElement(0, 1)) return;
    if (wanted) {
        places->addElement(0, 1, plot_->legend);
        places->setColumnStretchFactor(1, 0.001);
    } else {
        places->take(plot_->legend);
        places->simplify();
    }
    plot_->legend->setVisible(wanted);
}

void RunMonitor::showFindings()
{
    const RunStage* stage = log().stage(stage_->currentText());
    if (stage == nullptr) return;
    const QLocale locale;
    QString facts = tr("step %1").arg(locale.toString(stage->last_step, 'f', 0));
    if (stage->tokens > 0) // the surrogate reads none
        facts += tr(", %1 tokens, %2 s of work")
                     .arg(locale.toString(stage->tokens, 'f', 0), locale.toString(stage->seconds, 'f', 0));
    if (plot_->plottableCount() == 0) facts += tr("; this stage has nothing of the kind");
    facts_->setFullText(facts);
    facts_->setToolTip(runs_[0].files().join(QLatin1Char('\n')));
    QStringList lines;
    for (const Collapse& collapse : collapsed(*stage))
        lines << tr("Layer %1 (%2) collapsed to %3 since step %4")
                     .arg(locale.toString(collapse.layer), collapse.block == SubBlock::Mlp ? tr("MLP") : tr("heads"),
                          locale.toString(collapse.width), locale.toString(collapse.since_step, 'f', 0));
    if (log().skipped() > 0) lines << tr("%1 lines could not be read").arg(locale.toString(log().skipped()));
    findings_->setText(lines.join(QLatin1Char('\n')));
    findings_->setVisible(!lines.isEmpty());
}

void RunMonitor::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (plot_ == nullptr || event->type() != QEvent::PaletteChange) return;
    if (log().lines() > 0) redraw();
    else stylePlot(plot_, palette(), font());
}

} // namespace flextron::ui
