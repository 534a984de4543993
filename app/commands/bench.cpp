#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "app/commands/commands.h"
#include "app/commands/decode_timer.h"
#include "app/commands/documents.h"
#include "app/commands/memory_limit.h"
#include "app/commands/options.h"
#include "app/commands/stop_timer.h"
#include "app/commands/switch_timer.h"
#include "app/commands/synthetic_model.h"
#include "engine/base/system.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    std::string shape = "bundled";
    int context = 256;
    int repeats = 31;
    int prefill = 128;
};

/// Everything a row needs to know.
struct Bench {
    Console& console;
    const Options& options;
    std::shared_ptr<const LoadedModel> model;
    double limit = 0; ///< bytes a second
    std::vector<Json> rows;

    [[nodiscard]] std::int64_t bytes(const SubNetwork& subnet) const
    {
        return costOn(*model, subnet, options.context, KvRule::Own).bytes();
    }
    [[nodiscard]] DecodeTimer timer(const SubNetwork& subnet, int panes = 1) const
    {
        return {*model->backend, subnet, options.context, KvRule::Own, panes, options.run.seed, console.cancel()};
    }
    Json& addRow(const std::string& name, const SubNetwork& subnet, double tokens, double ms, double bytes_read)
    {
        rows.push_back({{"name", name},
                        {"subnet", toString(subnet)},
                        {"share_of_bytes", double(bytes(subnet)) / double(bytes(fullSubNetwork(model->config())))},
                        {"ms", ms},
                        {"tokens_per_second", 1000.0 * tokens / ms},
                        {"bytes_per_second", 1000.0 * bytes_read / ms},
                        {"share_of_limit", 1000.0 * bytes_read / ms / limit}});
        return rows.back();
    }
};

/// The uniform sub-network of the choice sets whose bytes a token are closest to `share` of the full model's.
SubNetwork closestTo(const Bench& bench, double share)
{
    const auto& config = bench.model->config();
    const auto& choices = bench.model->checkpoint->choices();
    const auto full = fullSubNetwork(config);
    if (!config.uniform()) return full;
    SubNetwork best = full;
    double distance = 1e9;
    for (const int mlp : choices.mlp_int_list)
        for (const int heads : choices.head_int_list) {
            const auto subnet = uniformSubNetwork(config, mlp, heads);
            const double off = std::abs(double(bench.bytes(subnet)) / double(bench.bytes(full)) - share);
            if (off < distance) {
                distance = off;
                best = subnet;
            }
        }
    return best;
}

void benchDecode(Bench& bench)
{
    std::vector<SubNetwork> subnets{fullSubNetwork(bench.model->config())};
    for (const double share : {0.8, 0.6, 0.5}) subnets.push_back(closestTo(bench, share));
    subnets.push_back(smallestSubNetwork(bench.model->config(), bench.model->checkpoint->choices()));
    subnets.erase(std::unique(subnets.begin(), subnets.end()), subnets.end());
    std::vector<DecodeTimer> timers;
    for (const auto& subnet : subnets) timers.push_back(bench.timer(subnet));
    const auto ms = medianStepMs(timers, bench.options.repeats, bench.console, "decode");
    for (std::size_t index = 0; index < subnets.size(); ++index)
        bench.addRow(index == 0
                         ? "decode, full"
                         : "decode, " +
                               fixedText(double(bench.bytes(subnets[index])) / double(bench.bytes(subnets[0])), 2) +
                               " of the bytes",
                     subnets[index], 1, ms[index], double(bench.bytes(subnets[index])));
}

