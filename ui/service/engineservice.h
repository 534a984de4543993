// The one door between the window and the engine.
//
// Lives on the GUI thread and never blocks it: every call returns at once, answers come as signals. One long-lived
// thread does the work. Runs are told apart by id, and what comes late is dropped here, so no view ever sees a number
// of a run that is over. Stopping is an atomic flag that the engine polls: it takes effect within a layer's time, also
// while loading or reading a prompt.
#pragma once

#include <deque>
#include <optional>

#include <QObject>
#include <QTimer>

#include "ui/service/engineworker.h"
#include "ui/service/rundata.h"
#include "ui/service/workerthread.h"

namespace flextron::ui {

class EngineService final : public QObject {
    Q_OBJECT

public:
    explicit EngineService(EngineCalls calls = realEngine(), QObject* parent = nullptr);
    /// Cancels whatever runs and waits for the thread: at most about a layer's time.
    ~EngineService() override;

    /// Path of a folder or name of a bundled model; empty = the first bundled one. Stops what runs. The model that is
    /// open stays open until the new one is loaded, so a failure loses nothing.
    void load(const QString& model, const LoadOptions& options = {});
    void cancelLoad();
    /// Replaces a run in progress.
    RunId run(const RunRequest& request);
    /// Changes the live pane's choice between two tokens. Without a run in progress it does nothing.
    void retarget(const PaneChoice& choice);
    /// Cancels the run, if there is one. runFinished follows.
    void stop();
    /// Measures the quick latency table as soon as nothing runs; a run interrupts it, and it starts again after.
    void measureWhenIdle();
    void cancelMeasure();
    /// A table that was measured otherwise (a fuller one); modelChanged follows.
    void takeLatencyTable(const LatencyTable& table);
    /// Work besides runs (ui/service/inquiry.h makes it typed). It starts when nothing runs; a run or loading
    /// interrupts it, and it starts again after. Work of the same `kind` that waits or is under way is replaced without
    /// an answer; another model drops all of it likewise. Returns its id.
    quint64 submit(const QString& kind, EngineWork work);
    /// workFailed with Cancelled follows.
    void cancelWork(quint64 id);
    /// Tokens of a text; only the latest call is answered.
    void tokenize(const QString& text);
    void listModels();

    [[nodiscard]] bool loading() const { return load_cancel_.has_value(); }
    [[nodiscard]] bool running() const { return run_cancel_.has_value(); }
    [[nodiscard]] bool measuring() const { return measure_cancel_.has_value(); }
    [[nodiscard]] bool measureWanted() const { return measure_wanted_; }
    [[nodiscard]] bool working() const { return work_cancel_.has_value(); }
    [[nodiscard]] RunId currentRun() const { return run_id_; }
    /// Null before the first model.
    [[nodiscard]] const ModelInfoPtr& model() const { return model_; }

signals:
    void loadStarted(const QString& model);
    void loadProgress(const flextron::ui::LoadProgress& progress);
    void modelLoaded(const flextron::ui::ModelInfoPtr& model);
    /// Error::code is Cancelled when the user stopped it.
    void loadFailed(const QString& model, const flextron::Error& error);
    /// The same model knows more: a latency table was measured.
    void modelChanged(const flextron::ui::ModelInfoPtr& model);

    void runStarted(flextron::ui::RunId id, const flextron::ui::RunStart& start);
    void runEvents(flextron::ui::RunId id, const flextron::ui::RunBatch& batch);
    void runRetargeted(flextron::ui::RunId id, const flextron::ui::PlanInfo& plan);
    void retargetFailed(flextron::ui::RunId id, const flextron::Error& error);
    void runFinished(flextron::ui::RunId id, const flextron::ui::RunEnd& end);
    void runFailed(flextron::ui::RunId id, const flextron::Error& error);

    void measureStarted();
    void measureProgress(const flextron::ui::LoadProgress& progress);
    /// Not sent when a run interrupted it: it will start again.
    void measureEnded(const std::optional<flextron::Error>& error);

    void workProgress(quint64 id, const flextron::ui::LoadProgress& progress);
    void workDone(quint64 id, const flextron::ui::EngineAnswer& answer);
    void workFailed(quint64 id, const flextron::Error& error);

    void tokenized(int tokens, const QString& problem);
    void modelsListed(const std::vector<flextron::ui::ModelListEntry>& models);
    /// loading(), running(), measuring() or working() changed.
    void busyChanged();

private:
    void connectLoading();
    void connectRuns();
    void connectMeasuring();
    void connectWork();
    void startWork();
    void interruptWork();
    void endWork();
    void startWaiting();
    void endRun();
    void interruptMeasure();
    void startMeasure();
    void scheduleMeasure();

    /// Attempts are numbered over all work: an interrupted one may still end, and its answer is as good as a later
    /// one's.
    struct Work {
        quint64 id = 0;
        QString kind;
        EngineWork work;
        quint64 first_attempt = 0;
    };

    EngineWorker* worker_; // owned by the thread
    ModelInfoPtr model_;
    QString loading_model_;
    quint64 load_id_ = 0;
    RunId run_id_ = 0;
    quint64 measure_id_ = 0;
    quint64 tokenize_id_ = 0;
    std::deque<Work> work_; // the front one is under way, or next
    quint64 work_id_ = 0;
    quint64 attempt_ = 0;
    std::optional<CancelSource> work_cancel_;    // set while work is under way
    std::optional<CancelSource> load_cancel_;    // set while loading
    std::optional<CancelSource> run_cancel_;     // set while running
    std::optional<CancelSource> measure_cancel_; // set while measuring
    bool measure_wanted_ = false;
    QTimer idle_timer_;
    WorkerThread thread_; // last: stopped before anything else goes
};

} // namespace flextron::ui
