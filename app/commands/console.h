// Where a command speaks: results to standard output, everything else to standard error.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"

namespace flextron::cli {

/// Keys stay in the order in which they were put in. Numbers are written in full precision in any locale.
using Json = nlohmann::ordered_json;

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kCancelled = 3 };

/// The command line itself makes no sense: exit code 2.
class UsageError final : public std::runtime_error {
public:
    explicit UsageError(const std::string& what, std::string hint = {})
        : std::runtime_error(what)
        , hint_(std::move(hint))
    {
    }
    [[nodiscard]] const std::string& hint() const { return hint_; }

private:
    std::string hint_;
};

/// The reader of our standard output has gone (`| head`): no failure, but nothing more to do.
class OutputClosed final : public std::exception {};

/// One for a run of the program. One thread.
class Console {
public:
    Console(CancelToken cancel, std::string command_line);
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;
    ~Console();

    [[nodiscard]] const CancelToken& cancel() const { return cancel_; }
    /// The command line as it was typed, quoted for a shell.
    [[nodiscard]] const std::string& commandLine() const { return command_line_; }

    /// Writes to standard output and flushes. Throws OutputClosed, or Failure(Io) for a full disk.
    void print(std::string_view text);
    void printJson(const Json& document);
    /// For a person at the terminal; nothing when standard error goes elsewhere.
    void note(const std::string& text);
    void warn(const std::string& text);
    /// "flextron: error: WHAT", then "hint: WHAT TO DO".
    void error(const std::string& what, const std::string& hint);

    /// A line that is written over, at most ten times a second, with the time left; on a terminal only.
    [[nodiscard]] ProgressFn progress();
    void clearProgress();

    /// "--progress-json": from now on standard error carries JSON lines for another program
    /// (docs/guide/command-line.md) in place of text for a person; progress at most once a second.
    void setProgressJson() { json_ = true; }
    /// The last of these lines; nothing without them.
    void end(int exit_code);

private:
    using Clock = std::chrono::steady_clock;
    void showProgress(const Progress& progress);
    void writeProgressLine(const Progress& progress, double elapsed);
    void writeEvent(const Json& event);

    CancelToken cancel_;
    std::string command_line_;
    bool terminal_ = false;
    bool json_ = false;
    bool line_shown_ = false;
    std::string stage_;
    Clock::time_point stage_began_;
    Clock::time_point last_shown_;
};

/// "3 s", "2 min 05 s", "1 h 10 min"
std::string durationText(double seconds);
/// "7.5M", "212.6M", "1.2B"
std::string countText(double count);
/// printf("%.*f") in the C locale
std::string fixedText(double value, int decimals);

} // namespace flextron::cli
