#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/documents.h"
#include "app/commands/options.h"
#include "engine/base/system.h"

namespace flextron::cli {

namespace {

struct Options {
    RunOptions run;
    TargetOptions target;
};

/// What a look at the files tells; nothing is loaded.
struct Facts {
    std::shared_ptr<const Checkpoint> checkpoint;
    std::shared_ptr<const Tokenizer> tokenizer;
    std::string tokenizer_problem;
    std::shared_ptr<const Routers> routers;
};

Facts look(const Options& options)
{
    Facts facts;
    facts.checkpoint = Checkpoint::open(findModel(options.run.model).orThrow()).orThrow();
    if (const auto tokenizer = openTokenizer(facts.checkpoint->folder()); !tokenizer.ok())
        facts.tokenizer_problem = tokenizer.error().message;
    else if (const auto fits = checkVocabulary(**tokenizer, facts.checkpoint->config().vocab_size); !fits.ok())
        facts.tokenizer_problem = fits.error().message;
    else facts.tokenizer = *tokenizer;
    const auto own = facts.checkpoint->folder() / "routers.safetensors";
    const std::filesystem::path file = options.target.routers.empty() ? own
                                                                      : std::filesystem::path(options.target.routers);
    if (!options.target.routers.empty() || std::filesystem::exists(own))
        facts.routers = readRouters(file, facts.checkpoint->config(), facts.checkpoint->choices()).orThrow();
    return facts;
}

Json tokenizerDocument(const Facts& facts)
{
    if (!facts.tokenizer) return nullptr;
    const auto id = [](std::optional<TokenId> value) { return value ? Json(*value) : Json(); };
    return {{"kind", facts.tokenizer->kind()},
            {"vocab_size", facts.tokenizer->vocabSize()},
            {"bos_id", id(facts.tokenizer->bosId())},
            {"eos_id", id(facts.tokenizer->eosId())}};
}

Json trainingDocument(const FlextronRecord& record)
{
    Json stages = Json::array();
    std::int64_t tokens = 0;
    for (const auto& stage : record.stages) {
        stages.push_back({{"name", stage.name}, {"tokens", stage.tokens}, {"seconds", stage.seconds}});
        tokens += stage.tokens;
    }
    const bool known = record.base_training_tokens > 0;
    return {{"base_training_tokens", known ? Json(record.base_training_tokens) : Json()},
            {"tokens", tokens},
            {"share_of_base_tokens", known ? Json(double(tokens) / double(record.base_training_tokens)) : Json()},
            {"sorted", record.importance && record.importance->sorted},
            {"calibration", record.importance ? Json(record.importance->text) : Json()},
            {"stages", stages}};
}

Json factsDocument(const Facts& facts)
{
    const auto& checkpoint = *facts.checkpoint;
    Json routers;
    if (facts.routers)
        routers = {{"dynamic", facts.routers->dynamic()},
                   {"static", facts.routers->fixed.has_value()},
                   {"surrogate", facts.routers->surrogate.has_value()},
                   {"router_inter_dim", facts.routers->router_inter_dim},
                   {"budget_list", facts.routers->budget_list}};
    return {{"path", checkpoint.folder().string()},
            {"family", familyName(checkpoint.config().family)},
            {"elastic", checkpoint.elastic()},
            {"dtype", torchName(checkpoint.dtype())},
            {"parameters", checkpoint.parameters()},
            {"bytes", checkpoint.bytes()},
            {"config", configDocument(checkpoint.config())},
            {"choice_sets", choiceSetsDocument(checkpoint.choices())},
            {"budgets", checkpoint.record().budget_list},
            {"routers", routers},
            {"tokenizer", tokenizerDocument(facts)},
            {"tokenizer_problem", facts.tokenizer ? Json() : Json(facts.tokenizer_problem)},
            {"files", filesDocument(checkpoint)},
            {"training", trainingDocument(checkpoint.record())}};
}

Json subnetDocument(const LoadedModel& model, const ResolvedTarget& resolved, int context, KvPolicy policy)
{
    const auto& subnet = resolved.plan.subnet;
    const auto cost = costOn(model, subnet, context, policy == KvPolicy::All ? KvRule::All : KvRule::Own);
    Json document = {{"mlp", subnet.mlp},
                     {"heads", subnet.heads},
                     {"text", toString(subnet)},
                     {"parameters", cost.parameters},
                     {"flops_per_token", cost.flops_per_token},
                     {"weight_bytes", cost.weight_bytes},
                     {"kv_bytes", cost.kv_bytes}};
    document.update(targetDocument(resolved));
    document.erase("subnet");
    return document;
}

std::string widthsText(const std::vector<int>& widths)
{
    std::string text;
    for (const int width : widths) text += (text.empty() ? "" : ", ") + std::to_string(width);
    return text;
}

std::string table(const Facts& facts)
{
    const auto& checkpoint = *facts.checkpoint;
    const auto& config = checkpoint.config();
    const auto& record = checkpoint.record();
    const auto sizes = config.maxSizes();
    std::string text;
    const auto row = [&text](std::string name, const std::string& value) {
        name.resize(14, ' ');
        text += name + value + "\n";
    };
    row("model", checkpoint.folder().string());
    row("family",
        std::string(familyName(config.family)) +
            (checkpoint.elastic() ? ", elastic" : ", plain: nothing was sorted or trained for smaller widths"));
    row("parameters", countText(double(checkpoint.parameters())) + " (" + std::string(torchName(checkpoint.dtype())) +
                          ", " + formatBytes(checkpoint.bytes()) + ")");
    row("layers", std::to_string(config.numLayers()) + ", hidden size " + std::to_string(config.hidden_size) + ", " +
                      std::to_string(sizes.num_attention_heads) + " heads in " +
                      std::to_string(sizes.num_key_value_heads) + " groups, MLP " +
                      std::to_string(sizes.intermediate_size) + (config.uniform() ? "" : " (largest; layers differ)"));
    row("vocabulary", std::to_string(config.vocab_size) + (config.tie_word_embeddings ? ", tied" : ", untied") +
                          "; context " + std::to_string(config.max_position_embeddings));
    row("MLP choices", widthsText(checkpoint.choices().mlp_int_list));
    row("head choices", widthsText(checkpoint.choices().head_int_list));
    if (!record.budget_list.empty()) {
        std::string budgets;
        for (const double budget : record.budget_list) budgets += (budgets.empty() ? "" : ", ") + fixedText(budget, 2);
        row("budgets", budgets);
    }
    row("routers", !facts.routers ? "none" : facts.routers->dynamic() ? "dynamic" : "static");
    row("tokenizer", facts.tokenizer
                         ? facts.tokenizer->kind() + ", " + std::to_string(facts.tokenizer->vocabSize()) + " tokens"
                         : "none: " + facts.tokenizer_problem);
    for (const auto& stage : record.stages)
        row("stage",
            stage.name + ": " + countText(double(stage.tokens)) + " tokens, " + fixedText(stage.seconds, 1) + " s");
    for (const auto& [name, bytes] : checkpoint.files())
        row("file", name + ", " + formatBytes(static_cast<std::int64_t>(bytes)));
    return text;
}

int run(Console& console, const Options& options)
{
    options.target.check();
    const Facts facts = look(options);
    Json document = options.run.json ? factsDocument(facts) : Json();
    std::string text = options.run.json ? "" : table(facts);
    if (options.target.given()) {
        auto model = options.run.load(console, options.target.routers);
        const auto resolved = options.target.resolve(console, model);
        const bool fixed = !resolved.plan.dynamic() && !resolved.plan.overrides;
        const auto policy = options.target.kvPolicy(fixed);
        if (options.run.json) document["subnet"] = subnetDocument(model, resolved, options.target.context, policy);
        else text += "sub-network   " + resolvedText(model, resolved) + "\n";
    }
    if (options.run.json) console.printJson(document);
    else console.print(text);
    return kDone;
}

} // namespace

Run declareInfo(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->run.model);
    options->run.declare(command);
    options->target.declare(command);
    command.footer("Examples:\n  flextron info MODEL\n  flextron info MODEL --budget 0.6 --json");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