/// Measured against what reading fewer bytes could give at best.
void benchSpeedUp(Bench& bench)
{
    const auto full = fullSubNetwork(bench.model->config());
    const auto subnet = closestTo(bench, 0.6);
    std::vector<DecodeTimer> timers;
    timers.push_back(bench.timer(full));
    timers.push_back(bench.timer(subnet));
    const auto ms = medianStepMs(timers, 2 * bench.options.repeats, bench.console, "speed-up");
    const double ratio = double(bench.bytes(subnet)) / double(bench.bytes(full));
    Json& row = bench.addRow("speed-up at 0.6 of the bytes", subnet, 1, ms[1], double(bench.bytes(subnet)));
    row["full_ms"] = ms[0];
    row["speed_up"] = ms[0] / ms[1];
    row["ideal_speed_up"] = 1 / ratio;
    row["share_of_ideal"] = ms[0] / ms[1] * ratio;
}

void benchPrefill(Bench& bench)
{
    const auto& config = bench.model->config();
    const std::array subnets{fullSubNetwork(config), closestTo(bench, 0.6)};
    std::vector<DecodeTimer> timers;
    for (const auto& subnet : subnets) timers.push_back(bench.timer(subnet));
    const int tokens = std::min(bench.options.prefill, std::min(bench.options.context, config.max_position_embeddings));
    std::array<std::vector<double>, subnets.size()> taken;
    for (int repeat = 0; repeat < std::max(3, bench.options.repeats / 4); ++repeat)
        for (std::size_t index = 0; index < timers.size(); ++index)
            taken[index].push_back(timers[index].prefillMs(tokens, bench.console.cancel()));
    for (std::size_t index = 0; index < subnets.size(); ++index) {
        // All tokens are read in one go: the weights once.
        Json& row = bench.addRow(index == 0 ? "prefill, full" : "prefill, 0.6 of the bytes", subnets[index], tokens,
                                 median(taken[index]),
                                 double(costOn(*bench.model, subnets[index], tokens, KvRule::Own).weight_bytes));
        row["tokens"] = tokens;
    }
}

void benchPanes(Bench& bench)
{
    const auto full = fullSubNetwork(bench.model->config());
    std::vector<DecodeTimer> timers;
    for (int panes = 1; panes <= 4; ++panes) timers.push_back(bench.timer(full, panes));
    const auto ms = medianStepMs(timers, std::max(3, bench.options.repeats / 2), bench.console, "panes");
    for (int panes = 1; panes <= 4; ++panes) {
        // What one pane alone would have to read, times the panes: sharing a read shows as a larger share.
        Json& row = bench.addRow("panes: " + std::to_string(panes), full, panes,
                                 ms[static_cast<std::size_t>(panes) - 1], double(panes) * double(bench.bytes(full)));
        row["panes"] = panes;
    }
}

void benchSwitch(Bench& bench)
{
    const auto smaller = closestTo(bench, 0.5);
    const auto times = timeSwitches(bench.model, smaller, bench.options.repeats, bench.options.run.seed, bench.console);
    Json row = {{"name", "switch of the sub-network between two tokens"},
                {"subnet", toString(smaller)},
                {"tokens_per_second", 1000.0 / times.steady_ms},
                {"bytes_per_second", nullptr},
                {"share_of_limit", nullptr},
                {"switches", times.switches},
                {"set_ms", times.set_ms},
                {"change_ms", times.change_ms},
                {"change_ms_max", times.change_ms_max},
                {"resident_bytes_before", times.resident_before},
                {"resident_bytes_after", times.resident_after}};
    bench.rows.push_back(std::move(row));
}

void benchStop(Bench& bench)
{
    const auto times = timeStops(bench.model, bench.options.context - 1, bench.options.repeats, bench.options.run.seed,
                                 bench.console);
    bench.rows.push_back({{"name", "stop while reading a prompt"},
                          {"subnet", toString(fullSubNetwork(bench.model->config()))},
                          {"ms", times.median_ms},
                          {"tokens_per_second", nullptr},
                          {"bytes_per_second", nullptr},
                          {"share_of_limit", nullptr},
                          {"stops", times.stops},
                          {"stop_ms_max", times.max_ms}});
}

