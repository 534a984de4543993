#include "engine/generate/trace_fill_p.h"

#include <limits>
#include <span>

namespace flextron {

Trace newTrace(const LoadedModel& model, const WidthPlan& plan, Routing routing)
{
    const LayerSizes full = model.config().maxSizes();
    Trace trace;
    trace.choices = plan.dynamic() ? plan.routers->choices : model.checkpoint->choices();
    trace.layers = model.config().numLayers();
    trace.full_heads = full.num_attention_heads;
    trace.full_mlp = full.intermediate_size;
    trace.model = model.name;
    trace.model_hash = model.hash;
    trace.backend = model.backend->description();
    trace.latency_table = model.latency ? model.latency->fingerprint : std::string();
    describePlan(trace, plan, routing);
    return trace;
}

void describePlan(Trace& trace, const WidthPlan& plan, Routing routing)
{
    trace.subnet = toString(plan.subnet);
    trace.routing = routingName(plan.dynamic() ? Routing::Dynamic : routing);
    trace.budget = plan.budget;
    trace.overrides = plan.overrides && !plan.overrides->empty() ? toJson(*plan.overrides) : std::string();
}

TokenRecord newRecord(const LoadedModel& model, int position, TokenId id)
{
    TokenRecord record;
    record.position = position;
    record.id = id;
    record.logprob = std::numeric_limits<float>::quiet_NaN();
    // A model's vocabulary may be padded beyond the tokenizer's.
    if (model.tokenizer && id < model.tokenizer->vocabSize()) record.bytes = model.tokenizer->tokenBytes(id);
    return record;
}

void fillRead(TokenRecord& record, const StepOutput& output, int row, int tokens, const Trace& trace)
{
    // Row `row` of [T][width]; an array that the backend did not fill stays empty.
    const auto fill = [row](const auto& values, std::size_t width, auto& to) {
        const auto from = values.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(row) * width);
        if (values.empty()) to.clear();
        else to.assign(from, from + static_cast<std::ptrdiff_t>(width));
    };
    const auto layers = static_cast<std::size_t>(trace.layers);
    fill(output.heads, layers, record.heads);
    fill(output.mlp, layers, record.mlp);
    fill(output.layer_ns, layers, record.layer_ns);
    fill(output.head_probabilities, layers * trace.choices.head_int_list.size(), record.head_probabilities);
    fill(output.mlp_probabilities, layers * trace.choices.mlp_int_list.size(), record.mlp_probabilities);
    fillCertainty(record, trace.choices);
    record.ns = static_cast<float>(output.ns / tokens);
    record.read = true;
}

void fillCertainty(TokenRecord& record, const ChoiceSets& choices)
{
    const auto fill = [](const std::vector<float>& probabilities, std::size_t count, std::vector<float>& margins,
                         std::vector<float>& entropies) {
        margins.clear();
        entropies.clear();
        for (std::size_t first = 0; count > 0 && first < probabilities.size(); first += count) {
            const auto of_layer = std::span(probabilities).subspan(first, count);
            margins.push_back(routerMargin(of_layer));
            entropies.push_back(routerEntropy(of_layer));
        }
    };
    fill(record.head_probabilities, choices.head_int_list.size(), record.head_margin, record.head_entropy);
    fill(record.mlp_probabilities, choices.mlp_int_list.size(), record.mlp_margin, record.mlp_entropy);
}

} // namespace flextron
