#include "app/commands/documents.h"

namespace flextron::cli {

namespace {

const char* activationName(Activation activation)
{
    switch (activation) {
    case Activation::Silu: return "silu";
    case Activation::GeluTanh: return "gelu_new";
    case Activation::GeluErf: return "gelu";
    }
    return "";
}

Json ropeDocument(const RopeConfig& rope)
{
    Json document = {{"rope_theta", rope.theta}};
    switch (rope.scaling) {
    case RopeConfig::Scaling::None: document["rope_type"] = "default"; break;
    case RopeConfig::Scaling::Linear:
        document["rope_type"] = "linear";
        document["factor"] = rope.factor;
        break;
    case RopeConfig::Scaling::Llama3:
        document["rope_type"] = "llama3";
        document["factor"] = rope.factor;
        document["low_freq_factor"] = rope.low_freq_factor;
        document["high_freq_factor"] = rope.high_freq_factor;
        document["original_max_position_embeddings"] = rope.original_max_position_embeddings;
        break;
    }
    return document;
}

/// Null without a tokenizer and for an id that it does not know: a model may pad its vocabulary.
Json pieceDocument(const Tokenizer* tokenizer, TokenId id)
{
    return tokenizer && id < tokenizer->vocabSize() ? Json(tokenizer->piece(id)) : Json();
}

/// What a token's routers said, layer by layer. `probabilities`: [L][choices], `margins` and `entropies`: [L].
Json routerDocument(const std::vector<float>& probabilities, const std::vector<float>& margins,
                    const std::vector<float>& entropies)
{
    Json layers = Json::array();
    const auto choices = static_cast<std::ptrdiff_t>(probabilities.size() / margins.size());
    for (auto first = probabilities.begin(); first != probabilities.end(); first += choices)
        layers.push_back(std::vector<float>(first, first + choices));
    return {{"probabilities", layers}, {"margin", margins}, {"entropy", entropies}};
}

} // namespace

Json configDocument(const ModelConfig& config)
{
    const LayerSizes sizes = config.maxSizes();
    Json document = {{"model_type", familyName(config.family)},
                     {"hidden_size", config.hidden_size},
                     {"num_hidden_layers", config.numLayers()},
                     {"num_attention_heads", sizes.num_attention_heads},
                     {"num_key_value_heads", sizes.num_key_value_heads},
                     {"head_dim", config.head_dim},
                     {"intermediate_size", sizes.intermediate_size},
                     {"vocab_size", config.vocab_size},
                     {"max_position_embeddings", config.max_position_embeddings},
                     {"hidden_act", activationName(config.hidden_act)},
                     {"norm_eps", config.norm_eps},
                     {"tie_word_embeddings", config.tie_word_embeddings},
                     {"attention_qkv_bias", config.attention_qkv_bias},
                     {"attention_output_bias", config.attention_output_bias},
                     {"mlp_bias", config.mlp_bias}};
    if (!config.isGpt()) document["rope_parameters"] = ropeDocument(config.rope);
    if (config.sliding_window > 0) document["sliding_window"] = config.sliding_window;
    document["bos_token_id"] = config.bos_token_id ? Json(*config.bos_token_id) : Json();
    document["eos_token_ids"] = config.eos_token_ids;
    if (!config.uniform()) {
        Json layers = Json::array();
        for (const auto& layer : config.layers)
            layers.push_back({{"num_attention_heads", layer.num_attention_heads},
                              {"num_key_value_heads", layer.num_key_value_heads},
                              {"intermediate_size", layer.intermediate_size}});
        document["layer_sizes"] = layers;
    }
    return document;
}

Json choiceSetsDocument(const ChoiceSets& choices)
{
    return {{"mlp_int_list", choices.mlp_int_list}, {"head_int_list", choices.head_int_list}};
}

Json filesDocument(const Checkpoint& checkpoint)
{
    Json files = Json::array();
    for (const auto& [name, bytes] : checkpoint.files()) files.push_back({{"name", name}, {"bytes", bytes}});
    return files;
}

Json topDocument(const std::vector<TokenProbability>& top, const Tokenizer* tokenizer)
{
    Json document = Json::array();
    for (const auto& entry : top)
        document.push_back(
            {{"id", entry.id}, {"piece", pieceDocument(tokenizer, entry.id)}, {"logprob", entry.logprob}});
    return document;
}

Json tokenDocument(const TokenRecord& record, const Tokenizer* tokenizer)
{
    Json document = {{"position", record.position},
                     {"id", record.id},
                     {"piece", pieceDocument(tokenizer, record.id)},
                     {"logprob", record.logprob},
                     {"rank", record.rank},
                     {"mlp", record.mlp},
                     {"heads", record.heads},
                     {"ms", record.read ? Json(double(record.ns) * 1e-6) : Json()}};
    if (!record.top.empty()) document["top"] = topDocument(record.top, tokenizer);
    if (!record.mlp_margin.empty())
        document["router"] = {
            {"mlp", routerDocument(record.mlp_probabilities, record.mlp_margin, record.mlp_entropy)},
            {"heads", routerDocument(record.head_probabilities, record.head_margin, record.head_entropy)}};
    return document;
}

Json targetDocument(const ResolvedTarget& resolved)
{
    Json document = {{"routing", routingName(resolved.routing)},
                     {"subnet", toString(resolved.plan.subnet)},
                     {"share", resolved.share},
                     {"cost_basis", resolved.cost_basis},
                     {"predicted_ms", resolved.predicted_ms ? Json(*resolved.predicted_ms) : Json()}};
    if (resolved.predicted_rise) {
        document["predicted_rise"] = *resolved.predicted_rise;
        document["quality_basis"] = resolved.quality_basis;
    }
    return document;
}

Json runDocument(const LoadedModel& model)
{
    return {{"name", model.name},
            {"path", model.checkpoint->folder().string()},
            {"device", model.device.id()},
            {"device_name", model.device.name},
            {"fallback_reason", model.device.fallback_reason},
            {"backend", model.backend->description()},
            {"threads", threads()}};
}

Json paneDocument(const LoadedModel& model, const ResolvedTarget& resolved, const Trace& trace, const std::string& text,
                  const PaneTiming& timing)
{
    const Tokenizer* tokenizer = model.tokenizer.get();
    Json prompt_ids = Json::array(), ids = Json::array(), prompt_tokens = Json::array(), tokens = Json::array();
    for (const auto& record : trace.records) {
        (record.given ? prompt_ids : ids).push_back(record.id);
        (record.given ? prompt_tokens : tokens).push_back(tokenDocument(record, tokenizer));
    }
    return {{"label", trace.label},
            {"model", runDocument(model)},
            {"target", targetDocument(resolved)},
            {"seed", trace.sampler.seed},
            {"prompt_ids", prompt_ids},
            {"ids", ids},
            {"text", text},
            {"stop_reason", trace.stop_reason},
            {"tokens", tokens},
            {"prompt_tokens", prompt_tokens},
            {"timing",
             {{"ttft_ms", timing.ttft_ms},
              {"tokens_per_second", timing.tokens_per_second},
              {"ms_per_token", {{"p50", timing.p50_ms}, {"p95", timing.p95_ms}}},
              {"new_tokens", timing.new_tokens}}}};
}

Cost costOn(const LoadedModel& model, const SubNetwork& subnet, int context, KvRule kv)
{
    CostOptions options;
    options.context = std::min(context, model.config().max_position_embeddings);
    options.bytes_per_weight = model.backend->bytesPerWeight();
    options.bytes_per_kv = model.backend->bytesPerKv();
    options.kv = kv;
    return costOf(subnet, model.config(), options);
}

std::string costBasis(const LoadedModel& model)
{
    if (!model.latency)
        return "FLOPs" + (model.latency_problem.empty() ? "" : " (" + model.latency_problem + ": flextron profile)");
    const bool here = fitsBackend(*model.latency, *model.backend);
    return "latency (table of " + (here ? "this machine" : model.latency->device) + ", " +
           model.latency->measured_at.substr(0, 10) + ")";
}

std::string resolvedText(const LoadedModel& model, const ResolvedTarget& resolved, bool with_source)
{
    std::string text = fixedText(100 * resolved.share, 1) + " % of the full model's " +
                       (with_source     ? costBasis(model)
                        : model.latency ? "latency"
                                        : "FLOPs");
    if (resolved.predicted_ms) text += ", " + fixedText(*resolved.predicted_ms, 2) + " ms";
    if (resolved.predicted_rise)
        text += ", loss " + fixedText(*resolved.predicted_rise, 4) + " nats above the full model's (" +
                resolved.quality_basis + ")";
    if (resolved.plan.dynamic()) return text + ", widths by token";
    const auto cost = costOn(model, resolved.plan.subnet, 256, KvRule::Own);
    return text + ", " + countText(double(cost.parameters)) + " parameters, " + toString(resolved.plan.subnet);
}

} // namespace flextron::cli
