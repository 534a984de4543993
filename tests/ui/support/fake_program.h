// A stand-in for the flextron program: a script that does what the test says and keeps what it was called with.
#pragma once

#include <csignal>

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include "engine/base/files.h"
#include "ui/jobs/jobs.h"

namespace flextron::test {

constexpr int kLongMs = 240'000; // processes on a busy machine

class FakeProgram {
public:
    FakeProgram()
    {
        // A shell cannot trap what was ignored when it began, as it is in what runs in the background of another one.
        std::signal(SIGINT, SIG_DFL);
        write(QStringLiteral("flextron"), kScript);
        QFile::setPermissions(path(), QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
        setMode("finish");
        setEstimate(R"({"stages": [{"name": "importance", "tokens": 10, "seconds": 2.0},)"
                    R"({"name": "elastic", "tokens": 100, "seconds": 8.0}], "memory_bytes": 1000000,)"
                    R"("available_memory_bytes": 4000000, "disk_bytes": 2000, "available_disk_bytes": 9000,)"
                    R"("fits": true, "problems": []})");
        QFile::remove(QString::fromStdString((dataFolder() / "current-job").string()));
    }
    /// A job that a failed test left must not run on.
    ~FakeProgram()
    {
        ui::Jobs jobs(path());
        jobs.find();
        if (jobs.alive()) ::kill(static_cast<pid_t>(jobs.job()->process.pid), SIGKILL);
        QFile::remove(QString::fromStdString((dataFolder() / "current-job").string()));
    }

    [[nodiscard]] QString path() const { return folder_.filePath(QStringLiteral("flextron")); }
    [[nodiscard]] QString folder() const { return folder_.path(); }
    /// "finish": a result and its end; "hang": until it is interrupted; "fail": an error; "crash": no word.
    void setMode(const QByteArray& mode) { write(QStringLiteral("mode"), mode); }
    void setEstimate(const QByteArray& json) { write(QStringLiteral("estimate"), json); }
    void setOutput(const QByteArray& json) { write(QStringLiteral("output"), json); }
    /// A line a call.
    [[nodiscard]] QStringList calls() const
    {
        QFile file(folder_.filePath(QStringLiteral("calls")));
        if (!file.open(QIODevice::ReadOnly)) return {};
        return QString::fromUtf8(file.readAll()).split(QLatin1Char('\n'), Qt::SkipEmptyParts);
    }

private:
    static constexpr const char* kScript = R"sh(#!/bin/bash
here=$(dirname "$0")
echo "$*" >> "$here/calls"
progress() { echo "{\"event\": \"progress\", \"stage\": \"$1\", \"done\": $2, \"total\": 100, \"unit\": \"tokens\", \"seconds_left\": 6}" >&2; }
end() { echo "{\"event\": \"end\", \"code\": $1}" >&2; exit $1; }
case " $* " in *" --dry-run "*)
    progress "timing elastic" 1
    [ "$(cat "$here/mode")" = fail ] && { echo '{"event": "error", "message": "base: is no model", "hint": "choose another"}' >&2; end 1; }
    cat "$here/estimate"
    end 0 ;;
esac
case $(cat "$here/mode") in
finish) progress elastic 100; cat "$here/output" 2>/dev/null; end 0 ;;
hang) trap 'end 3' INT; progress elastic 25; while :; do sleep 0.02; done ;;
fail) progress elastic 25; echo '{"event": "error", "message": "out: the disk is full", "hint": "free some space"}' >&2; end 1 ;;
crash) progress elastic 25; echo "terminate called" >&2; kill -9 $$ ;;
esac
)sh";
    void write(const QString& name, const QByteArray& bytes)
    {
        QFile file(folder_.filePath(name));
        if (file.open(QIODevice::WriteOnly)) file.write(bytes);
    }
    QTemporaryDir folder_;
};

} // namespace flextron::test
