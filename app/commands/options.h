// Options that several commands share, and what becomes of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/commands/console.h"
#include "engine/base/error.h"
#include "engine/compute/device.h"
#include "engine/generate/generation.h"
#include "engine/generate/loaded_model.h"
#include "engine/routing/target.h"

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace flextron::cli {

/// Declares an option with a closed set of values, "a|b|c": shown in the help, checked, and offered by shell
/// completion.
CLI::Option* addChoice(CLI::App& command, const std::string& name, std::string& value, const std::string& values,
                       const std::string& what);
/// A number from `low` (itself included or not) to `high`; `expected` says it in words.
CLI::Option* rangeChecked(CLI::Option* option, double low, bool low_included, double high, const std::string& expected);
/// "--json"
void addJsonFlag(CLI::App& command, bool& json);
/// What --device asks for; UsageError.
DeviceRequest requestedDevice(const std::string& text);
/// The positional MODEL.
void addModel(CLI::App& command, std::string& model);

/// What costs are counted in, and by which table.
struct CountingOptions {
    std::string cost = "auto";
    std::string table;

    /// "--cost" and "--table"; `standard`: what "auto" means here.
    void declare(CLI::App& command, const std::string& group = "Cost",
                 const std::string& standard = "ms where there is a latency table, else flops");
    /// UsageError for options that contradict each other. `needs_ms`: the target is in milliseconds.
    void check(bool needs_ms) const;
    /// Leaves the model with the latency table that costs are to be counted by, or with none for FLOPs: the one in the
    /// file, measured on any machine; else that of the cache; else, where milliseconds are needed, one that is measured
    /// now and kept. Failure for a table of a model with other widths.
    void apply(Console& console, LoadedModel& model, bool needs_ms) const;
};

/// Which model, and where and how it runs.
struct RunOptions {
    std::string model;
    std::string device = "auto";
    std::string dtype = "auto";
    std::string weights = "auto";
    std::string kv_type = "auto";
    int threads = 0;
    std::uint64_t seed = 42;
    bool json = false;

    void declare(CLI::App& command);
    /// What --device, --dtype and --weights come to; UsageError for contradictions, and for weights that the reference
    /// does not hold where a command needs that backend.
    [[nodiscard]] LoadOptions loadOptions(BackendKind backend = BackendKind::Auto) const;
    /// Sets the threads, loads the model with progress, and remembers it in the recent list.
    [[nodiscard]] LoadedModel load(Console& console, const std::string& routers = {},
                                   BackendKind backend = BackendKind::Auto) const;
};

/// Which sub-network: one of five targets, the routing, and what is forced by hand.
struct TargetOptions {
    std::optional<double> budget;
    std::optional<double> latency_ms;
    std::string parameters;
    std::optional<double> quality;
    std::string subnet;
    std::string routing;
    std::string routers;
    std::string overrides;
    std::string kv;
    CountingOptions counting;
    std::string quality_text;
    int context = 256;

    void declare(CLI::App& command);
    /// Without the five targets: for a command that has its own way to say them.
    void declareRouting(CLI::App& command);
    [[nodiscard]] bool given() const { return targets() > 0 || !routing.empty() || !overrides.empty(); }
    /// UsageError when more than one target was given, or a way to count that contradicts it.
    void check() const;
    [[nodiscard]] Target target(const ModelConfig& config) const;
    [[nodiscard]] std::shared_ptr<const Overrides> readOverrides(const ModelConfig& config) const;
    /// --kv, or: own keys and values for fixed widths (nothing widens within one run), all of them for dynamic routing
    /// and overrides.
    [[nodiscard]] KvPolicy kvPolicy(bool fixed) const;
    /// The plan with the overrides in it. A target in milliseconds measures the latency table first where there is
    /// none.
    [[nodiscard]] ResolvedTarget resolve(Console& console, LoadedModel& model) const;
    [[nodiscard]] ResolvedTarget resolve(Console& console, LoadedModel& model, const Target& target) const;

private:
    [[nodiscard]] int targets() const;
};

/// The text to go on from.
struct PromptOptions {
    std::string text;
    std::string file;
    std::vector<TokenId> ids;

    void declare(CLI::App& command);
    [[nodiscard]] std::vector<TokenId> read(const LoadedModel& model) const;

private:
    CLI::Option* text_option_ = nullptr;
};

struct GenerateOptions {
    int max_tokens = 128;
    SamplerSettings sampler;
    std::vector<std::string> stop;

    void declare(CLI::App& command);
    [[nodiscard]] GenerationSettings settings(const Console& console, std::uint64_t seed) const;
};

/// A whole file, or standard input for "-".
std::string readTextFile(const std::string& file);
/// The model's tokenizer, or a Failure that says why there is none and what works without.
const Tokenizer& tokenizerOf(const LoadedModel& model);
/// Encodes with a message that names where the text came from.
std::vector<TokenId> encodeNamed(const Tokenizer& tokenizer, const std::string& text, const std::string& source,
                                 Tokenizer::EncodeOptions options = {});
/// Integers apart by commas or white space; a JSON list does, too.
std::vector<TokenId> readIdsFile(const std::string& file);
/// "1000", "26.8M", "1.2B"
std::int64_t parseCount(const std::string& text, const std::string& option);
/// Refuses a file that cannot be written before hours of work are lost.
void checkWritable(const std::string& file);

} // namespace flextron::cli
