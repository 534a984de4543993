#include "engine/generate/generation.h"

#include <algorithm>
#include <deque>

#include "engine/generate/pane_p.h"

namespace flextron {

namespace {

[[noreturn]] void refuse(const std::string& message, const std::string& hint)
{
    throw Failure(ErrorCode::InvalidArgument, message, hint);
}

void checkPrompt(const std::vector<TokenId>& prompt, const ModelConfig& config, int max_tokens)
{
    if (prompt.empty()) refuse("the prompt is empty", "give at least one token to continue");
    for (std::size_t i = 0; i < prompt.size(); ++i)
        if (prompt[i] < 0 || prompt[i] >= config.vocab_size)
            refuse("token " + std::to_string(i) + " of the prompt has the id " + std::to_string(prompt[i]) +
                       "; the vocabulary has " + std::to_string(config.vocab_size),
                   "the tokenizer belongs to another model, or the ids were mistyped");
    const int room = config.max_position_embeddings - std::min(max_tokens, 1);
    if (static_cast<std::int64_t>(prompt.size()) > room)
        refuse("the prompt has " + std::to_string(prompt.size()) + " tokens; the model's context holds " +
                   std::to_string(config.max_position_embeddings) +
                   (max_tokens > 0 ? ", one of them for new text" : ""),
               "shorten the prompt to " + std::to_string(room) + " tokens");
}

void checkSettings(const GenerationSettings& settings, const LoadedModel& model)
{
    validateSampler(settings.sampler).orThrow();
    if (settings.max_tokens < 0) refuse("max_tokens is " + std::to_string(settings.max_tokens), "give 0 or more");
    if (settings.top_tokens < 0) refuse("top_tokens is " + std::to_string(settings.top_tokens), "give 0 or more");
    if (settings.prefill_chunk < 1)
        refuse("prefill_chunk is " + std::to_string(settings.prefill_chunk), "give 1 or more");
    for (const std::string& stop : settings.stop_texts)
        if (stop.empty()) refuse("a stop text is empty", "leave it out, or give the text to stop at");
    if (!settings.stop_texts.empty() && !model.tokenizer)
        refuse("stop texts need a tokenizer, and this model has none: " + model.tokenizer_problem,
               "leave the stop texts out");
}

} // namespace

struct Generation::State {
    GenerationSettings settings;
    std::shared_ptr<const LoadedModel> model;
    std::deque<Pane> panes;
    std::vector<StepOutput> outputs;
    std::vector<const StepOutput*> shadows; ///< of the active panes in this step; null: none

    /// Outputs of the active panes, then of their shadows in the same order.
    void readAll(const std::vector<int>& active, const CancelToken& cancel)
    {
        std::vector<StepInput> inputs;
        for (const int index : active) inputs.push_back(panes[static_cast<std::size_t>(index)].nextInput());
        shadows.assign(active.size(), nullptr);
        std::vector<std::size_t> shadowed;
        for (std::size_t i = 0; i < active.size(); ++i)
            if (const auto input = panes[static_cast<std::size_t>(active[i])].nextShadowInput()) {
                inputs.push_back(*input);
                shadowed.push_back(i);
            }
        outputs.resize(2 * panes.size());
        model->backend->step(inputs, std::span(outputs).first(inputs.size()), cancel).orThrow();
        for (std::size_t i = 0; i < shadowed.size(); ++i) shadows[shadowed[i]] = &outputs[active.size() + i];
        try {
            for (std::size_t i = 0; i < active.size(); ++i)
                panes[static_cast<std::size_t>(active[i])].inspect(outputs[i], shadows[i]);
        } catch (...) {
            for (const int index : active) panes[static_cast<std::size_t>(index)].undoRead();
            throw;
        }
    }
};

Result<KvPolicy> parseKvPolicy(std::string_view name)
{
    if (name == "own") return KvPolicy::Own;
    if (name == "all") return KvPolicy::All;
    if (name == "recompute") return KvPolicy::Recompute;
    return Error{ErrorCode::InvalidArgument, "there is no K/V policy \"" + std::string(name) + "\"",
                 "choose own, all or recompute"};
}

Generation::Generation(std::unique_ptr<State> state) : state_(std::move(state)) {}

Generation::~Generation() = default;

Result<std::unique_ptr<Generation>> Generation::start(std::shared_ptr<const LoadedModel> model,
                                                      std::vector<TokenId> prompt, std::vector<PaneSpec> panes,
                                                      GenerationSettings settings)
{
    return guarded([&] {
        checkPrompt(prompt, model->config(), settings.max_tokens);
        checkSettings(settings, *model);
        if (panes.empty()) refuse("a generation without panes", "give at least one");
        for (const PaneSpec& pane : panes) validatePlan(pane.plan, model->config()).orThrow();
        auto state = std::make_unique<State>();
        state->settings = std::move(settings);
        state->model = std::move(model);
        for (PaneSpec& pane : panes) state->panes.emplace_back(state->model, prompt, std::move(pane), state->settings);
        return std::unique_ptr<Generation>(new Generation(std::move(state)));
    });
}

bool Generation::finished() const
{
    return std::all_of(state_->panes.begin(), state_->panes.end(), [](const Pane& pane) { return pane.finished(); });
}

Result<std::vector<PaneEvent>> Generation::step(const CancelToken& cancel)
{
    return guarded([&] {
        std::vector<int> active;
        for (int i = 0; i < panes(); ++i)
            if (!state_->panes[static_cast<std::size_t>(i)].finished()) active.push_back(i);
        std::vector<PaneEvent> events;
        if (active.empty()) return events;
        state_->readAll(active, cancel);
        for (std::size_t i = 0; i < active.size(); ++i)
            events.push_back(state_->panes[static_cast<std::size_t>(active[i])].take(state_->outputs[i], active[i]));
        return events;
    });
}

Result<void> Generation::setPlan(int pane, WidthPlan plan, Routing routing)
{
    return guarded([&] {
        validatePlan(plan, state_->model->config()).orThrow();
        state_->panes.at(static_cast<std::size_t>(pane)).setPlan(std::move(plan), routing);
    });
}

int Generation::panes() const
{
    return static_cast<int>(state_->panes.size());
}

const Trace& Generation::trace(int pane) const
{
    return state_->panes.at(static_cast<std::size_t>(pane)).trace();
}

const std::string& Generation::text(int pane) const
{
    return state_->panes.at(static_cast<std::size_t>(pane)).text();
}

PaneTiming Generation::timing(int pane) const
{
    return state_->panes.at(static_cast<std::size_t>(pane)).timing();
}

Agreement Generation::agreement(int pane) const
{
    return state_->panes.at(static_cast<std::size_t>(pane)).agreement();
}

std::int64_t Generation::kvBytes() const
{
    std::int64_t bytes = 0;
    for (const Pane& pane : state_->panes) bytes += pane.kvBytes();
    return bytes;
}

int firstDivergence(const Trace& a, const Trace& b)
{
    const auto first_new = [](const Trace& trace) {
        return std::find_if(trace.records.begin(), trace.records.end(),
                            [](const TokenRecord& record) { return !record.given; });
    };
    const auto begin_a = first_new(a);
    const auto begin_b = first_new(b);
    const auto length = std::min(a.records.end() - begin_a, b.records.end() - begin_b);
    const auto same = [](const TokenRecord& x, const TokenRecord& y) { return x.id == y.id; };
    const auto differ = std::mismatch(begin_a, begin_a + length, begin_b, same).first;
    return differ == begin_a + length ? -1 : static_cast<int>(differ - begin_a);
}

} // namespace flextron
