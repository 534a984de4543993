#include "ui/compare/pace.h"

#include <algorithm>

#include "ui/data/panemath.h"

namespace flextron::ui {

namespace {
constexpr int kFrameMs = 16;
} // namespace

Pace::Pace(EngineService* service, Comparison* comparison, QObject* parent)
    : QObject(parent)
    , service_(service)
    , comparison_(comparison)
{
    timer_.setInterval(kFrameMs);
    connect(&timer_, &QTimer::timeout, this, [this] { advance(static_cast<double>(clock_.elapsed())); });
    connect(comparison_, &Comparison::paneReset, this, &Pace::finish);
    connect(service_, &EngineService::runFinished, this, [this](RunId, const RunEnd& end) {
        if (mode_ != Mode::Off && !end.cancelled && !comparison_->pane(PaneSlot::Live).preview) restart();
    });
}

int Pace::slowness(Mode mode)
{
    switch (mode) {
    case Mode::Off:
    case Mode::Step: return 0;
    case Mode::Real: return 1;
    case Mode::Slow10: return 10;
    case Mode::Slow50: return 50;
    }
    return 0;
}

void Pace::setMode(Mode mode)
{
    if (mode == mode_) return;
    mode_ = mode;
    emit modeChanged();
    if (mode_ == Mode::Off) finish();
    else if (!service_->running()) restart();
}

int Pace::shown(PaneSlot slot) const
{
    const PaneData& pane = comparison_->pane(slot);
    const int all = static_cast<int>(pane.pieces.size());
    return replaying_ ? std::min(all, pane.prompt_tokens + released_[static_cast<std::size_t>(slot)]) : all;
}

bool Pace::ended(PaneSlot slot) const
{
    return shown(slot) == static_cast<int>(comparison_->pane(slot).pieces.size());
}

void Pace::restart()
{
    bool anything = false;
    for (const PaneSlot slot : comparison_->order()) {
        const PaneData& pane = comparison_->pane(slot);
        auto& times = times_[static_cast<std::size_t>(slot)];
        times = soloTimes(pane.trace, pane.prompt_tokens, tableFor(pane.trace, service_->model()));
        anything = anything || !times.empty();
    }
    released_.fill(0);
    steps_ = 0;
    replaying_ = anything && mode_ != Mode::Off;
    if (replaying_ && slowness(mode_) > 0) {
        clock_.start();
        timer_.start();
    } else {
        timer_.stop();
    }
    emit shownChanged();
}

void Pace::step()
{
    if (!replaying_) restart();
    if (!replaying_ || mode_ != Mode::Step) return;
    ++steps_;
    bool more = false;
    for (const PaneSlot slot : comparison_->order()) {
        const auto at = static_cast<std::size_t>(slot);
        released_[at] = std::min(steps_, static_cast<int>(times_[at].size()));
        more = more || released_[at] < static_cast<int>(times_[at].size());
    }
    if (more) emit shownChanged();
    else finish();
}

void Pace::advance(double ms)
{
    const double now = ms / slowness(mode_);
    bool more = false;
    bool changed = false;
    for (const PaneSlot slot : comparison_->order()) {
        const auto at = static_cast<std::size_t>(slot);
        const auto& times = times_[at];
        const auto released = static_cast<int>(std::upper_bound(times.begin(), times.end(), now) - times.begin());
        changed = changed || released != released_[at];
        released_[at] = released;
        more = more || released < static_cast<int>(times.size());
    }
    if (!more) finish();
    else if (changed) emit shownChanged();
}

void Pace::finish()
{
    if (!replaying_) return;
    timer_.stop();
    replaying_ = false;
    emit shownChanged();
}

} // namespace flextron::ui
