#include "ui/service/engineworker.h"

#include <utility>

#include <QCoreApplication>
#include <QEvent>

#include "ui/service/enginetask.h"
#include "ui/service/modelinfo.h"

namespace flextron::ui {

namespace {

constexpr qint64 kFlushIntervalMs = 16; // about a screen's frame

LoadProgress toLoadProgress(const Progress& progress)
{
    return {QString::fromStdString(progress.stage), progress.done, progress.total,
            QString::fromStdString(progress.unit)};
}

/// Hands progress on at most once a frame, and always the first of a stage.
ProgressFn paced(std::function<void(const LoadProgress&)> emit_progress)
{
    struct Pace {
        QElapsedTimer timer;
        std::string stage;
    };
    auto pace = std::make_shared<Pace>();
    return [pace, emit_progress = std::move(emit_progress)](const Progress& progress) {
        const bool same_stage = pace->stage == progress.stage;
        if (pace->timer.isValid() && same_stage && pace->timer.elapsed() < kFlushIntervalMs) return;
        pace->timer.start();
        pace->stage = progress.stage;
        emit_progress(toLoadProgress(progress));
    };
}

} // namespace

struct EngineWorker::ActiveRun {
    RunId id = 0;
    CancelToken cancel;
    std::unique_ptr<EngineTask> task;
    QElapsedTimer since_flush;
};

EngineCalls realEngine()
{
    EngineCalls calls;
    calls.load = [](const std::string& model, const LoadOptions& options, const ProgressFn& progress,
                    const CancelToken& cancel) { return loadModel(model, options, progress, cancel); };
    calls.measure = [](const Backend& backend, const ProgressFn& progress, const CancelToken& cancel) {
        auto table = measureLatency(backend, MeasureOptions{}, progress, cancel);
        // A cache that cannot be written costs three seconds at the next start, no more: the table is good all the
        // same.
        if (table.ok()) static_cast<void>(writeLatencyTable(latencyTablePath(table->fingerprint), *table).ok());
        return table;
    };
    return calls;
}

EngineWorker::EngineWorker(EngineCalls calls) : calls_(std::move(calls)) {}

EngineWorker::~EngineWorker() = default;

namespace {

class Call final : public QEvent {
public:
    explicit Call(std::function<void(EngineWorker&)> call) : QEvent(kType), call_(std::move(call)) {}
    void operator()(EngineWorker& worker) const { call_(worker); }

