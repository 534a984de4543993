#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>

#include "app/commands/commands.h"
#include "app/commands/decode_timer.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "engine/base/random.h"
#include "engine/latency/latency_table.h"
#include "engine/routing/overrides.h"
#include "engine/routing/routers.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    MeasureOptions measure;
    bool thorough = false;
    int checks = 20;
    int context = 256;
};

struct Check {
    SubNetwork subnet;
    bool dynamic = false; ///< dynamic routers at work, their choices overridden; K/V of every group
    double predicted_ms = 0;
    double measured_ms = 0;
    /// `pace`: what the machine takes now over what it took when the table was measured.
    [[nodiscard]] double error(double pace = 1) const
    {
        return std::abs(pace * predicted_ms - measured_ms) / measured_ms;
    }
};

struct Checks {
    std::vector<Check> checks;
    /// Of the full model, measured in the same rounds, over its time in the table: other programs and other guests of
    /// the same host change what a step takes from one moment to the next.
    double pace = 1;
};

WidthPlan fixedPlan(SubNetwork subnet)
{
    return {std::move(subnet), nullptr, 1.0, nullptr};
}

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

/// These widths in every token, but with routers that take their time.
WidthPlan routedAt(const SubNetwork& subnet, std::shared_ptr<const Routers> routers)
{
    auto forced = std::make_shared<Overrides>();
    for (std::size_t layer = 0; layer < subnet.mlp.size(); ++layer) {
        forced->add({Override::kAll, static_cast<int>(layer), SubBlock::Attention, subnet.heads[layer]});
        forced->add({Override::kAll, static_cast<int>(layer), SubBlock::Mlp, subnet.mlp[layer]});
    }
    return {subnet, std::move(routers), 1.0, std::move(forced)};
}

Checks checkTable(Console& console, const LoadedModel& model, const LatencyTable& table, const Options& options)
{
    auto routers = model.routers && model.routers->dynamic()
                       ? model.routers
                       : std::make_shared<const Routers>(randomRouters(model.config(), model.checkpoint->choices(),
                                                                       {1.0, 0.75, 0.5}, table.router_inter_dim, 1));
    std::vector<Check> checks;
    std::vector<DecodeTimer> timers;
    for (int index = 0; index < options.checks; ++index) {
        const auto subnet = randomSubNetwork(model, mixBits(options.run.seed) + static_cast<std::uint64_t>(index));
        for (const bool dynamic : {false, true}) {
            const KvRule kv = dynamic ? KvRule::All : KvRule::Own;
            checks.push_back({subnet, dynamic, table.predictMs(subnet, options.context, kv, dynamic), 0});
            timers.emplace_back(*model.backend, dynamic ? routedAt(subnet, routers) : fixedPlan(subnet),
                                options.context, kv, 1, options.run.seed, console.cancel());
        }
    }
    const SubNetwork full = fullSubNetwork(model.config());
    timers.emplace_back(*model.backend, full, options.context, KvRule::All, 1, options.run.seed, console.cancel());
    const auto measured = medianStepMs(timers, options.thorough ? 41 : 15, console, "checking random sub-networks");
    for (std::size_t index = 0; index < checks.size(); ++index) checks[index].measured_ms = measured[index];
    return {std::move(checks), measured.back() / table.predictMs(full, options.context, KvRule::All)};
}

/// How far prediction and measurement are apart.
struct TableError {
    double mean = 0;
    double max = 0;
};
TableError errorOf(const std::vector<Check>& checks, bool dynamic, double pace)
{
    TableError error;
    double count = 0;
    for (const Check& check : checks) {
        if (check.dynamic != dynamic) continue;
        error.mean += check.error(pace);
        error.max = std::max(error.max, check.error(pace));
        ++count;
    }
    error.mean /= std::max(1.0, count);
    return error;
}

