#include "ui/engineworker.h"

#include <algorithm>
#include <limits>

#include "ui/modelinfo.h"

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

std::vector<QString> promptPieces(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<TokenId>& ids)
{
    TextStream stream(tokenizer);
    std::vector<QString> pieces;
    pieces.reserve(ids.size());
    for (const TokenId id : ids) pieces.push_back(QString::fromStdString(stream.push(id)));
    return pieces;
}

void requireTokenizer(const LoadedModel& model)
{
    if (model.tokenizer) return;
    throw Failure(ErrorCode::Unsupported,
                  model.name + ": text cannot be read without a tokenizer: " +
                      (model.tokenizer_problem.empty() ? "none was found" : model.tokenizer_problem),
                  "Put the model's tokenizer.model or tokenizer.json into its folder and open it again.");
}

ResolvedTarget resolveFor(PaneSlot slot, const Target& live_target, const LoadedModel& model)
{
    Target full;
    full.kind = Target::Kind::Full;
    full.routing = Routing::Uniform;
    return resolveTarget(slot == PaneSlot::Full ? full : live_target, model.targetContext()).orThrow();
}

PaneBatch emptyBatch(PaneSlot slot)
{
    PaneBatch batch;
    batch.slot = slot;
    return batch;
}

} // namespace

struct EngineWorker::ActiveRun {
    RunId id = 0;
    CancelToken cancel;
    std::unique_ptr<Generation> generation;
    std::shared_ptr<const LoadedModel> model;
    std::vector<PaneSlot> order;    // by the generation's pane index
    std::vector<int> first_changed; // records from here on were not sent yet; int max = none
    std::vector<PaneBatch> waiting; // by pane
    QElapsedTimer since_flush;

    [[nodiscard]] int paneOf(PaneSlot slot) const
    {
        const auto found = std::find(order.begin(), order.end(), slot);
        return found == order.end() ? -1 : static_cast<int>(found - order.begin());
    }
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
        requireTokenizer(*model_);
        const auto prompt = model_->tokenizer->encode(request.inputs.prompt.toStdString()).orThrow();
        GenerationSettings settings;
        settings.sampler = request.inputs.sampler;
        settings.max_tokens = request.inputs.max_tokens;
        std::vector<PaneSpec> specs;
        std::vector<PlanInfo> plans;
        for (const PaneSlot slot : request.panes) {
            const ResolvedTarget resolved = resolveFor(slot, request.target, *model_);
            specs.push_back({slot == PaneSlot::Full ? "full" : "live", resolved.plan, resolved.routing});
            plans.push_back(describePlan(resolved, *model_));
        }
        auto run = std::make_unique<ActiveRun>();
        run->id = id;
        run->cancel = cancel;
        run->model = model_;
        run->order = request.panes;
        run->generation = Generation::start(model_, prompt, std::move(specs), std::move(settings)).orThrow();
        RunStart start;
        start.prompt_pieces = promptPieces(model_->tokenizer, prompt);
        for (std::size_t i = 0; i < request.panes.size(); ++i) {
            start.panes.push_back({request.panes[i], run->generation->trace(static_cast<int>(i)), plans[i]});
            run->waiting.push_back(emptyBatch(request.panes[i]));
        }
        run->first_changed.assign(request.panes.size(), std::numeric_limits<int>::max());
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
    auto events = run_->generation->step(run_->cancel);
    if (!events.ok()) {
        if (events.error().code == ErrorCode::Cancelled) {
            finish(true);
            return;
        }
        flush();
        run_.reset();
        emit runFailed(id, events.error());
        return;
    }
    collect(*events);
    if (run_->generation->finished()) {
        finish(false);
        return;
    }
    if (!run_->since_flush.isValid() || run_->since_flush.elapsed() >= kFlushIntervalMs) flush();
    QMetaObject::invokeMethod(
        this, [this, id] { advance(id); }, Qt::QueuedConnection);
}

void EngineWorker::collect(const std::vector<PaneEvent>& events)
{
    for (const PaneEvent& event : events) {
        const auto pane = static_cast<std::size_t>(event.pane);
        const int last = static_cast<int>(run_->generation->trace(event.pane).records.size()) - 1;
        int& first = run_->first_changed[pane];
        if (event.read_to > event.read_from) first = std::min(first, event.read_from);
        if (event.predicted) first = std::min(first, last);
        if (!event.text.empty()) run_->waiting[pane].texts.push_back({last, QString::fromStdString(event.text)});
        if (event.finished) run_->waiting[pane].finished = true;
    }
}

void EngineWorker::flush()
{
    run_->since_flush.start();
    RunBatch batch;
    for (std::size_t i = 0; i < run_->order.size(); ++i) {
        PaneBatch& waiting = run_->waiting[i];
        int& first = run_->first_changed[i];
        const Trace& trace = run_->generation->trace(static_cast<int>(i));
        const bool changed = first != std::numeric_limits<int>::max();
        if (!changed && waiting.texts.empty() && !waiting.finished) continue;
        const int count = static_cast<int>(trace.records.size());
        waiting.first_record = std::min(first, count);
        waiting.records.assign(trace.records.begin() + waiting.first_record, trace.records.end());
        waiting.timing = run_->generation->timing(static_cast<int>(i));
        waiting.stop_reason = trace.stop_reason;
        batch.panes.push_back(std::move(waiting));
        waiting = emptyBatch(run_->order[i]);
        first = std::numeric_limits<int>::max();
    }
    if (!batch.panes.empty()) emit runEvents(run_->id, batch);
}

void EngineWorker::finish(bool cancelled)
{
    flush();
    const RunId id = run_->id;
    const RunEnd end{cancelled, run_->generation->kvBytes()};
    run_.reset();
    emit runFinished(id, end);
}

void EngineWorker::retarget(RunId id, const Target& target)
{
    if (!run_ || run_->id != id) return;
    const int pane = run_->paneOf(PaneSlot::Live);
    if (pane < 0) return;
    auto result = guarded([&] {
        const ResolvedTarget resolved = resolveFor(PaneSlot::Live, target, *run_->model);
        run_->generation->setPlan(pane, resolved.plan, resolved.routing).orThrow();
        return describePlan(resolved, *run_->model);
    });
    if (result.ok()) emit runRetargeted(id, *result);
    else emit retargetFailed(id, result.error());
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
