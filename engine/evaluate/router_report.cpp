#include "engine/evaluate/router_report.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

#include "engine/evaluate/forced_widths_p.h"
#include "engine/evaluate/mean_p.h"

namespace flextron {

namespace {

/// [token][layer] widths of a text, as they were or as they shall be.
struct TextWidths {
    std::vector<std::vector<std::int32_t>> heads;
    std::vector<std::vector<std::int32_t>> mlp;
};

/// Fisher and Yates, but for the first token; the same on every machine.
void shuffleTokens(std::vector<std::vector<std::int32_t>>& widths, std::size_t layer, std::mt19937_64& random)
{
    for (std::size_t t = widths.size(); t-- > 2;) std::swap(widths[t][layer], widths[1 + random() % t][layer]);
}

/// Counts what one router chose.
struct CellCount {
    std::vector<std::int64_t> chosen;
    Mean entropy;
    Mean margin;
};

class DynamicReading {
public:
    DynamicReading(const LoadedModel& model, const TargetContext& context, double budget, std::uint64_t seed)
        : model_(model)
        , context_(context)
        , seed_(seed)
        , choices_(model.routers->choices)
        , plan_{fullSubNetwork(model.config()), model.routers, budget, nullptr}
        , heads_(model.config().layers.size(), count(choices_.head_int_list))
        , mlp_(model.config().layers.size(), count(choices_.mlp_int_list))
    {
    }

    /// Reads a document with the routers, then with their choices shuffled.
    void read(std::size_t index, const std::vector<TokenId>& document, const CancelToken& cancel)
    {
        const Score score = scoreText(model_, document, plan_, {}, {}, cancel).orThrow();
        use_.loss.add({score.nll_sum, score.tokens, score.text_bytes});
        TextWidths widths;
        for (const TokenRecord& record : score.trace.records) {
            note(record);
            widths.heads.push_back(record.heads);
            widths.mlp.push_back(record.mlp);
        }
        const WidthPlan shuffled{plan_.subnet, nullptr, 1.0, shuffledChoices(widths, index)};
        ScoreOptions options;
        options.keep_records = false;
        const Score control = scoreText(model_, document, shuffled, options, {}, cancel).orThrow();
        use_.shuffled.loss.add({control.nll_sum, control.tokens, control.text_bytes});
    }

    DynamicUse finish()
    {
        use_.got = cost_.mean();
        use_.shuffled.share = use_.got;
        for (std::size_t l = 0; l < heads_.size(); ++l) {
            use_.cells.push_back(cell(l, SubBlock::Attention, heads_[l], choices_.head_int_list));
            use_.cells.push_back(cell(l, SubBlock::Mlp, mlp_[l], choices_.mlp_int_list));
        }
        return std::move(use_);
    }

private:
    static CellCount count(const std::vector<int>& choices)
    {
        return {std::vector<std::int64_t>(choices.size(), 0), {}, {}};
    }

    void note(const TokenRecord& record)
    {
        const auto add = [](CellCount& cell, const std::vector<int>& choices, int width, float entropy, float margin) {
            // A layer narrower than the choice gives all it has: the first choice that is not below.
            const auto place = std::lower_bound(choices.begin(), choices.end(), width) - choices.begin();
            ++cell.chosen[std::min(static_cast<std::size_t>(place), choices.size() - 1)];
            cell.entropy.add(static_cast<double>(entropy));
            cell.margin.add(static_cast<double>(margin));
        };
        for (std::size_t l = 0; l < record.mlp.size(); ++l) {
            add(heads_[l], choices_.head_int_list, record.heads[l], record.head_entropy[l], record.head_margin[l]);
            add(mlp_[l], choices_.mlp_int_list, record.mlp[l], record.mlp_entropy[l], record.mlp_margin[l]);
        }
        cost_.add(
            shareOf({{record.mlp.begin(), record.mlp.end()}, {record.heads.begin(), record.heads.end()}}, context_));
    }

    std::shared_ptr<const Overrides> shuffledChoices(TextWidths& widths, std::size_t index) const
    {
        std::mt19937_64 random(seed_ * 1'000'003 + index);
        for (std::size_t l = 0; l < heads_.size(); ++l) {
            shuffleTokens(widths.heads, l, random);
            shuffleTokens(widths.mlp, l, random);
        }
        auto forced = std::make_shared<Overrides>();
        for (std::size_t t = 0; t < widths.mlp.size(); ++t)
            forceWidths(*forced, static_cast<int>(t), widths.heads[t], widths.mlp[t]);
        return forced;
    }

    static RouterCell cell(std::size_t layer, SubBlock block, const CellCount& count, const std::vector<int>& choices)
    {
        RouterCell result;
        result.layer = static_cast<int>(layer);
        result.block = block;
        const auto tokens = static_cast<double>(count.entropy.count());
        for (std::size_t i = 0; i < choices.size(); ++i) {
            const double share = static_cast<double>(count.chosen[i]) / tokens;
            result.shares.push_back(share);
            if (share > 0.0) result.entropy_between_tokens -= share * std::log(share);
            else result.dead.push_back(choices[i]);
        }
        result.router_entropy = count.entropy.mean();
        result.margin = count.margin.mean();
        return result;
    }

