#include "ui/service/throttle.h"

namespace flextron::ui {

Throttle::Throttle(int interval_ms, std::function<void()> call, QObject* parent)
    : QObject(parent)
    , interval_ms_(interval_ms)
    , call_(std::move(call))
{
    timer_.setSingleShot(true);
    timer_.setTimerType(Qt::PreciseTimer);
    connect(&timer_, &QTimer::timeout, this, &Throttle::fire);
}

void Throttle::trigger()
{
    if (timer_.isActive()) return;
    const qint64 elapsed = since_last_.isValid() ? since_last_.elapsed() : interval_ms_;
    if (elapsed >= interval_ms_) fire();
    else timer_.start(static_cast<int>(interval_ms_ - elapsed));
}

void Throttle::flush()
{
    if (timer_.isActive()) fire();
}

void Throttle::cancel()
{
    timer_.stop();
}

void Throttle::fire()
{
    timer_.stop();
    since_last_.start();
    call_();
}

} // namespace flextron::ui
