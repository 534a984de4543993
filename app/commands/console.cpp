#include "app/commands/console.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include <unistd.h>

#include "engine/base/system.h"

namespace flextron::cli {

namespace {

std::string oneLine(std::string text)
{
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

void writeStderr(std::string_view text)
{
    // Standard error may be closed; there is nobody left to tell.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string scaled(double value, std::initializer_list<std::pair<double, const char*>> units)
{
    for (const auto& [size, name] : units)
        if (value >= size) return fixedText(value / size, value / size < 99.95 ? 1 : 0) + name;
    return fixedText(value, 0);
}

bool isScalarList(const Json& value)
{
    return value.is_array() &&
           std::all_of(value.begin(), value.end(), [](const Json& entry) { return entry.is_primitive(); });
}

/// Indented, but a list of numbers or words stands on one line.
void writeJson(std::string& text, const Json& value, const std::string& indent)
{
    if (!value.is_structured() || value.empty() || isScalarList(value)) {
        text += value.dump(-1, ' ', false, Json::error_handler_t::replace);
        return;
    }
    const std::string inner = indent + "  ";
    text += value.is_array() ? '[' : '{';
    bool first = true;
    for (const auto& [key, entry] : value.items()) {
        text += first ? "\n" : ",\n";
        first = false;
        text += inner;
        if (value.is_object()) {
            text += Json(key).dump();
            text += ": ";
        }
        writeJson(text, entry, inner);
    }
    text += '\n';
    text += indent;
    text += value.is_array() ? ']' : '}';
}

} // namespace

Console::Console(CancelToken cancel, std::string command_line)
    : cancel_(std::move(cancel))
    , command_line_(std::move(command_line))
    , terminal_(::isatty(STDERR_FILENO) != 0)
{
}

Console::~Console()
{
    clearProgress();
}

void Console::print(std::string_view text)
{
    clearProgress();
    while (!text.empty()) {
        const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EPIPE) throw OutputClosed();
        if (written < 0)
            throw Failure(ErrorCode::Io, std::string("standard output: ") + std::strerror(errno),
                          "free some space, or send the output elsewhere");
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

void Console::printJson(const Json& document)
{
    std::string text;
    writeJson(text, document, "");
    text += '\n';
    print(text);
}

void Console::note(const std::string& text)
{
    if (json_) return writeEvent({{"event", "note"}, {"message", text}});
    if (!terminal_) return;
    clearProgress();
    writeStderr(text + "\n");
}

void Console::warn(const std::string& text)
{
    if (json_) return writeEvent({{"event", "warning"}, {"message", text}});
    clearProgress();
    writeStderr("flextron: warning: " + oneLine(text) + "\n");
}

void Console::error(const std::string& what, const std::string& hint)
{
    if (json_) return writeEvent({{"event", "error"}, {"message", what}, {"hint", hint}});
    clearProgress();
    writeStderr("flextron: error: " + oneLine(what) + "\n" + (hint.empty() ? "" : "hint: " + oneLine(hint) + "\n"));
}

void Console::end(int exit_code)
{
    if (json_) writeEvent({{"event", "end"}, {"code", exit_code}});
}

void Console::writeEvent(const Json& event)
{
    writeStderr(event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Console::writeProgressLine(const Progress& progress, double elapsed)
{
    Json event{{"event", "progress"},     {"stage", progress.stage}, {"done", progress.done},
               {"total", progress.total}, {"unit", progress.unit},   {"seconds", elapsed}};
    if (progress.total > 0 && progress.done > 0 && elapsed > 1.0)
        event["seconds_left"] = elapsed *
                                static_cast<double>(progress.total - std::min(progress.done, progress.total)) /
                                static_cast<double>(progress.done);
    writeEvent(event);
}

ProgressFn Console::progress()
{
    if (!terminal_ && !json_) return {};
    return [this](const Progress& progress) { showProgress(progress); };
}

void Console::showProgress(const Progress& progress)
{
    const auto now = Clock::now();
    const auto pause = std::chrono::milliseconds(json_ ? 1000 : 100);
    if (progress.stage != stage_) {
        stage_ = progress.stage;
        stage_began_ = now;
    } else if (now - last_shown_ < pause && progress.done != progress.total) {
        return;
    }
    last_shown_ = now;
    if (json_) return writeProgressLine(progress, std::chrono::duration<double>(now - stage_began_).count());
    std::string line = progress.stage;
    const auto done = static_cast<double>(progress.done);
    const auto total = static_cast<double>(progress.total);
    const auto count = [&](double value) {
        return progress.unit == "bytes" ? formatBytes(static_cast<std::int64_t>(value)) : fixedText(value, 0);
    };
    if (progress.total > 0) {
        line += ": " + fixedText(100.0 * done / total, 0) + " % (" + count(done) + " of " + count(total);
        line += (progress.unit == "bytes" ? "" : " " + progress.unit) + ")";
        const double elapsed = std::chrono::duration<double>(now - stage_began_).count();
        if (done > 0 && elapsed > 1.0) line += ", " + durationText(elapsed * (total - done) / done) + " left";
    } else if (progress.done > 0) {
        line += ": " + count(done) + (progress.unit == "bytes" ? "" : " " + progress.unit);
    }
    writeStderr("\r\x1b[K" + line);
    line_shown_ = true;
}

void Console::clearProgress()
{
    if (!line_shown_) return;
    writeStderr("\r\x1b[K");
    line_shown_ = false;
}

std::string durationText(double seconds)
{
    const auto total = static_cast<long long>(std::ceil(std::max(seconds, 0.0)));
    std::array<char, 64> text{};
    if (total < 60) std::snprintf(text.data(), text.size(), "%lld s", total);
    else if (total < 3600) std::snprintf(text.data(), text.size(), "%lld min %02lld s", total / 60, total % 60);
    else std::snprintf(text.data(), text.size(), "%lld h %02lld min", total / 3600, total / 60 % 60);
    return text.data();
}

std::string countText(double count)
{
    return scaled(count, {{1e9, "B"}, {1e6, "M"}, {1e3, "K"}});
}

std::string fixedText(double value, int decimals)
{
    if (!std::isfinite(value)) return std::isnan(value) ? "-" : "inf";
    std::array<char, 400> buffer{};
    const auto [end, problem] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                              std::chars_format::fixed, decimals);
    return problem == std::errc() ? std::string(buffer.data(), end) : std::string("?");
}

} // namespace flextron::cli
