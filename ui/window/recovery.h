// The session as it stands, kept beside, so that a crash loses nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <QLockFile>
#include <QObject>
#include <QTimer>

#include "ui/window/session.h"

namespace flextron::ui {

/// One window at a time keeps it: a second one finds the lock taken and keeps nothing. Written on another thread.
class Recovery final : public QObject {
    Q_OBJECT

public:
    Recovery(std::function<Session()> current, QObject* parent = nullptr);
    ~Recovery() override;

    /// What a start before this one left behind; only that of one that was never closed.
    [[nodiscard]] const std::optional<Session>& found() const { return found_; }
    /// Keeps the session now if it has changed; otherwise every few seconds.
    void keep();
    /// The window closes as it should: nothing is left behind.
    void close();
    static QString file();

private:
    std::function<Session()> current_;
    std::unique_ptr<QLockFile> lock_;
    std::optional<Session> found_;
    QByteArray kept_;
    QTimer timer_;
};

} // namespace flextron::ui
