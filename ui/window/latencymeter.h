// How late the window's thread is, measured by the program itself while a session is played on it.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include <QApplication>
#include <QElapsedTimer>
#include <QObject>
#include <QString>
#include <QTimer>

#include "engine/base/error.h"

namespace flextron::ui {

class MainWindow;

/// Notes what each handler of the window's thread takes of that thread's processor time. Without a meter it is a
/// QApplication.
class MeasuredApplication final : public QApplication {
public:
    using QApplication::QApplication;

    struct Handler {
        double cpu_ms = 0; ///< the worst one's
        int calls = 0;
    };
    void setMeasuring(bool on) { measuring_ = on; }
    /// Those that took longer than a frame, by the receiver's class and the event's number.
    [[nodiscard]] const std::map<QString, Handler>& slow() const { return slow_; }
    [[nodiscard]] double worstMs() const { return worst_ms_; }
    bool notify(QObject* receiver, QEvent* event) override;

private:
    bool measuring_ = false;
    int depth_ = 0;
    std::map<QString, Handler> slow_;
    double worst_ms_ = 0;
};

/// Loads, runs, drags with mouse events, pins, reads, exports and loads again, for as long as asked; then writes what
/// was measured as JSON and says that it is done.
class LatencyMeter final : public QObject {
    Q_OBJECT

public:
    LatencyMeter(MainWindow* window, MeasuredApplication* program, QString file, int seconds);
    void start();

signals:
    void finished();
    void failed(const flextron::Error& error);

private:
    struct Step {
        std::function<void()> act;
        std::function<bool()> done;
    };
    void makeSteps();
    void addDrag();
    void addReading();
    void addStep(std::function<void()> act, std::function<bool()> done);
    void addPause(int ms);
    void mouse(QEvent::Type type, double share);
    void poll();
    void finish();

    MainWindow* window_;
    MeasuredApplication* program_;
    QString file_;
    int seconds_;
    std::vector<Step> steps_;
    std::size_t next_ = 0;
    int cycles_ = 0;
    int most_panes_ = 0;
    bool waiting_ = false;
    QElapsedTimer pause_;
    QElapsedTimer since_start_;
    QElapsedTimer since_beat_;
    QElapsedTimer since_drag_;
    bool drag_unanswered_ = false;
    std::vector<double> late_ms_;
    std::vector<double> preview_ms_;
    QTimer heartbeat_;
    QTimer player_;
};

} // namespace flextron::ui