std::string tableOf(const Bench& bench)
{
    const auto column = [](std::string cell, std::size_t width, bool right = true) {
        const std::string pad(width > cell.size() ? width - cell.size() : 0, ' ');
        return right ? pad + cell : cell + pad;
    };
    std::string text = column("", 46, false) + column("ms", 10) + column("tokens/s", 12) + column("GB/s", 9) +
                       column("of limit", 10) + "\n";
    std::string notes;
    for (const auto& row : bench.rows) {
        const auto number = [&](const char* key, double scale, int decimals) {
            return row.contains(key) && row[key].is_number() ? fixedText(scale * row[key].get<double>(), decimals)
                                                             : std::string("-");
        };
        text += column(row["name"].get<std::string>(), 46, false) + column(number("ms", 1, 3), 10) +
                column(number("tokens_per_second", 1, 1), 12) + column(number("bytes_per_second", 1e-9, 2), 9) +
                column(row["share_of_limit"].is_number() ? number("share_of_limit", 100, 1) + " %" : "-", 10) + "\n";
        if (row.contains("speed_up"))
            notes += "speed-up " + number("speed_up", 1, 2) + ", ideal " + number("ideal_speed_up", 1, 2) + ": " +
                     number("share_of_ideal", 100, 1) + " % of it\n";
        if (row.contains("change_ms"))
            notes += "a switch costs " + number("change_ms", 1, 3) + " ms (largest " + number("change_ms_max", 1, 3) +
                     "); resident memory " + formatBytes(row["resident_bytes_before"].get<std::int64_t>()) +
                     " before, " + formatBytes(row["resident_bytes_after"].get<std::int64_t>()) + " after\n";
        if (row.contains("stop_ms_max"))
            notes += "the slowest of " + std::to_string(row["stops"].get<int>()) + " stops took " +
                     number("stop_ms_max", 1, 1) + " ms\n";
    }
    return text + notes;
}

int run(Console& console, const Options& options)
{
    RunOptions run_options = options.run;
    if (options.shape != "bundled") {
        if (!run_options.model.empty())
            throw UsageError("a model and --shape " + options.shape + " were both given", "give one of the two");
        run_options.model = syntheticModel(options.shape, console).string();
    }
    auto loaded = run_options.load(console);
    const auto limit = memoryLimit(loaded.device, console);
    Bench bench{console, options, std::make_shared<const LoadedModel>(std::move(loaded)), limit.bytes_per_second, {}};
    for (const auto part : {benchDecode, benchSpeedUp, benchPrefill, benchPanes, benchSwitch, benchStop}) part(bench);

    const auto& model = *bench.model;
    if (options.run.json)
        console.printJson({{"model", runDocument(model)},
                           {"parameters", model.checkpoint->parameters()},
                           {"context", options.context},
                           {"repeats", options.repeats},
                           {"memory_limit", {{"bytes_per_second", limit.bytes_per_second}, {"how", limit.how}}},
                           {"rows", bench.rows}});
    else
        console.print(model.name + ", " + countText(double(model.checkpoint->parameters())) + " parameters; " +
                      model.backend->description() + "; " + model.device.name + "; context " +
                      std::to_string(options.context) + "\nmemory limit " +
                      fixedText(limit.bytes_per_second * 1e-9, 1) + " GB/s (" + limit.how + ")\n" + tableOf(bench));
    return kDone;
}

} // namespace

Run declareBench(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    addChoice(command, "--shape", options->shape, "bundled|213M|135M",
              "without MODEL: the bundled one, or a shape with random weights");
    command.add_option("--context", options->context, "tokens in the text, the new one included")
        ->capture_default_str()
        ->check(CLI::Range(2, 1 << 24).description(""))
        ->type_name("N");
    command.add_option("--repeats", options->repeats, "medians of this many")
        ->capture_default_str()
        ->check(CLI::Range(1, 100000).description(""))
        ->type_name("N");
    options->run.declare(command);
    command.footer("Example:\n  flextron bench --shape 213M --threads 2");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