    const LoadedModel& model_;
    const TargetContext& context_;
    std::uint64_t seed_;
    const ChoiceSets& choices_;
    WidthPlan plan_;
    std::vector<CellCount> heads_, mlp_; // a layer
    Mean cost_;
    DynamicUse use_;
};

class Reporter {
public:
    Reporter(const LoadedModel& model, const RouterReportOptions& options, const ProgressFn& progress,
             const CancelToken& cancel)
        : model_(model)
        , options_(options)
        , progress_(progress)
        , cancel_(cancel)
        , context_(model.targetContext(options.context, KvRule::All))
    {
    }

    void expect(std::uint64_t documents) { total_ = documents; }

    StopUse read(const NamedDocuments& text, double budget)
    {
        StopUse use;
        use.text = text.name;
        use.asked = budget;
        if (model_.routers->dynamic()) use.dynamic = dynamic(text.documents, budget);
        if (model_.routers->fixed) use.fixed = fixed(text.documents, budget);
        return use;
    }

private:
    DynamicUse dynamic(const Documents& documents, double budget)
    {
        DynamicReading reading(model_, context_, budget, options_.seed);
        for (std::size_t d = 0; d < documents.size(); ++d) {
            reading.read(d, documents[d], cancel_);
            advance(2);
        }
        DynamicUse use = reading.finish();
        use.uniform_subnet = uniformAtShare(use.got, context_);
        use.uniform.share = shareOf(use.uniform_subnet, context_);
        use.uniform.loss = score(documents, use.uniform_subnet);
        use.uniform.compared = comparePaired(use.uniform.loss, use.loss, options_.resamples, options_.seed);
        use.shuffled.compared = comparePaired(use.shuffled.loss, use.loss, options_.resamples, options_.seed);
        return use;
    }

    StaticUse fixed(const Documents& documents, double budget)
    {
        StaticUse use;
        const TargetContext context = model_.targetContext(options_.context, KvRule::Own);
        Target target;
        target.kind = Target::Kind::Budget;
        target.value = budget;
        target.routing = Routing::Static;
        target.by_flops = true; // as the dynamic routers are asked
        use.subnet = resolveTarget(target, context).orThrow().plan.subnet;
        use.got = shareOf(use.subnet, context);
        use.loss = score(documents, use.subnet);
        const SubNetwork uniform = uniformAtShare(use.got, context);
        use.uniform.share = shareOf(uniform, context);
        use.uniform.loss = score(documents, uniform);
        use.uniform.compared = comparePaired(use.uniform.loss, use.loss, options_.resamples, options_.seed);
        return use;
    }

    TextLoss score(const Documents& documents, const SubNetwork& subnet)
    {
        TextLoss loss =
            scoreDocuments(model_, documents, WidthPlan{subnet, nullptr, 1.0, nullptr}, {}, cancel_).orThrow();
        advance(documents.size());
        return loss;
    }

    void advance(std::uint64_t readings)
    {
        done_ += readings;
        if (progress_) progress_({"reading documents", done_, total_, "readings"});
    }

    const LoadedModel& model_;
    const RouterReportOptions& options_;
    const ProgressFn& progress_;
    const CancelToken& cancel_;
    TargetContext context_;
    std::uint64_t done_ = 0;
    std::uint64_t total_ = 0;
};

void check(const LoadedModel& model, const std::vector<NamedDocuments>& texts, const std::vector<double>& budgets)
{
    if (!model.routers)
        throw Failure(ErrorCode::InvalidArgument, "this model has no routers", "give a file of routers");
    if (texts.empty()) throw Failure(ErrorCode::InvalidArgument, "there is no text to read", "give a file of text");
    if (budgets.empty())
        throw Failure(ErrorCode::InvalidArgument, "the routers know no stop below 1, where they are bypassed",
                      "name the budgets to look at");
    for (const double budget : budgets)
        if (!(budget > 0.0 && budget <= 1.0))
            throw Failure(ErrorCode::InvalidArgument,
                          "a budget of " + std::to_string(budget) + " is no share of the full model",
                          "give numbers above 0 and at most 1");
}

} // namespace

bool DynamicUse::usesItsInput() const
{
    const PairedComparison& compared = shuffled.compared;
    const bool hurts = compared.p_value < 0.01 && compared.difference >= kUseful;
    return compared.documents >= kEnough && hurts && uniform.compared.high >= 0.0;
}

Result<RouterReport> reportRouters(const LoadedModel& model, const std::vector<NamedDocuments>& texts,
                                   const RouterReportOptions& options, const ProgressFn& progress,
                                   const CancelToken& cancel)
{
    return guarded([&] {
        std::vector<double> budgets = options.budgets;
        if (budgets.empty() && model.routers)
            for (const double stop : model.routers->budget_list)
                if (stop < 1.0) budgets.push_back(stop);
        check(model, texts, budgets);
        std::sort(budgets.rbegin(), budgets.rend());
        RouterReport report;
        report.choices = model.routers->choices;
        report.cost_basis = model.latency ? "latency table" : "FLOPs";
        Reporter reporter(model, options, progress, cancel);
        const std::uint64_t readings = (model.routers->dynamic() ? 3 : 0) + (model.routers->fixed ? 2 : 0);
        std::uint64_t documents = 0;
        for (const NamedDocuments& text : texts) documents += text.documents.size();
        reporter.expect(documents * readings * budgets.size());
        for (const NamedDocuments& text : texts)
            for (const double budget : budgets) report.stops.push_back(reporter.read(text, budget));
        report.verdicts = routerVerdicts(report);
        return report;
    });
}

} // namespace flextron
