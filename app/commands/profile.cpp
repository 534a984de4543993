#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>

#include "app/commands/commands.h"
#include "app/commands/decode_timer.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "engine/base/random.h"
#include "engine/latency/latency_table.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    MeasureOptions measure;
    bool thorough = false;
    int checks = 12;
    int context = 256;
};

struct Check {
    SubNetwork subnet;
    double predicted_ms = 0;
    double measured_ms = 0;
    [[nodiscard]] double error() const { return std::abs(predicted_ms - measured_ms) / measured_ms; }
};

/// Every layer draws its own widths from the choice sets.
SubNetwork randomSubNetwork(const LoadedModel& model, std::uint64_t seed)
{
    const auto& choices = model.checkpoint->choices();
    SubNetwork subnet;
    const auto pick = [&](const std::vector<int>& list, std::uint64_t index) {
        return list[mixBits(seed ^ mixBits(index)) % list.size()];
    };
    for (int layer = 0; layer < model.config().numLayers(); ++layer) {
        const auto index = 2 * static_cast<std::uint64_t>(layer);
        // A layer of a heterogeneous model may be narrower than the largest choice.
        const auto& sizes = model.config().layers[static_cast<std::size_t>(layer)];
        subnet.mlp.push_back(std::min(pick(choices.mlp_int_list, index), sizes.intermediate_size));
        subnet.heads.push_back(std::min(pick(choices.head_int_list, index + 1), sizes.num_attention_heads));
    }
    return subnet;
}

std::vector<Check> checkTable(Console& console, const LoadedModel& model, const LatencyTable& table,
                              const Options& options)
{
    std::vector<Check> checks;
    std::vector<DecodeTimer> timers;
    for (int index = 0; index < options.checks; ++index) {
        const auto subnet = randomSubNetwork(model, mixBits(options.run.seed) + static_cast<std::uint64_t>(index));
        checks.push_back({subnet, table.predictMs(subnet, options.context, KvRule::Own), 0});
        timers.emplace_back(*model.backend, subnet, options.context, KvRule::Own, 1, options.run.seed,
                            console.cancel());
    }
    const auto measured = medianStepMs(timers, options.thorough ? 41 : 15, console, "checking random sub-networks");
    for (std::size_t index = 0; index < checks.size(); ++index) checks[index].measured_ms = measured[index];
    return checks;
}

Json entriesDocument(const LatencyTable& table)
{
    Json entries = Json::array();
    entries.push_back({{"block", "fixed"}, {"ms", table.fixed_ms}});
    for (std::size_t width = 0; width < table.mlp_widths.size(); ++width)
        entries.push_back({{"block", "mlp"}, {"width", table.mlp_widths[width]}, {"ms", table.mlp_ms.at(width)}});
    for (const auto& [rule, rows] :
         {std::pair{"own", &table.attention_own_ms}, std::pair{"all", &table.attention_all_ms}})
        for (std::size_t context = 0; context < table.contexts.size(); ++context)
            for (std::size_t heads = 0; heads < table.head_counts.size(); ++heads)
                entries.push_back({{"block", "attention"},
                                   {"kv", rule},
                                   {"context", table.contexts[context]},
                                   {"width", table.head_counts[heads]},
                                   {"ms", rows->at(context).at(heads)}});
    return entries;
}

int run(Console& console, const Options& options)
{
    auto measure = options.measure;
    measure.quick = !options.thorough;
    const auto model = options.run.load(console);
    const int context = std::min(options.context, model.config().max_position_embeddings);
    const auto table = measureLatency(*model.backend, measure, console.progress(), console.cancel()).orThrow();
    const auto file = latencyTablePath(table.fingerprint);
    writeLatencyTable(file, table).orThrow();
    console.clearProgress();

    const auto checks = checkTable(console, model, table, options);
    double mean = 0, worst = 0;
    Json check_rows = Json::array();
    std::string text = table.device + ", " + model.backend->description() + "\n" + file.string() + "\n" +
                       std::to_string(table.mlp_widths.size()) + " MLP widths, " +
                       std::to_string(table.head_counts.size()) + " head counts, " +
                       std::to_string(table.contexts.size()) + " context lengths; fixed part " +
                       fixedText(table.fixed_ms, 3) + " ms, full model " +
                       fixedText(table.predictMs(fullSubNetwork(model.config()), context, KvRule::Own), 3) +
                       " ms a token\n" + "predicted ms  measured ms  off by   sub-network (random)\n";
    const auto column = [](std::string cell, std::size_t width) {
        return cell.append(width > cell.size() ? width - cell.size() : 1, ' ');
    };
    for (const auto& check : checks) {
        mean += check.error() / static_cast<double>(checks.size());
        worst = std::max(worst, check.error());
        check_rows.push_back({{"subnet", toString(check.subnet)},
                              {"predicted_ms", check.predicted_ms},
                              {"measured_ms", check.measured_ms},
                              {"error", check.error()}});
        text += column(fixedText(check.predicted_ms, 3), 14) + column(fixedText(check.measured_ms, 3), 13) +
                column(fixedText(100 * check.error(), 1) + " %", 9) + toString(check.subnet) + "\n";
    }
    if (options.run.json)
        console.printJson(
            {{"device", table.device},
             {"backend", model.backend->description()},
             {"fingerprint", table.fingerprint},
             {"file", file.string()},
             {"measured_at", table.measured_at},
             {"repeats", table.repeats},
             {"noise", table.noise},
             {"context", context},
             {"entries", entriesDocument(table)},
             {"checks", check_rows},
             {"error",
              {{"mean", checks.empty() ? Json() : Json(mean)}, {"max", checks.empty() ? Json() : Json(worst)}}}});
    else
        console.print(text + (checks.empty() ? ""
                                             : "error: mean " + fixedText(100 * mean, 1) + " %, largest " +
                                                   fixedText(100 * worst, 1) + " %\n"));
    return kDone;
}

} // namespace

Run declareProfile(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    command.add_flag("--thorough", options->thorough, "more repeats and context lengths");
    command.add_option("--checks", options->checks, "random sub-networks to compare predicted with measured on")
        ->capture_default_str()
        ->check(CLI::Range(0, 1000).description(""))
        ->type_name("N");
    command.add_option("--context", options->context, "length in tokens at which they are compared")
        ->capture_default_str()
        ->check(CLI::Range(2, 1 << 24).description(""))
        ->type_name("N");
    options->run.declare(command);
    command.footer("Example:\n  flextron profile MODEL --threads 2");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
