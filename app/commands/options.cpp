#include "app/commands/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>
#include <iterator>
#include <sstream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "engine/base/files.h"
#include "engine/base/numbers.h"
#include "engine/latency/latency_table.h"

namespace flextron::cli {

namespace {

std::vector<std::string> splitAt(const std::string& text, char separator)
{
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

/// A value that the command line gave and the engine cannot read is a matter of usage.
template <class T> T understood(Result<T> result)
{
    if (!result.ok()) throw UsageError(result.error().message, result.error().hint);
    return std::move(result).value();
}

void requireWidths(const LatencyTable& table, const ModelConfig& config, const std::string& file)
{
    const LayerSizes full = config.maxSizes();
    const int mlp = table.mlp_widths.back(), heads = table.head_counts.back();
    if (mlp == full.intermediate_size && heads == full.num_attention_heads) return;
    throw Failure(ErrorCode::InvalidArgument,
                  file + ": the table goes up to " + std::to_string(mlp) + " neurons and " + std::to_string(heads) +
                      " heads; this model has " + std::to_string(full.intermediate_size) + " and " +
                      std::to_string(full.num_attention_heads),
                  "give a table that was measured with this model");
}

} // namespace

CLI::Option* rangeChecked(CLI::Option* option, double low, bool low_included, double high, const std::string& expected)
{
    return option->check(CLI::Validator(
        [=](const std::string& text) -> std::string {
            double value = 0;
            const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
            const bool number = problem == std::errc() && end == text.data() + text.size() && std::isfinite(value);
            if (number && (low_included ? value >= low : value > low) && value <= high) return {};
            return "expected " + expected + ", found " + text;
        },
        ""));
}

CLI::Option* addChoice(CLI::App& command, const std::string& name, std::string& value, const std::string& values,
                       const std::string& what)
{
    return command.add_option(name, value, what)
        ->type_name(values)
        ->check(CLI::Validator(
            [values](const std::string& text) -> std::string {
                const auto known = splitAt(values, '|');
                if (std::find(known.begin(), known.end(), text) != known.end()) return {};
                return "expected " + values + ", found " + text;
            },
            ""));
}

void addJsonFlag(CLI::App& command, bool& json)
{
    command.add_flag("--json", json, "print one JSON document");
}

void addModel(CLI::App& command, std::string& model)
{
    command.add_option("MODEL", model, "checkpoint folder or bundled model's name; left out: the bundled one")
        ->type_name("");
}

void CountingOptions::declare(CLI::App& command, const std::string& group, const std::string& standard)
{
    addChoice(command, "--cost", cost, "auto|ms|flops",
              "what shares of cost are counted in (default: " + standard + ")")
        ->group(group);
    command.add_option("--table", table, "a latency table, of this machine or another (flextron profile writes one)")
        ->type_name("FILE")
        ->group(group);
}

void CountingOptions::check(bool needs_ms) const
{
    if (cost != "flops") return;
    if (needs_ms)
        throw UsageError("--cost flops and a target in milliseconds contradict each other", "leave out one of the two");
    if (!table.empty()) throw UsageError("--cost flops and --table contradict each other", "leave out one of the two");
}

void CountingOptions::apply(Console& console, LoadedModel& model, bool needs_ms) const
{
    check(needs_ms);
    if (cost == "flops") {
        model.latency.reset();
        model.latency_problem.clear(); // none: it is as asked for
    } else if (!table.empty()) {
        model.latency = readLatencyTable(table).orThrow();
        requireWidths(*model.latency, model.config(), table);
    } else if (!model.latency && (needs_ms || cost == "ms")) {
        console.note(model.latency_problem + ": measuring the latency of this device now");
        model.latency = measureLatency(*model.backend, {}, console.progress(), console.cancel()).orThrow();
        const auto kept = writeLatencyTable(latencyTablePath(model.latency->fingerprint), *model.latency);
        if (!kept.ok()) console.warn("the latency table could not be kept: " + kept.error().message);
        console.clearProgress();
    }
}

DeviceRequest requestedDevice(const std::string& text)
{
    return understood(parseDevice(text));
}

void RunOptions::declare(CLI::App& command)
{
    command.add_option("--device", device, "where it runs")->type_name("auto|cpu|cuda[:N]")->group("Running");
    addChoice(command, "--dtype", dtype, "auto|float32|bfloat16|float64", "type of the arithmetic")->group("Running");
    addChoice(command, "--weights", weights, "auto|f32|f16|bf16|q8", "type in which weights are held")
        ->group("Running");
    addChoice(command, "--kv-type", kv_type, "auto|f32|f16|bf16",
              "type in which keys and values are held (auto: f16 beside weights of 16 or 8 bits)")
        ->group("Running");
    rangeChecked(command.add_option("--threads", threads, "threads (default: the physical cores)"), 1, true, 4096,
                 "a number from 1 to 4096")
        ->type_name("N")
        ->group("Running");
    command.add_option("--seed", seed, "of sampling noise and random choices")
        ->capture_default_str()
        ->type_name("N")
        ->group("Running");
    addJsonFlag(command, json);
}

LoadOptions RunOptions::loadOptions(BackendKind backend) const
{
    LoadOptions options;
    options.backend = backend;
    options.device = requestedDevice(device);
    options.type = understood(parseComputeType(dtype));
    options.weights = understood(parseWeightType(weights));
    options.kv = understood(parseKvType(kv_type));
    if (backend == BackendKind::Reference && (weights == "f16" || weights == "q8"))
        throw UsageError("--weights " + weights +
                             ": the reference backend, which this command needs, holds weights as "
                             "f32 or bf16",
                         "use --weights f32, bf16 or auto");
    // A type of arithmetic means the reference, which computes in the type it holds.
    if (options.type != ComputeType::Auto && options.weights != WeightType::Auto &&
        !(options.type == ComputeType::Float32 && options.weights == WeightType::Float32) &&
        !(options.type == ComputeType::BFloat16 && options.weights == WeightType::BFloat16))
        throw UsageError("--weights " + weights + " and --dtype " + dtype +
                             " contradict each other: the reference backend computes in the type it holds",
                         "leave out one of the two");
    if (backend == BackendKind::Reference && options.weights != WeightType::Auto)
        options.type = options.weights == WeightType::Float32 ? ComputeType::Float32 : ComputeType::BFloat16;
    return options;
}

LoadedModel RunOptions::load(Console& console, const std::string& routers, BackendKind backend) const
{
    LoadOptions options = loadOptions(backend);
    options.routers = routers;
    if (threads > 0) setThreads(threads);
    auto loaded = loadModel(model, options, console.progress(), console.cancel()).orThrow();
    console.clearProgress();
    if (!loaded.device.fallback_reason.empty()) console.note("runs on the CPU: " + loaded.device.fallback_reason);
    if (!model.empty()) rememberModel(loaded.checkpoint->folder());
    return loaded;
}

void TargetOptions::declare(CLI::App& command)
{
    const std::string group = "Target (at most one)";
    rangeChecked(command.add_option("--budget", budget, "share of the full model's latency, 1 = full"), 0, false, 1,
                 "a share above 0 and at most 1")
        ->type_name("F")
        ->group(group);
    rangeChecked(command.add_option("--latency", latency_ms, "milliseconds a token on this device"), 0, false, 1e9,
                 "milliseconds above 0")
        ->type_name("MS")
        ->group(group);
    command.add_option("--params", parameters, "active parameters: a count (12.5M) or a share (0.6)")
        ->type_name("N|F")
        ->group(group);
    rangeChecked(
        command.add_option("--quality", quality, "allowed rise of validation loss in nats over the full model"), 0,
        true, 1e9, "nats of at least 0")
        ->type_name("F")
        ->group(group);
    command
        .add_option("--subnet", subnet, "a sub-network: \"mlp 704*2,352*4; heads 8*6\", JSON, CSV, or a file of one")
        ->type_name("FILE|SPEC")
        ->group(group);
    declareRouting(command);
}

void TargetOptions::declareRouting(CLI::App& command)
{
    addChoice(command, "--routing", routing, "dynamic|static|uniform",
              "how a target becomes widths (default: dynamic where routers exist)")
        ->group("Routing");
    rangeChecked(command.add_option("--context", context, "length in tokens at which a latency target holds")
                     ->capture_default_str(),
                 1, true, 1e7, "a number of tokens from 1 on")
        ->type_name("N")
        ->group("Routing");
    command.add_option("--routers", routers, "routers of another run")->type_name("FILE")->group("Routing");
    counting.declare(command, "Routing");
    command
        .add_option("--quality-text", quality_text,
                    "the validation text that --quality is meant on (default: the first one recorded)")
        ->type_name("NAME")
        ->group("Routing");
    command.add_option("--overrides", overrides, "forced choices: token, layer, sub-block to a width or 0")
        ->type_name("FILE")
        ->group("Routing");
    addChoice(command, "--kv", kv, "own|all|recompute",
              "keys and values kept: of the own heads, of all, or recomputed (default: own for fixed widths, else all)")
        ->group("Routing");
}

int TargetOptions::targets() const
{
    return int(budget.has_value()) + int(latency_ms.has_value()) + int(!parameters.empty()) + int(quality.has_value()) +
           int(!subnet.empty());
}

void TargetOptions::check() const
{
    if (targets() > 1)
        throw UsageError("more than one target was given",
                         "give at most one of --budget, --latency, --params, --quality and --subnet");
    counting.check(latency_ms.has_value());
}

Target TargetOptions::target(const ModelConfig& config) const
{
    check();
    Target target;
    if (!routing.empty()) target.routing = understood(parseRouting(routing));
    if (budget) {
        target.kind = Target::Kind::Budget;
        target.value = *budget;
    } else if (latency_ms) {
        target.kind = Target::Kind::LatencyMs;
        target.value = *latency_ms;
    } else if (!parameters.empty()) {
        target.kind = Target::Kind::Parameters;
        target.value = understood(parseParameters(parameters, config));
    } else if (quality) {
        target.kind = Target::Kind::Quality;
        target.value = *quality;
    } else if (!subnet.empty()) {
        target.kind = Target::Kind::Explicit;
        std::error_code ignored;
        const bool file = std::filesystem::is_regular_file(subnet, ignored);
        target.subnet = understood(parseSubNetwork(file ? readTextFile(subnet) : subnet, config));
    }
    return target;
}

std::shared_ptr<const Overrides> TargetOptions::readOverrides(const ModelConfig& config) const
{
    if (overrides.empty()) return nullptr;
    auto parsed = parseOverrides(readTextFile(overrides), config);
    if (!parsed.ok()) {
        Error error = parsed.error();
        error.message = overrides + ": " + error.message;
        throw Failure(error);
    }
    return std::make_shared<const Overrides>(std::move(parsed).value());
}

KvPolicy TargetOptions::kvPolicy(bool fixed) const
{
    if (!kv.empty()) return understood(parseKvPolicy(kv));
    return fixed ? KvPolicy::Own : KvPolicy::All;
}

ResolvedTarget TargetOptions::resolve(Console& console, LoadedModel& model) const
{
    return resolve(console, model, target(model.config()));
}

ResolvedTarget TargetOptions::resolve(Console& console, LoadedModel& model, const Target& target) const
{
    counting.apply(console, model, target.kind == Target::Kind::LatencyMs);
    const auto forced = readOverrides(model.config());
    const bool dynamic = target.routing ? *target.routing == Routing::Dynamic
                                        : model.routers && model.routers->dynamic();
    const KvRule rule = kvPolicy(!dynamic && !forced) == KvPolicy::All ? KvRule::All : KvRule::Own;
    TargetContext about = model.targetContext(context, rule);
    about.quality_text = quality_text;
    auto resolved = resolveTarget(target, about).orThrow();
    resolved.plan.overrides = forced;
    if (target.kind == Target::Kind::Budget && resolved.share > target.value + 5e-5)
        console.warn("a budget of " + formatNumber(target.value, 6) + " is below what the " +
                     std::string(routingName(resolved.routing)) +
                     " routing of this model was trained for; the nearest is " + fixedText(resolved.share, 4) +
                     ", which is what runs (uniform routing goes lower)");
    return resolved;
}

void PromptOptions::declare(CLI::App& command)
{
    text_option_ =
        command.add_option("-p,--prompt", text, "the text to go on from")->type_name("TEXT")->group("Prompt");
    command.add_option("--prompt-file", file, "read it from a file, - for standard input")
        ->type_name("FILE")
        ->group("Prompt");
    command.add_option("--prompt-ids", ids, "token ids, apart by commas")
        ->delimiter(',')
        ->type_name("1,2,3")
        ->group("Prompt");
}

std::vector<TokenId> PromptOptions::read(const LoadedModel& model) const
{
    const bool has_text = text_option_->count() > 0;
    if (int(has_text) + int(!file.empty()) + int(!ids.empty()) != 1)
        throw UsageError("exactly one prompt is needed", "give -p TEXT, --prompt-file FILE or --prompt-ids 1,2,3");
    if (!ids.empty()) return ids;
    const std::string prompt = has_text ? text : readTextFile(file);
    if (prompt.empty())
        throw Failure(ErrorCode::InvalidArgument, has_text ? "the prompt is empty" : file + ": the prompt is empty",
                      "write a few words with -p, or start from the beginning-of-text token with --prompt-ids");
    return encodeNamed(tokenizerOf(model), prompt, has_text ? "the prompt" : file);
}

void GenerateOptions::declare(CLI::App& command)
{
    const std::string group = "Sampling";
    rangeChecked(command.add_option("--max-tokens", max_tokens, "new tokens at most")->capture_default_str(), 1, true,
                 1e9, "a number from 1 on")
        ->type_name("N")
        ->group(group);
    rangeChecked(command.add_option("--temperature", sampler.temperature, "0 = always the most probable token")
                     ->capture_default_str(),
                 0, true, 1e6, "a number of at least 0")
        ->type_name("T")
        ->group(group);
    rangeChecked(command.add_option("--top-k", sampler.top_k, "of the K most probable tokens only; 0 = all"), 0, true,
                 1e9, "a number from 0 on")
        ->type_name("K")
        ->group(group);
    rangeChecked(command.add_option("--top-p", sampler.top_p, "of the most probable tokens that make up the share P"),
                 0, false, 1, "a share above 0 and at most 1")
        ->type_name("P")
        ->group(group);
    rangeChecked(command.add_option("--min-p", sampler.min_p, "of tokens with at least this share of the best one's"),
                 0, true, 1, "a share from 0 to 1")
        ->type_name("P")
        ->group(group);
    rangeChecked(
        command.add_option("--repeat-penalty", sampler.repeat_penalty, "makes tokens of the text less likely; 1 = off"),
        0, false, 1e6, "a number above 0")
        ->type_name("R")
        ->group(group);
    command.add_option("--stop", stop, "end before this text; may be given again")
        ->type_name("TEXT")
        ->group(group)
        ->allow_extra_args(false);
}

GenerationSettings GenerateOptions::settings(const Console& console, std::uint64_t seed) const
{
    GenerationSettings settings;
    settings.sampler = sampler;
    settings.sampler.seed = seed;
    settings.max_tokens = max_tokens;
    settings.stop_texts = stop;
    settings.command = console.commandLine();
    return settings;
}

std::string readTextFile(const std::string& file)
{
    if (file != "-") return readFile(file).orThrow();
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

const Tokenizer& tokenizerOf(const LoadedModel& model)
{
    if (!model.tokenizer)
        throw Failure(ErrorCode::NotFound, "this model has no tokenizer: " + model.tokenizer_problem,
                      "put the tokenizer's files beside the weights, or give token ids");
    return *model.tokenizer;
}

std::vector<TokenId> encodeNamed(const Tokenizer& tokenizer, const std::string& text, const std::string& source,
                                 Tokenizer::EncodeOptions options)
{
    auto ids = tokenizer.encode(text, options);
    if (ids.ok()) return std::move(ids).value();
    Error error = ids.error();
    error.message = source + ": " + error.message;
    throw Failure(error);
}

std::vector<TokenId> readIdsFile(const std::string& file)
{
    std::string text = readTextFile(file);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == ',' || c == '[' || c == ']'; }, ' ');
    std::istringstream words(text);
    std::vector<TokenId> ids;
    for (std::string word; words >> word;) {
        TokenId id = 0;
        const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), id);
        if (problem != std::errc() || end != word.data() + word.size())
            throw Failure(ErrorCode::InvalidArgument,
                          file + ": entry " + std::to_string(ids.size() + 1) + ": expected a token id, found " + word,
                          "write whole numbers apart by commas or white space");
        ids.push_back(id);
    }
    return ids;
}

std::int64_t parseCount(const std::string& text, const std::string& option)
{
    double value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const double scale = unit.empty() ? 1 : unit == "K" ? 1e3 : unit == "M" ? 1e6 : unit == "B" ? 1e9 : 0;
    if (problem != std::errc() || scale == 0 || !(value > 0) || value * scale > 9e18)
        throw UsageError(option + ": expected a count above 0, found " + text, "write 26853376, 26.8M or 1.2B");
    return std::llround(value * scale);
}

void checkWritable(const std::string& file)
{
    if (file.empty()) return;
    auto folder = std::filesystem::absolute(file).parent_path();
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
        throw Failure(ErrorCode::Io,
                      folder.string() + ": cannot write " + std::filesystem::path(file).filename().string() + " there",
                      "choose an existing folder that you may write to");
}

} // namespace flextron::cli