    static const QEvent::Type kType;

private:
    std::function<void(EngineWorker&)> call_;
};
const QEvent::Type Call::kType = static_cast<QEvent::Type>(QEvent::registerEventType());

} // namespace

// What was written before is seen by the call: Qt's queue sees to that. The counter says so to a thread sanitizer too,
// which cannot look into Qt.
void EngineWorker::post(std::function<void(EngineWorker&)> call)
{
    auto* event = new Call(std::move(call)); // Qt's, once it is posted
    posts_.fetch_add(1, std::memory_order_release);
    QCoreApplication::postEvent(this, event);
}

bool EngineWorker::event(QEvent* event)
{
    static_cast<void>(posts_.load(std::memory_order_acquire));
    if (event->type() != Call::kType) return QObject::event(event);
    (*static_cast<Call*>(event))(*this);
    return true;
}

void EngineWorker::load(quint64 id, const QString& model, const LoadOptions& options, const CancelToken& cancel)
{
    if (run_) finish(true);
    const auto progress = paced([this, id](const LoadProgress& value) { emit loadProgress(id, value); });
    auto result = guarded([&] {
        auto opened = std::make_shared<LoadedModel>(
            calls_.load(model.toStdString(), options, progress, cancel).orThrow());
        cancel.throwIfCancelled();
        return std::pair(opened, describeModel(*opened));
    });
    if (!result.ok()) {
        emit loadFailed(id, result.error());
        return;
    }
    model_ = result->first;
    emit loaded(id, result->second);
    rememberModel(model_->checkpoint->folder());
    listModels();
}

void EngineWorker::start(RunId id, const RunRequest& request, const CancelToken& cancel)
{
    run_.reset(); // replaced: nobody waits for its end
    auto result = guarded([&] {
        cancel.throwIfCancelled();
        if (!model_) throw Failure(ErrorCode::InvalidArgument, "no model is open", "Open a model first.");
        auto run = std::make_unique<ActiveRun>();
        run->id = id;
        run->cancel = cancel;
        run->task = makeTask(model_, request);
        RunStart start = run->task->start();
        run_ = std::move(run);
        return start;
    });
    if (!result.ok()) {
        if (result.error().code == ErrorCode::Cancelled) emit runFinished(id, {.cancelled = true});
        else emit runFailed(id, result.error());
        return;
    }
    emit runStarted(id, *result);
    QMetaObject::invokeMethod(
        this, [this, id] { advance(id); }, Qt::QueuedConnection);
}

void EngineWorker::advance(RunId id)
{
    if (!run_ || run_->id != id) return; // replaced meanwhile
    const auto done = guarded([&] { run_->task->advance(run_->cancel); });
    if (!done.ok()) {
        if (done.error().code == ErrorCode::Cancelled) {
            finish(true);
            return;
        }
        flush();
        run_.reset();
        emit runFailed(id, done.error());
        return;
    }
    if (run_->task->finished()) {
        finish(false);
        return;
    }
    if (!run_->since_flush.isValid() || run_->since_flush.elapsed() >= kFlushIntervalMs) flush();
    QMetaObject::invokeMethod(
        this, [this, id] { advance(id); }, Qt::QueuedConnection);
}

void EngineWorker::flush()
{
    run_->since_flush.start();
    const RunBatch batch = run_->task->takeBatch();
    if (!batch.panes.empty()) emit runEvents(run_->id, batch);
}

void EngineWorker::finish(bool cancelled)
{
    flush();
    const RunId id = run_->id;
    const RunEnd end{cancelled, run_->task->kvBytes()};
    run_.reset();
    emit runFinished(id, end);
}

void EngineWorker::retarget(RunId id, const PaneChoice& choice)
{
    if (!run_ || run_->id != id) return;
    const auto plan = guarded([&] { return run_->task->retarget(choice); });
    if (!plan.ok()) emit retargetFailed(id, plan.error());
    else if (*plan) emit runRetargeted(id, **plan);
}

void EngineWorker::measure(quint64 id, const CancelToken& cancel)
{
    const auto progress = paced([this, id](const LoadProgress& value) { emit measureProgress(id, value); });
    auto result = guarded([&] {
        cancel.throwIfCancelled();
        if (!model_) throw Failure(ErrorCode::InvalidArgument, "no model is open", "Open a model first.");
        auto with_table = std::make_shared<LoadedModel>(*model_); // a run in progress keeps the one it started with
        with_table->latency = calls_.measure(*model_->backend, progress, cancel).orThrow();
        return std::pair(with_table, describeModel(*with_table));
    });
    if (!result.ok()) {
        emit measureFailed(id, result.error());
        return;
    }
    model_ = result->first;
    emit measured(id, result->second);
}

void EngineWorker::doWork(quint64 attempt, const EngineWork& work, const CancelToken& cancel)
{
    const auto progress = paced([this, attempt](const LoadProgress& value) { emit workProgress(attempt, value); });
    auto result = guarded([&] {
        cancel.throwIfCancelled();
        if (!model_) throw Failure(ErrorCode::InvalidArgument, "no model is open", "Open a model first.");
        return work(model_, progress, cancel).orThrow();
    });
    if (result.ok()) emit workDone(attempt, *result);
    else emit workFailed(attempt, result.error());
}

void EngineWorker::takeTable(quint64 id, const LatencyTable& table)
{
    if (!model_) return;
    auto with_table = std::make_shared<LoadedModel>(*model_); // a run in progress keeps the one it started with
    with_table->latency = table;
    model_ = with_table;
    emit measured(id, describeModel(*with_table));
}

void EngineWorker::tokenize(quint64 id, const QString& text)
{
    if (!model_) return;
    auto result = guarded([&] {
        requireTokenizer(*model_);
        return model_->tokenizer->encode(text.toStdString()).orThrow().size();
    });
    if (result.ok()) emit tokenized(id, static_cast<int>(*result), {});
    else emit tokenized(id, 0, QString::fromStdString(result.error().message));
}

void EngineWorker::listModels()
{
    std::vector<ModelListEntry> entries;
    auto listed = guarded([] { return flextron::listModels(); });
    if (listed.ok()) {
        for (const ModelEntry& entry : *listed) {
            entries.push_back(
                {QString::fromStdString(entry.name), QString::fromStdString(entry.folder.string()), entry.bundled});
        }
    }
    emit modelsListed(entries);
}

} // namespace flextron::ui
