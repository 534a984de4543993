// Replays what was written at the speed that each pane would have alone, or slower, so that a difference can be seen.
#pragma once

#include <array>
#include <vector>

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

#include "ui/data/comparison.h"

namespace flextron::ui {

/// A replay begins when a run has ended: panes that write together go at one speed, so only afterwards is it known what
/// each would have taken. Times are soloTimes() (panemath.h).
class Pace final : public QObject {
    Q_OBJECT

public:
    enum class Mode {
        Off,    ///< as the tokens come
        Real,   ///< each pane at its own speed
        Slow10, ///< ten times slower
        Slow50,
        Step, ///< a token of every pane at each step()
    };

    Pace(EngineService* service, Comparison* comparison, QObject* parent = nullptr);

    [[nodiscard]] Mode mode() const { return mode_; }
    /// Replays what is there, when there is something.
    void setMode(Mode mode);
    [[nodiscard]] bool replaying() const { return replaying_; }
    /// Records of the pane that a replay has come to; all of them when there is none.
    [[nodiscard]] int shown(PaneSlot slot) const;
    /// True once the replay has shown all of this pane.
    [[nodiscard]] bool ended(PaneSlot slot) const;
    void restart();
    void step();
    /// Shows everything.
    void finish();
    /// How many times slower than the pane alone; 0 when it follows no clock.
    [[nodiscard]] static int slowness(Mode mode);

signals:
    void shownChanged();
    void modeChanged();

private:
    void advance(double ms);

    EngineService* service_;
    Comparison* comparison_;
    Mode mode_ = Mode::Off;
    bool replaying_ = false;
    int steps_ = 0;
    std::array<std::vector<double>, kPaneSlots> times_; // ms, by new token
    std::array<int, kPaneSlots> released_{};            // new tokens
    QTimer timer_;
    QElapsedTimer clock_;
};

} // namespace flextron::ui