Json entriesDocument(const LatencyTable& table)
{
    Json entries = Json::array();
    entries.push_back({{"block", "fixed"}, {"ms", table.fixed_ms}});
    entries.push_back({{"block", "routers"}, {"width", table.router_inter_dim}, {"ms", table.router_ms}});
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
    measure.routers = model.routers;
    if (options.thorough) {
        measure.repeats = 61;
        measure.contexts = {64, 256, 1024};
        measure.resume = latencyTablePath(latencyFingerprint(*model.backend)).replace_extension(".partial.json");
    }
    const int context = std::min(options.context, model.config().max_position_embeddings);
    const auto table = measureLatency(*model.backend, measure, console.progress(), console.cancel()).orThrow();
    const auto file = latencyTablePath(table.fingerprint);
    writeLatencyTable(file, table).orThrow();
    console.clearProgress();

    const auto [checks, pace] = checkTable(console, model, table, options);
    Json check_rows = Json::array();
    std::string text = table.device + ", " + model.backend->description() + "\n" + file.string() + "\n" +
                       std::to_string(table.mlp_widths.size()) + " MLP widths, " +
                       std::to_string(table.head_counts.size()) + " head counts, " +
                       std::to_string(table.contexts.size()) + " context lengths, medians of " +
                       std::to_string(table.repeats) + "; fixed part " + fixedText(table.fixed_ms, 3) +
                       " ms, routers " + fixedText(1000 * table.router_ms, 1) + " us a layer, full model " +
                       fixedText(table.predictMs(fullSubNetwork(model.config()), context, KvRule::Own), 3) +
                       " ms a token\nnoise of the machine: the middle half of a step's repeats spreads over " +
                       fixedText(100 * table.noise, 1) + " %\n" +
                       "predicted ms  measured ms  off by   routing  sub-network (random)\n";
    const auto column = [](std::string cell, std::size_t width) {
        return cell.append(width > cell.size() ? width - cell.size() : 1, ' ');
    };
    for (const auto& check : checks) {
        check_rows.push_back({{"subnet", toString(check.subnet)},
                              {"routing", check.dynamic ? "dynamic" : "static"},
                              {"predicted_ms", check.predicted_ms},
                              {"measured_ms", check.measured_ms},
                              {"error", check.error()}});
        text += column(fixedText(check.predicted_ms, 3), 14) + column(fixedText(check.measured_ms, 3), 13) +
                column(fixedText(100 * check.error(), 1) + " %", 9) + (check.dynamic ? "dynamic  " : "static   ") +
                toString(check.subnet) + "\n";
    }
    Json errors = {{"mean", nullptr}, {"max", nullptr}};
    if (!checks.empty()) {
        const TableError fixed = errorOf(checks, false, 1), routed = errorOf(checks, true, 1);
        errors = {{"mean", (fixed.mean + routed.mean) / 2},
                  {"max", std::max(fixed.max, routed.max)},
                  {"static", {{"mean", fixed.mean}, {"max", fixed.max}}},
                  {"dynamic", {{"mean", routed.mean}, {"max", routed.max}}}};
        for (const bool dynamic : {false, true}) {
            const TableError& error = dynamic ? routed : fixed;
            const TableError at_pace = errorOf(checks, dynamic, pace);
            text += std::string("error, ") + (dynamic ? "dynamic" : "static") + ": mean " +
                    fixedText(100 * error.mean, 1) + " %, largest " + fixedText(100 * error.max, 1) +
                    " %; with the change of pace taken out: mean " + fixedText(100 * at_pace.mean, 1) + " %, largest " +
                    fixedText(100 * at_pace.max, 1) + " %\n";
        }
        text += "pace: beside these the full model took " + fixedText(pace, 2) + " x its time in the table\n";
    }
    if (options.run.json)
        console.printJson({{"device", table.device},
                           {"backend", model.backend->description()},
                           {"fingerprint", table.fingerprint},
                           {"file", file.string()},
                           {"measured_at", table.measured_at},
                           {"repeats", table.repeats},
                           {"noise", table.noise},
                           {"context", context},
                           {"entries", entriesDocument(table)},
                           {"checks", check_rows},
                           {"pace", pace},
                           {"error", errors}});
    else console.print(text);
    return kDone;
}

} // namespace

Run declareProfile(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    command.add_flag("--thorough", options->thorough,
                     "more repeats and context lengths; stopped, it goes on where it was");
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
