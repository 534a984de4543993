// At most one call every so often, and never a lost last one.
#pragma once

#include <functional>

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

namespace flextron::ui {

/// The first call goes through at once; calls that follow too soon are joined into one when the interval has passed.
/// A debounce would wait for silence and show nothing while a slider moves; this shows the way.
class Throttle final : public QObject {
    Q_OBJECT

public:
    Throttle(int interval_ms, std::function<void()> call, QObject* parent = nullptr);

    /// Asks for a call.
    void trigger();
    /// Makes a waiting call now, if there is one.
    void flush();
    /// Forgets a waiting call.
    void cancel();
    [[nodiscard]] bool pending() const { return timer_.isActive(); }

private:
    void fire();

    int interval_ms_;
    std::function<void()> call_;
    QTimer timer_;
    QElapsedTimer since_last_;
};

} // namespace flextron::ui
