#include "engine/evaluate/response.h"

#include <algorithm>
#include <memory>

#include "engine/base/numbers.h"
#include "engine/evaluate/forced_widths_p.h"

namespace flextron {

namespace {

constexpr int kChunkTokens = 128;

[[noreturn]] void refuse(const std::string& message, const std::string& hint)
{
    throw Failure(ErrorCode::InvalidArgument, message, hint);
}

void check(const LoadedModel& model, const Trace& trace, int token, std::span<const double> budgets)
{
    if (!model.routers || !model.routers->dynamic())
        refuse("this model has no dynamic routers, whose choices could be asked for", "give a file of routers");
    if (trace.model_hash != model.hash)
        refuse("the text was read by the model " + trace.model + " (" + trace.model_hash + "), not by " + model.name +
                   " (" + model.hash + ")",
               "open the model that made the text");
    const auto length = trace.records.size();
    if (token < 0 || static_cast<std::size_t>(token) >= length)
        refuse("token " + std::to_string(token) + " of a text of " + std::to_string(length) + " tokens",
               "count tokens from 0");
    const bool read = std::all_of(trace.records.begin(), trace.records.begin() + token + 1,
                                  [](const TokenRecord& record) { return record.read; });
    if (!read)
        refuse("token " + std::to_string(token) + " was not read yet: its widths are not chosen",
               "wait for the next step, or ask for a token before it");
    for (const double budget : budgets)
        if (!(budget > 0.0 && budget <= 1.0))
            refuse("a budget of " + formatNumber(budget, 6) + " is no share of the full model",
                   "give numbers above 0 and at most 1");
}

/// The window that a token's record is from: windows overlap by one token, and the reading that saw more before it
/// counts (scoring.h).
int windowStart(int token, int window)
{
    return token == 0 ? 0 : (token - 1) / (window - 1) * (window - 1);
}

/// One text, read again as it was read.
class Rereading {
public:
    Rereading(const LoadedModel& model, const Trace& trace, int token)
        : model_(model)
        , trace_(trace)
        , token_(token)
        , start_(windowStart(token, model.config().max_position_embeddings))
        , full_(fullSubNetwork(model.config()))
        , cache_(model.backend->newCache(token - start_ + 1, full_.heads).orThrow())
    {
    }

    void readBefore(const CancelToken& cancel)
    {
        const WidthPlan plan = planBefore();
        std::vector<TokenId> ids;
        for (int t = start_; t < token_; ++t) ids.push_back(record(t).id);
        StepOutput output;
        for (std::size_t first = 0; first < ids.size(); first += kChunkTokens) {
            const auto count = std::min<std::size_t>(kChunkTokens, ids.size() - first);
            const StepInput input{cache_.get(), std::span(ids).subspan(first, count), &plan, LogitsWanted::None};
            model_.backend->step({&input, 1}, {&output, 1}, cancel).orThrow();
        }
    }

    /// Leaves the cache as it was. The output is valid until the next call.
    const StepOutput& readToken(double budget, const CancelToken& cancel)
    {
        auto forced = std::make_shared<Overrides>();
        forceWidths(*forced, token_ - start_, record(token_).heads, record(token_).mlp);
        const WidthPlan plan{full_, model_.routers, budget, forced};
        const StepInput input{cache_.get(), {&record(token_).id, 1}, &plan, LogitsWanted::None};
        model_.backend->step({&input, 1}, {&output_, 1}, cancel).orThrow();
        cache_->truncate(token_ - start_);
        return output_;
    }

private:
    [[nodiscard]] const TokenRecord& record(int token) const { return trace_.records[static_cast<std::size_t>(token)]; }

    /// The recorded widths. But the first token of a later window was read twice, and its record is of the window
    /// before: here its routers, and what was forced by hand, have to be asked again.
    [[nodiscard]] WidthPlan planBefore() const
    {
        const bool ask_again = start_ > 0 && trace_.routing == routingName(Routing::Dynamic);
        auto forced = std::make_shared<Overrides>();
        Overrides by_hand;
        if (ask_again && !trace_.overrides.empty())
            by_hand = parseOverrides(trace_.overrides, model_.config()).orThrow();
        for (Override entry : by_hand.entries()) {
            if (entry.token != Override::kAll && entry.token != start_) continue;
            entry.token = 0;
            forced->add(entry);
        }
        for (int t = start_ + (ask_again ? 1 : 0); t < token_; ++t)
            forceWidths(*forced, t - start_, record(t).heads, record(t).mlp);
        return {full_, ask_again ? model_.routers : nullptr, trace_.budget, forced};
    }

    const LoadedModel& model_;
    const Trace& trace_;
    int token_;
    int start_; ///< of the window, in the text
    SubNetwork full_;
    std::unique_ptr<KvCache> cache_;
    StepOutput output_;
};

} // namespace

std::span<const float> RouterResponse::probabilities(std::size_t budget, int layer, SubBlock block) const
{
    const bool mlp = block == SubBlock::Mlp;
    const std::size_t count = (mlp ? choices.mlp_int_list : choices.head_int_list).size();
    const std::size_t cell = budget * static_cast<std::size_t>(layers) + static_cast<std::size_t>(layer);
    return std::span(mlp ? mlp_probabilities : head_probabilities).subspan(cell * count, count);
}

int RouterResponse::width(std::size_t budget, int layer, SubBlock block) const
{
    const std::span<const float> of_cell = probabilities(budget, layer, block);
    const auto best = std::max_element(of_cell.begin(), of_cell.end()) - of_cell.begin();
    return (block == SubBlock::Mlp ? choices.mlp_int_list : choices.head_int_list)[static_cast<std::size_t>(best)];
}

std::vector<double> responseBudgets(const Routers& routers, int between)
{
    std::vector<double> budgets;
    for (const double stop : routers.budget_list) {
        const double last = budgets.empty() ? stop : budgets.back();
        for (int i = 1; i <= between && !budgets.empty(); ++i)
            budgets.push_back(last + (stop - last) * i / (between + 1));
        budgets.push_back(stop);
    }
    return budgets;
}

Result<RouterResponse> routerResponse(const LoadedModel& model, const Trace& trace, int token,
                                      std::span<const double> budgets, const CancelToken& cancel)
{
    return guarded([&] {
        check(model, trace, token, budgets);
        RouterResponse response;
        response.budgets.assign(budgets.begin(), budgets.end());
        response.choices = model.routers->choices;
        response.layers = model.config().numLayers();
        Rereading text(model, trace, token);
        text.readBefore(cancel);
        for (const double budget : budgets) {
            const StepOutput& output = text.readToken(budget, cancel);
            const auto append = [](const std::vector<float>& from, std::vector<float>& to) {
                to.insert(to.end(), from.begin(), from.end());
            };
            append(output.head_probabilities, response.head_probabilities);
            append(output.mlp_probabilities, response.mlp_probabilities);
        }
        return response;
    });
}

} // namespace flextron
