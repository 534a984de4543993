// The engine's side of the service: lives on the engine thread, does one thing at a time.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>

#include <QElapsedTimer>
#include <QObject>

#include "engine/base/cancellation.h"
#include "engine/base/progress.h"
#include "engine/generate/loaded_model.h"
#include "ui/service/rundata.h"

namespace flextron::ui {

/// The engine's long calls, so that tests can put others in their place. Called on the engine thread.
struct EngineCalls {
    std::function<Result<LoadedModel>(const std::string& model, const LoadOptions& options, const ProgressFn& progress,
                                      const CancelToken& cancel)>
        load;
    std::function<Result<LatencyTable>(const Backend& backend, const ProgressFn& progress, const CancelToken& cancel)>
        measure;
};
/// loadModel and the quick measureLatency, the latter kept in the user's cache.
EngineCalls realEngine();

/// What work came to; who asked knows its type (ui/service/inquiry.h).
using EngineAnswer = std::shared_ptr<const void>;
/// Work besides runs: scoring a text, a response curve. Called on the engine thread; polls `cancel`.
using EngineWork = std::function<Result<EngineAnswer>(const std::shared_ptr<const LoadedModel>& model,
                                                      const ProgressFn& progress, const CancelToken& cancel)>;

/// A run advances one step per event, so that a new target or another request is seen between two tokens; what must not
/// wait (stop) comes through CancelTokens. All functions but post() are for the engine's thread.
class EngineWorker final : public QObject {
    Q_OBJECT

public:
    explicit EngineWorker(EngineCalls calls);
    ~EngineWorker() override;

    /// Any thread: queues `call` on the worker's.
    void post(std::function<void(EngineWorker&)> call);

    void load(quint64 id, const QString& model, const LoadOptions& options, const CancelToken& cancel);
    void start(RunId id, const RunRequest& request, const CancelToken& cancel);
    void retarget(RunId id, const PaneChoice& choice);
    void measure(quint64 id, const CancelToken& cancel);
    void takeTable(quint64 id, const LatencyTable& table);
    void doWork(quint64 attempt, const EngineWork& work, const CancelToken& cancel);
    void tokenize(quint64 id, const QString& text);
    void listModels();

signals:
    void loadProgress(quint64 id, const flextron::ui::LoadProgress& progress);
    void loaded(quint64 id, const flextron::ui::ModelInfoPtr& model);
    void loadFailed(quint64 id, const flextron::Error& error);

    void runStarted(flextron::ui::RunId id, const flextron::ui::RunStart& start);
    void runRetargeted(flextron::ui::RunId id, const flextron::ui::PlanInfo& plan);
    void retargetFailed(flextron::ui::RunId id, const flextron::Error& error);
    void runEvents(flextron::ui::RunId id, const flextron::ui::RunBatch& batch);
    void runFinished(flextron::ui::RunId id, const flextron::ui::RunEnd& end);
    void runFailed(flextron::ui::RunId id, const flextron::Error& error);

    void measureProgress(quint64 id, const flextron::ui::LoadProgress& progress);
    void measured(quint64 id, const flextron::ui::ModelInfoPtr& model);
    void measureFailed(quint64 id, const flextron::Error& error);

    void workProgress(quint64 attempt, const flextron::ui::LoadProgress& progress);
    void workDone(quint64 attempt, const flextron::ui::EngineAnswer& answer);
    void workFailed(quint64 attempt, const flextron::Error& error);

    void tokenized(quint64 id, int tokens, const QString& problem);
    void modelsListed(const std::vector<flextron::ui::ModelListEntry>& models);

private:
    struct ActiveRun;
    void advance(RunId id);
    void flush();
    void finish(bool cancelled);
    bool event(QEvent* event) override;

    EngineCalls calls_;
    std::atomic<unsigned> posts_ = 0;
    std::shared_ptr<const LoadedModel> model_;
    std::unique_ptr<ActiveRun> run_;
};

} // namespace flextron::ui
