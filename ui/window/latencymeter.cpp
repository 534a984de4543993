#include "ui/window/latencymeter.h"

#include <algorithm>
#include <ctime>

#include <QAction>
#include <QDir>
#include <QJsonDocument>
#include <QJsonObject>
#include <QMouseEvent>
#include <QTemporaryDir>
#include <QThread>

#include "engine/base/files.h"
#include "ui/compare/promptpanel.h"
#include "ui/data/panemath.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/mainwindow.h"

namespace flextron::ui {

namespace {

constexpr int kBeatMs = 5;
constexpr double kFrameMs = 16;
constexpr int kPollMs = 25;
constexpr double kMsPerSecond = 1000;

double threadCpuMs()
{
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * kMsPerSecond + static_cast<double>(now.tv_nsec) * 1e-6;
}

} // namespace

bool MeasuredApplication::notify(QObject* receiver, QEvent* event)
{
    // Events of other threads come through here as well, on those threads.
    if (QThread::currentThread() != thread() || !measuring_ || depth_ > 0) return QApplication::notify(receiver, event);
    // Taken before: the receiver may be gone after.
    const char* name = receiver->metaObject()->className();
    const auto type = static_cast<int>(event->type());
    ++depth_;
    const double before = threadCpuMs();
    const bool handled = QApplication::notify(receiver, event);
    const double took = threadCpuMs() - before;
    --depth_;
    worst_ms_ = std::max(worst_ms_, took);
    if (took > kFrameMs) {
        Handler& slow = slow_[QStringLiteral("%1, event %2").arg(QLatin1String(name)).arg(type)];
        slow.cpu_ms = std::max(slow.cpu_ms, took);
        ++slow.calls;
    }
    return handled;
}

LatencyMeter::LatencyMeter(MainWindow* window, MeasuredApplication* program, QString file, int seconds)
    : QObject(window)
    , window_(window)
    , program_(program)
    , file_(std::move(file))
    , seconds_(seconds)
{
    heartbeat_.setTimerType(Qt::PreciseTimer);
    heartbeat_.setInterval(kBeatMs);
    connect(&heartbeat_, &QTimer::timeout, this, [this] {
        constexpr double kMsPerNs = 1e-6;
        late_ms_.push_back(std::max(0.0, static_cast<double>(since_beat_.nsecsElapsed()) * kMsPerNs - kBeatMs));
        since_beat_.restart();
    });
    player_.setInterval(kPollMs);
    connect(&player_, &QTimer::timeout, this, &LatencyMeter::poll);
    connect(window_->comparison(), &Comparison::paneGrew, this, [this](PaneSlot slot, const PaneBatch&) {
        const PaneData& live = window_->comparison()->pane(PaneSlot::Live);
        const bool first = slot == PaneSlot::Live && live.preview &&
                           static_cast<int>(live.trace.records.size()) > live.prompt_tokens;
        if (!first || !std::exchange(drag_unanswered_, false)) return;
        preview_ms_.push_back(static_cast<double>(since_drag_.nsecsElapsed()) * 1e-6);
    });
    makeSteps();
}

void LatencyMeter::addStep(std::function<void()> act, std::function<bool()> done)
{
    steps_.push_back({std::move(act), std::move(done)});
}

void LatencyMeter::addPause(int ms)
{
    addStep([this] { pause_.start(); }, [this, ms] { return pause_.elapsed() >= ms; });
}

void LatencyMeter::mouse(QEvent::Type type, double share)
{
    QWidget* slider = window_->subNetworkPanel()->latencySlider();
    const QPointF at(share * slider->width(), slider->height() / 3.0);
    const bool move = type == QEvent::MouseMove;
    const Qt::MouseButtons held = type == QEvent::MouseButtonRelease ? Qt::NoButton : Qt::LeftButton;
    QApplication::postEvent(slider, new QMouseEvent(type, at, slider->mapToGlobal(at),
                                                    move ? Qt::NoButton : Qt::LeftButton, held, Qt::NoModifier));
}

void LatencyMeter::addDrag()
{
    constexpr int kMoves = 12;
    const auto idle = [this] { return !window_->service()->running(); };
    addStep([this] { mouse(QEvent::MouseButtonPress, 0.98); }, [] { return true; });
    for (int i = 1; i <= kMoves; ++i) {
        addStep(
            [this, i] {
                if (!window_->service()->running()) {
                    since_drag_.start();
                    drag_unanswered_ = true;
                }
                mouse(QEvent::MouseMove, 0.98 - 0.06 * i);
            },
            idle);
        addPause(80); // as a hand that looks at what it does; the window previews at most so often
    }
    addStep([this] { mouse(QEvent::MouseButtonRelease, 0.3); }, [] { return true; });
    addPause(50);
    addStep([] {}, idle);
}

void LatencyMeter::addReading()
{
    constexpr int kWords = 1600; // about 2,000 tokens
    const auto idle = [this] { return !window_->service()->running(); };
    addStep(
        [this] {
            QString text;
            for (int i = 0; i < kWords / 8; ++i) text += QStringLiteral("Once upon a time there was a dragon. ");
            window_->promptPanel()->setPrompt(text);
            window_->comparison()->read();
        },
        idle);
    addPause(200);
    addStep([this] { window_->promptPanel()->setPrompt(QStringLiteral("Once upon a time")); }, [] { return true; });
}

void LatencyMeter::makeSteps()
{
    const auto idle = [this] { return !window_->service()->running() && !window_->service()->loading(); };
    addStep([this] { window_->comparison()->run(); }, idle);
    addDrag();
    for (int pin = 0; pin < 4; ++pin) addStep([this] { window_->comparison()->addPin(); }, idle);
    addStep([this] { window_->comparison()->run(); }, idle);
    addDrag();
    for (int token = 5; token < 25; token += 4) {
        addStep([this, token] { window_->selection()->selectToken(PaneSlot::Live, token, token % 8); },
                [] { return true; });
        addPause(60);
    }
    addReading();
    addStep(
        [this] {
            const QString folder = QDir::tempPath() +
                                   QStringLiteral("/flextron-measure-%1").arg(QCoreApplication::applicationPid());
            QDir().mkpath(folder);
            window_->files()->exportTexts(folder + QStringLiteral("/texts.txt"));
            window_->files()->saveSession(folder + QStringLiteral("/session.flextron"));
        },
        idle);
    addPause(200);
    addStep(
        [this] {
            window_->openModel(QString::fromStdString(window_->service()->model()->checkpoint->folder().string()));
        },
        idle);
    addPause(200);
}

void LatencyMeter::start()
{
    since_start_.start();
    since_beat_.start();
    program_->setMeasuring(true);
    heartbeat_.start();
    player_.start();
}

void LatencyMeter::poll()
{
    if (waiting_ && !steps_[next_].done()) return;
    if (waiting_) ++next_;
    waiting_ = false;
    if (next_ == steps_.size()) {
        next_ = 0;
        ++cycles_;
        if (since_start_.elapsed() >= seconds_ * kMsPerSecond) {
            finish();
            return;
        }
    }
    if (!window_->service()->model()) return; // still loading the first time
    steps_[next_].act();
    most_panes_ = std::max(most_panes_, static_cast<int>(window_->comparison()->order().size()));
    waiting_ = true;
}

void LatencyMeter::finish()
{
    heartbeat_.stop();
    player_.stop();
    program_->setMeasuring(false);
    QDir(QDir::tempPath() + QStringLiteral("/flextron-measure-%1").arg(QCoreApplication::applicationPid()))
        .removeRecursively();
    QJsonObject slow;
    for (const auto& [what, handler] : program_->slow())
        slow[what] = QJsonObject{{QStringLiteral("calls"), handler.calls},
                                 {QStringLiteral("cpu_ms_max"), handler.cpu_ms}};
    const QJsonObject report{
        {QStringLiteral("seconds"), static_cast<double>(since_start_.elapsed()) / kMsPerSecond},
        {QStringLiteral("cycles"), cycles_},
        {QStringLiteral("most_panes"), most_panes_},
        {QStringLiteral("model"), window_->service()->model() ? window_->service()->model()->name : QString()},
        {QStringLiteral("heartbeat"), QJsonObject{{QStringLiteral("interval_ms"), kBeatMs},
                                                  {QStringLiteral("n"), static_cast<qint64>(late_ms_.size())},
                                                  {QStringLiteral("late_ms_p50"), quantile(late_ms_, 0.5)},
                                                  {QStringLiteral("late_ms_p99"), quantile(late_ms_, 0.99)},
                                                  {QStringLiteral("late_ms_max"), quantile(late_ms_, 1.0)}}},
        {QStringLiteral("handler"), QJsonObject{{QStringLiteral("cpu_ms_max"), program_->worstMs()},
                                                {QStringLiteral("longer_than_a_frame"), slow}}},
        {QStringLiteral("slider_to_first_preview_token"),
         QJsonObject{{QStringLiteral("n"), static_cast<qint64>(preview_ms_.size())},
                     {QStringLiteral("ms_p50"), quantile(preview_ms_, 0.5)},
                     {QStringLiteral("ms_p95"), quantile(preview_ms_, 0.95)}}},
    };
    const auto written = writeFile(file_.toStdString(), QJsonDocument(report).toJson().toStdString());
    if (written.ok()) emit finished();
    else emit failed(written.error());
}

} // namespace flextron::ui
