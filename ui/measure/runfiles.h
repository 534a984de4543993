// Where a conversion's record lies while it runs, after it was interrupted, and when it is done; read as it grows.
#pragma once

#include <vector>

#include <QString>
#include <QStringList>

#include "ui/data/runlog.h"

namespace flextron::ui {

struct RunFiles {
    QStringList files;    ///< in order: what is done, then the stage that runs
    bool waiting = false; ///< there are none yet, but something that will write them
};
/// `path`: the folder that a conversion wrote or will write, its .work, .run or .job folder, or a file itself.
RunFiles runFiles(const QString& path);

/// A record that grows, and moves from folder to folder when a stage is done. Never a part of the old and the new one
/// at once: a record that has to be read again from its beginning takes the old one's place when that is done.
class RunReader {
public:
    void open(const QString& path);
    void close() { *this = {}; }
    [[nodiscard]] const QString& path() const { return path_; }
    [[nodiscard]] bool isOpen() const { return !path_.isEmpty(); }
    /// Reads at most a chunk; true when log() has changed.
    bool poll();
    /// There is more to read at once.
    [[nodiscard]] bool more() const { return more_; }
    [[nodiscard]] const RunLog& log() const { return log_; }
    [[nodiscard]] const QStringList& files() const { return files_; }

private:
    bool readSome(RunLog& into);
    QString path_;
    QStringList files_;
    std::vector<qint64> read_; ///< bytes of each file
    RunLog log_;
    RunLog again_;         ///< being read from its beginning
    bool reading_ = false; ///< again_ is not whole yet
    bool more_ = false;
};

} // namespace flextron::ui
