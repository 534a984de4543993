#include "ui/service/engineservice.h"

#include <algorithm>

namespace flextron::ui {

namespace {
// A pause between runs is not idleness yet: the user may be about to drag the slider again.
constexpr int kIdleMs = 1500;
} // namespace

EngineService::EngineService(EngineCalls calls, QObject* parent)
    : QObject(parent)
    , worker_(new EngineWorker(std::move(calls)))
    , thread_(QStringLiteral("flextron-engine"))
{
    idle_timer_.setSingleShot(true);
    idle_timer_.setInterval(kIdleMs);
    connect(&idle_timer_, &QTimer::timeout, this, &EngineService::startMeasure);
    thread_.adopt(worker_);
    connectLoading();
    connectRuns();
    connectMeasuring();
    connectWork();
    connect(worker_, &EngineWorker::tokenized, this, [this](quint64 id, int tokens, const QString& problem) {
        if (id == tokenize_id_) emit tokenized(tokens, problem);
    });
    connect(worker_, &EngineWorker::modelsListed, this, &EngineService::modelsListed);
}

EngineService::~EngineService()
{
    for (auto* source : {&load_cancel_, &run_cancel_, &measure_cancel_, &work_cancel_}) {
        if (*source) (*source)->cancel();
    }
    disconnect(worker_, nullptr, this, nullptr);
    worker_->post([](EngineWorker&) {}); // it goes after what was done to it here
    thread_.stop();
}

void EngineService::connectLoading()
{
    connect(worker_, &EngineWorker::loadProgress, this, [this](quint64 id, const LoadProgress& progress) {
        if (id == load_id_ && load_cancel_) emit loadProgress(progress);
    });
    connect(worker_, &EngineWorker::loaded, this, [this](quint64 id, const ModelInfoPtr& model) {
        if (id != load_id_) return;
        load_cancel_.reset();
        model_ = model;
        work_.clear();
        emit modelLoaded(model_);
        emit busyChanged();
        startWaiting();
    });
    connect(worker_, &EngineWorker::loadFailed, this, [this](quint64 id, const Error& error) {
        if (id != load_id_) return;
        load_cancel_.reset();
        emit loadFailed(loading_model_, error);
        emit busyChanged();
        startWaiting();
    });
}

void EngineService::connectRuns()
{
    const auto current = [this](RunId id) { return id == run_id_ && run_cancel_; };
    connect(worker_, &EngineWorker::runStarted, this, [=, this](RunId id, const RunStart& start) {
        if (current(id)) emit runStarted(id, start);
    });
    connect(worker_, &EngineWorker::runEvents, this, [=, this](RunId id, const RunBatch& batch) {
        if (current(id)) emit runEvents(id, batch);
    });
    connect(worker_, &EngineWorker::runRetargeted, this, [=, this](RunId id, const PlanInfo& plan) {
        if (current(id)) emit runRetargeted(id, plan);
    });
    connect(worker_, &EngineWorker::retargetFailed, this, [=, this](RunId id, const Error& error) {
        if (current(id)) emit retargetFailed(id, error);
    });
    connect(worker_, &EngineWorker::runFinished, this, [=, this](RunId id, const RunEnd& end) {
        if (!current(id)) return;
        endRun();
        emit runFinished(id, end);
    });
    connect(worker_, &EngineWorker::runFailed, this, [=, this](RunId id, const Error& error) {
        if (!current(id)) return;
        endRun();
        emit runFailed(id, error);
    });
}

void EngineService::connectMeasuring()
{
    connect(worker_, &EngineWorker::measureProgress, this, [this](quint64 id, const LoadProgress& progress) {
        if (id == measure_id_ && measure_cancel_) emit measureProgress(progress);
    });
    connect(worker_, &EngineWorker::measured, this, [this](quint64 id, const ModelInfoPtr& model) {
        if (id != measure_id_) return;
        measure_cancel_.reset();
        measure_wanted_ = false;
        model_ = model;
        emit modelChanged(model_);
        emit measureEnded(std::nullopt);
        emit busyChanged();
        startWaiting();
    });
    connect(worker_, &EngineWorker::measureFailed, this, [this](quint64 id, const Error& error) {
        if (id != measure_id_ || !measure_cancel_) return;
        measure_cancel_.reset();
        measure_wanted_ = false;
        emit measureEnded(error);
        emit busyChanged();
        startWaiting();
    });
}

void EngineService::connectWork()
{
    const auto current = [this](quint64 attempt) {
        return !work_.empty() && attempt >= work_.front().first_attempt && work_.front().first_attempt > 0;
    };
    connect(worker_, &EngineWorker::workProgress, this, [=, this](quint64 attempt, const LoadProgress& progress) {
        if (current(attempt) && work_cancel_) emit workProgress(work_.front().id, progress);
    });
    connect(worker_, &EngineWorker::workDone, this, [=, this](quint64 attempt, const EngineAnswer& answer) {
        if (!current(attempt)) return;
        const quint64 id = work_.front().id;
        endWork();
        emit workDone(id, answer);
    });
    connect(worker_, &EngineWorker::workFailed, this, [=, this](quint64 attempt, const Error& error) {
        if (!current(attempt) || !work_cancel_ || attempt != attempt_) return; // interrupted: it starts again
        const quint64 id = work_.front().id;
        endWork();
        emit workFailed(id, error);
    });
}

quint64 EngineService::submit(const QString& kind, EngineWork work)
{
    const auto same = std::find_if(work_.begin(), work_.end(), [&](const Work& other) { return other.kind == kind; });
    if (same == work_.begin()) interruptWork();
    if (same != work_.end()) work_.erase(same);
    work_.push_back({++work_id_, kind, std::move(work), 0});
    startWork();
    return work_id_;
}

void EngineService::cancelWork(quint64 id)
{
    const auto found = std::find_if(work_.begin(), work_.end(), [id](const Work& work) { return work.id == id; });
    if (found == work_.end()) return;
    if (found == work_.begin() && work_cancel_) {
        work_cancel_->cancel();
        return;
    }
    work_.erase(found);
    emit workFailed(id, {ErrorCode::Cancelled, "cancelled", {}});
}

void EngineService::startWork()
{
    if (work_.empty() || work_cancel_ || loading() || running() || !model_) return;
    interruptMeasure();
    work_cancel_.emplace();
    ++attempt_;
    if (work_.front().first_attempt == 0) work_.front().first_attempt = attempt_;
    worker_->post([attempt = attempt_, work = work_.front().work,
                   cancel = work_cancel_->token()](EngineWorker& worker) { worker.doWork(attempt, work, cancel); });
    emit busyChanged();
}

void EngineService::interruptWork()
{
    if (!work_cancel_) return;
    work_cancel_->cancel();
    work_cancel_.reset();
}

void EngineService::endWork()
{
    work_.pop_front();
    work_cancel_.reset();
    startWaiting();
    emit busyChanged();
}

void EngineService::startWaiting()
{
    startWork();
    scheduleMeasure();
}

void EngineService::load(const QString& model, const LoadOptions& options)
{
    stop();
    interruptWork();
    interruptMeasure();
    measure_wanted_ = false;
    ++measure_id_; // a table of the old model comes too late
    if (load_cancel_) load_cancel_->cancel();
    load_cancel_.emplace();
    loading_model_ = model;
    const quint64 id = ++load_id_;
    worker_->post([id, model, options, cancel = load_cancel_->token()](EngineWorker& worker) {
        worker.load(id, model, options, cancel);
    });
    emit loadStarted(model);
    emit busyChanged();
}

void EngineService::cancelLoad()
{
    if (load_cancel_) load_cancel_->cancel();
}

RunId EngineService::run(const RunRequest& request)
{
    if (run_cancel_) run_cancel_->cancel();
    interruptWork();
    interruptMeasure();
    run_cancel_.emplace();
    const RunId id = ++run_id_;
    worker_->post(
        [id, request, cancel = run_cancel_->token()](EngineWorker& worker) { worker.start(id, request, cancel); });
    emit busyChanged();
    return id;
}

void EngineService::retarget(const PaneChoice& choice)
{
    if (!run_cancel_) return;
    worker_->post([id = run_id_, choice](EngineWorker& worker) { worker.retarget(id, choice); });
}

void EngineService::stop()
{
    if (run_cancel_) run_cancel_->cancel();
}

void EngineService::endRun()
{
    run_cancel_.reset();
    emit busyChanged();
    startWaiting();
}

void EngineService::measureWhenIdle()
{
    measure_wanted_ = true;
    scheduleMeasure();
}

void EngineService::cancelMeasure()
{
    measure_wanted_ = false;
    idle_timer_.stop();
    if (measure_cancel_) measure_cancel_->cancel();
}

void EngineService::takeLatencyTable(const LatencyTable& table)
{
    interruptMeasure();
    const quint64 id = ++measure_id_;
    worker_->post([id, table](EngineWorker& worker) { worker.takeTable(id, table); });
}

void EngineService::scheduleMeasure()
{
    if (measure_wanted_ && !loading() && !running() && !measuring() && !working()) idle_timer_.start();
}

void EngineService::interruptMeasure()
{
    idle_timer_.stop();
    if (!measure_cancel_) return;
    measure_cancel_->cancel();
    measure_cancel_.reset(); // measure_wanted_ stays; a table that was just ready is still taken
}

void EngineService::startMeasure()
{
    if (!measure_wanted_ || loading() || running() || measuring() || working() || !model_) return;
    measure_cancel_.emplace();
    const quint64 id = ++measure_id_;
    worker_->post([id, cancel = measure_cancel_->token()](EngineWorker& worker) { worker.measure(id, cancel); });
    emit measureStarted();
    emit busyChanged();
}

void EngineService::tokenize(const QString& text)
{
    worker_->post([id = ++tokenize_id_, text](EngineWorker& worker) { worker.tokenize(id, text); });
}

void EngineService::listModels()
{
    worker_->post([](EngineWorker& worker) { worker.listModels(); });
}

} // namespace flextron::ui
