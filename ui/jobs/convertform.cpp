#include "ui/jobs/convertform.h"

#include <csignal>

#include <QCloseEvent>
#include <QDir>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLocale>
#include <QScreen>
#include <QScrollArea>
#include <QTimer>
#include <QVBoxLayout>

#include "ui/jobs/jobtext.h"
#include "ui/parts/colors.h"
#include "ui/parts/elsewhere.h"
#include "ui/parts/format.h"
#include "ui/parts/viewaction.h"

namespace flextron::ui {

namespace {

constexpr int kKillMs = 3000; // an estimate that does not end when asked to is killed

QString factsText(const BaseFacts& base)
{
    const QLocale locale;
    QString text = ConvertForm::tr("%1 parameters, %2 layers, context %3")
                       .arg(formatCount(base.parameters), locale.toString(base.layers), locale.toString(base.context));
    if (base.converted) text += ConvertForm::tr("; it was converted already, and would be trained on from there");
    return text;
}

} // namespace

ConvertForm::ConvertForm(Jobs* jobs, const JobActions& actions, QWidget* parent)
    : QDialog(parent)
    , jobs_(jobs)
    , fields_(new ConvertFields)
{
    setObjectName(QStringLiteral("convertForm"));
    setWindowTitle(tr("Convert a Model"));
    setWhatsThis(
        tr("Makes a model elastic: sorts its neurons and heads, trains narrow widths and routers, and writes a "
           "new folder. The model itself stays as it is."));
    makeActions();
    auto* scroll = new QScrollArea;
    scroll->setWidget(fields_);
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setAccessibleName(tr("What to convert, and how"));
    estimate_text_ = new QLabel;
    estimate_text_->setWordWrap(true);
    estimate_text_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    estimate_text_->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    page_ = new StatePage(estimate_text_);
    page_->setMinimumHeight(fontMetrics().height() * 8);
    problem_ = new QLabel;
    problem_->setWordWrap(true);
    auto* buttons = new QHBoxLayout;
    buttons->addStretch(1);
    for (QAction* action : {estimate_action_, start_action_}) {
        auto* button = new ActionButton;
        button->setAction(action);
        button->setAutoDefault(false);
        buttons->addWidget(button);
    }
    auto* close = new QPushButton(tr("Close"));
    close->setAccessibleName(tr("Close the form"));
    close->setAutoDefault(false);
    buttons->addWidget(close);
    connect(close, &QPushButton::clicked, this, &QWidget::close);
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(new JobPanel(jobs, JobKind::Convert, actions));
    layout->addWidget(scroll, 1);
    layout->addWidget(page_);
    layout->addWidget(problem_);
    layout->addLayout(buttons);
    connect(fields_->advancedButton(), &QToolButton::toggled, this, [this, scroll](bool shown) {
        // When it has its size.
        if (shown) QTimer::singleShot(0, this, [this, scroll] { scroll->ensureWidgetVisible(fields_->advanced()); });
    });
    connect(fields_, &ConvertFields::edited, this, &ConvertForm::onEdited);
    connect(fields_, &ConvertFields::baseChosen, this, [this](const QString& folder) {
        if (folder.trimmed() != asked_base_) chooseBase(folder.trimmed(), true);
    });
    connect(jobs_, &Jobs::changed, this, &ConvertForm::updateState);
    const QSize room = parent != nullptr ? parent->screen()->availableSize() : QSize(1280, 720);
    resize(std::min(room.width() * 9 / 10, fontMetrics().averageCharWidth() * 105),
           std::min(room.height() * 9 / 10, fontMetrics().height() * 42));
    offer({}, ConvertPlan::What::Whole);
}

ConvertForm::~ConvertForm()
{
    endEstimate();
}

void ConvertForm::makeActions()
{
    estimate_action_ = viewAction(this, "estimateConversion", tr("&Estimate"),
                                  tr("Run three steps of every stage and say what it all takes; nothing is written"));
    cancel_action_ = viewAction(this, "cancelEstimate", tr("Cancel"), tr("Stop estimating"));
    start_action_ = viewAction(this, "startConversion", tr("&Start"),
                               tr("Convert; it goes on when the window is closed"));
    connect(estimate_action_, &QAction::triggered, this, [this] {
        start_after_ = false;
        runEstimate();
    });
    connect(cancel_action_, &QAction::triggered, this, [this] {
        endEstimate();
        updateState();
    });
    connect(start_action_, &QAction::triggered, this, &ConvertForm::start);
}

void ConvertForm::offer(const QString& base, ConvertPlan::What what)
{
    what_ = what;
    estimated_.reset();
    endEstimate();
    ConvertPlan plan = suggestedPlan({}, what);
    plan.base = base;
    plan.out.clear();
    fields_->setPlan(plan);
    chooseBase(base, true);
}

/// Opens the checkpoint on another thread; `suggest` fills in what depends on it.
void ConvertForm::chooseBase(const QString& folder, bool suggest)
{
    asked_base_ = folder;
    base_.reset();
    base_problem_.reset();
    fields_->setBaseText(folder.isEmpty()
                             ? tr("Any model in Hugging Face's layout, of the families that are opened here.")
                             : tr("Looking at it…"));
    updateState();
    if (folder.isEmpty()) return;
    elsewhere(
        this, [folder] { return readBase(folder); },
        [this, folder, suggest](const Result<BaseFacts>& base) {
            if (folder == asked_base_) showBase(base, suggest);
        });
}

void ConvertForm::showBase(const Result<BaseFacts>& base, bool suggest)
{
    if (!base.ok()) {
        base_problem_ = base.error();
        fields_->setBaseText({});
        updateState();
        return;
    }
    base_ = *base;
    fields_->setBaseText(factsText(*base_));
    if (suggest) {
        ConvertPlan plan = fields_->plan();
        const ConvertPlan suggested = suggestedPlan(*base_, plan.what);
        plan.base_tokens = suggested.base_tokens;
        plan.by_share = suggested.by_share;
        plan.tokens = suggested.tokens;
        plan.out = suggested.out;
        fields_->setPlan(plan);
    }
    updateState();
}

void ConvertForm::onEdited()
{
    const ConvertPlan plan = fields_->plan();
    failed_ = false;
    if (plan.base != asked_base_) {
        const bool model = QFileInfo::exists(plan.base + QStringLiteral("/config.json"));
        chooseBase(model ? plan.base : QString(), true);
    }
    if (plan.what != what_) { // the folder's name says what it is
        const QString before = suggestedOut(plan.base, what_);
        what_ = plan.what;
        if (plan.out == before) fields_->setOut(suggestedOut(plan.base, what_));
    }
    if (process_ && plan != estimated_plan_) endEstimate();
    updateState();
}

void ConvertForm::fail(const QString& title, const Error& error)
{
    failed_ = true;
    page_->showError(title, error, estimate_action_);
}

void ConvertForm::endEstimate()
{
    if (!process_) return;
    process_->disconnect(this);
    // It ends by itself in a moment; if not, it is killed. Its object outlives the form for that long.
    QProcess* process = process_.release();
    process->setParent(nullptr);
    if (process->state() == QProcess::NotRunning) {
        process->deleteLater();
        return;
    }
    connect(process, &QProcess::finished, process, &QObject::deleteLater);
    ::kill(static_cast<pid_t>(process->processId()), SIGINT);
    QTimer::singleShot(kKillMs, process, &QProcess::kill);
}

void ConvertForm::runEstimate()
{
    estimated_plan_ = fields_->plan();
    estimated_.reset();
    failed_ = false;
    if (jobs_->program().isEmpty()) {
        fail(tr("There can be no estimate"),
             {ErrorCode::NotFound, tr("the program “flextron” was not found beside this one").toStdString(),
              tr("Install both into the same folder, or build the target flextron.").toStdString()});
        return;
    }
    endEstimate();
    log_ = {};
    process_ = std::make_unique<QProcess>();
    process_->setProgram(jobs_->program());
    process_->setArguments(convertArguments(estimated_plan_, base_ ? base_->context : 0) +
                           QStringList{QStringLiteral("--dry-run")});
    process_->setStandardInputFile(QProcess::nullDevice());
    process_->setWorkingDirectory(QDir::homePath());
    process_->setProcessEnvironment(jobEnvironment());
    connect(process_.get(), &QProcess::readyReadStandardError, this, &ConvertForm::onEstimateOutput);
    connect(process_.get(), &QProcess::finished, this, &ConvertForm::onEstimated);
    connect(process_.get(), &QProcess::errorOccurred, this, [this](QProcess::ProcessError error) {
        if (error == QProcess::FailedToStart) onEstimated(-1);
    });
    process_->start();
    page_->showLoading(tr("Estimating"), {tr("starting"), 0, 0, {}}, cancel_action_);
    updateState();
}

void ConvertForm::onEstimateOutput()
{
    log_.feed(process_->readAllStandardError());
    const JobProgress& progress = log_.progress();
    page_->showLoading(tr("Estimating"),
                       {progress.stage, static_cast<std::uint64_t>(progress.done),
                        static_cast<std::uint64_t>(progress.total), progress.unit},
                       cancel_action_);
}

void ConvertForm::onEstimated(int exit_code)
{
    log_.feed(process_->readAllStandardError());
    const QByteArray output = process_->readAllStandardOutput();
    process_.release()->deleteLater();
    const bool go_on = std::exchange(start_after_, false);
    if (exit_code != 0 || log_.progress().error) {
        const QString said = log_.progress().last_text;
        fail(tr("The estimate failed"), log_.progress().error.value_or(Error{
                                            ErrorCode::Internal,
                                            tr("flextron ended without an answer%1")
                                                .arg(said.isEmpty() ? QString() : QStringLiteral(": ") + said)
                                                .toStdString(),
                                            tr("It may have run out of memory: try a smaller batch.").toStdString()}));
    } else if (const auto estimate = parseEstimate(output); !estimate.ok()) {
        fail(tr("The estimate failed"), estimate.error());
    } else {
        estimated_ = *estimate;
        estimate_text_->setText(estimateText(*estimated_));
        page_->showContent();
        if (go_on && estimated_->fits) return launch();
    }
    updateState();
}

void ConvertForm::start()
{
    const bool known = estimated_ && estimated_plan_ == fields_->plan();
    if (known) return launch();
    start_after_ = true;
    runEstimate();
}

void ConvertForm::launch()
{
    const ConvertPlan plan = fields_->plan();
    JobRecord job;
    job.kind = JobKind::Convert;
    job.title = (plan.what == ConvertPlan::What::Whole ? tr("Converting %1") : tr("Sorting %1"))
                    .arg(QFileInfo(QDir::cleanPath(plan.base)).fileName());
    job.folder = plan.out + QStringLiteral(".run");
    job.arguments = convertArguments(plan, base_ ? base_->context : 0);
    job.result = plan.out;
    if (estimated_ && estimated_plan_ == plan) job.plan = estimated_->stages;
    const auto started_job = jobs_->start(job);
    if (!started_job.ok()) {
        fail(tr("The conversion could not be started"), started_job.error());
        return;
    }
    updateState();
    emit started(plan.out);
}

/// The page, the line that says what is missing, and what can be pressed.
void ConvertForm::updateState()
{
    if (page_ == nullptr) return;
    const ConvertPlan plan = fields_->plan();
    const bool running = jobs_->alive();
    auto problem = problemOf(plan);
    if (!problem && base_problem_) problem = base_problem_;
    const bool waiting = !problem && !base_; // for the checkpoint to be looked at
    const bool estimating = process_ != nullptr;
    const bool current = estimated_ && estimated_plan_ == plan;
    estimate_action_->setEnabled(!problem && !waiting && !estimating && !running);
    start_action_->setEnabled(!problem && !waiting && !estimating && !running);
    start_action_->setText(current && !estimated_->fits ? tr("&Start Anyway") : tr("&Start"));
    problem_->setText(running   ? tr("A job is running; another one can start after it.")
                      : problem ? formatError(*problem)
                      : waiting ? tr("Looking at the model…")
                                : QString());
    problem_->setVisible(!problem_->text().isEmpty());
    QPalette colors = palette();
    colors.setColor(QPalette::WindowText, problem && !running ? cautionColor(palette()) : quietColor(palette()));
    problem_->setPalette(colors);
    if (estimating || failed_) return;
    if (!estimated_)
        page_->showEmpty(
            tr("No estimate yet"),
            tr("Estimate runs three steps of every stage, and says what time, memory and disk it all takes."), nullptr);
    else if (current) page_->showContent();
    else page_->showStale(tr("The estimate is of other settings."), estimate_action_);
}

void ConvertForm::changeEvent(QEvent* event)
{
    QDialog::changeEvent(event);
    // Folders may have come and gone while another window was in front.
    if (event->type() == QEvent::ActivationChange && isActiveWindow()) updateState();
}

void ConvertForm::closeEvent(QCloseEvent* event)
{
    endEstimate(); // nobody waits for it any more
    updateState();
    QDialog::closeEvent(event);
}

} // namespace flextron::ui
