#include "engine/evaluate/pareto.h"

#include <algorithm>

#include "engine/evaluate/mean_p.h"
#include "engine/evaluate/search.h"
#include "engine/model/cost.h"

namespace flextron {

namespace {

class Measurement {
public:
    Measurement(const LoadedModel& model, const Documents& documents, const ParetoOptions& options,
                const ProgressFn& progress, const CancelToken& cancel)
        : model_(model)
        , documents_(documents)
        , options_(options)
        , progress_(progress)
        , cancel_(cancel)
    {
        const Routers* routers = model.routers.get();
        std::size_t routings = 1;
        routings += routers && routers->fixed ? 1 : 0;
        routings += routers && routers->dynamic() ? 1 : 0;
        total_ = documents.size() * (1 + routings * options.budgets.size());
    }

    Pareto take()
    {
        pareto_.cost_basis = model_.latency ? "latency table" : "FLOPs";
        addFixed("full", 1.0, fullSubNetwork(model_.config()));
        const Routers* routers = model_.routers.get();
        forBudgets(Routing::Uniform);
        if (routers && routers->fixed) forBudgets(Routing::Static);
        if (routers && routers->dynamic()) forBudgets(Routing::Dynamic);
        if (options_.searched) search();
        markFront();
        return std::move(pareto_);
    }

private:
    void forBudgets(Routing routing)
    {
        for (const double budget : options_.budgets) {
            if (budget >= 1.0) continue; // the full model
            Target target;
            target.kind = Target::Kind::Budget;
            target.value = budget;
            target.routing = routing;
            const KvRule kv = routing == Routing::Dynamic ? KvRule::All : options_.kv;
            const auto resolved = resolveTarget(target, model_.targetContext(options_.context, kv));
            if (!resolved) {
                pareto_.left_out.push_back(std::string(routingName(routing)) + " at " + std::to_string(budget) + ": " +
                                           resolved.error().message);
                continue;
            }
            if (resolved->plan.dynamic()) addDynamic(budget, resolved->plan);
            else addFixed(std::string(routingName(routing)), budget, resolved->plan.subnet);
        }
    }

    void addFixed(const std::string& routing, double budget, const SubNetwork& subnet)
    {
        ParetoPoint point = priced(routing, budget, subnet);
        for (const ParetoPoint& other : pareto_.points)
            if ((other.routing == routing || other.routing == "full") && other.subnet == point.subnet) return;
        point.loss = scoreDocuments(
                         model_, documents_,
                         [&](std::size_t) {
                             return WidthPlan{subnet, nullptr, 1.0, nullptr};
                         },
                         {}, {}, cancel_)
                         .orThrow();
        advance();
        pareto_.points.push_back(std::move(point));
    }

    ParetoPoint priced(const std::string& routing, double budget, const SubNetwork& subnet) const
    {
        const TargetContext context = model_.targetContext(options_.context, options_.kv);
        ParetoPoint point;
        point.routing = routing;
        point.budget = budget;
        point.share = shareOf(subnet, context);
        if (model_.latency) point.ms = model_.latency->predictMs(subnet, options_.context, options_.kv);
        point.parameters = static_cast<double>(costOf(subnet, model_.config()).parameters);
        point.subnet = toString(subnet);
        return point;
    }

    void addDynamic(double budget, const WidthPlan& plan)
    {
        const TargetContext context = model_.targetContext(options_.context, KvRule::All);
        Mean share, ms, parameters;
        const auto seen = [&](std::size_t, const Score& score) {
            for (const TokenRecord& record : score.trace.records) {
                const SubNetwork used{{record.mlp.begin(), record.mlp.end()},
                                      {record.heads.begin(), record.heads.end()}};
                if (model_.latency) ms.add(model_.latency->predictMs(used, options_.context, KvRule::All, true));
                else share.add(shareOf(used, context));
                parameters.add(static_cast<double>(costOf(used, model_.config()).parameters));
            }
        };
        ParetoPoint point;
        point.loss = scoreDocuments(
                         model_, documents_, [&](std::size_t) { return plan; }, seen, {}, cancel_)
                         .orThrow();
        advance();
        point.routing = routingName(Routing::Dynamic);
        point.budget = budget;
        if (model_.latency) {
            point.ms = ms.mean();
            point.share = *point.ms / pareto_.points.front().ms.value(); // the full model's
        } else {
            point.share = share.mean();
        }
        point.parameters = parameters.mean();
        pareto_.points.push_back(std::move(point));
    }

    void search()
    {
        for (const double budget : options_.budgets) {
            if (budget >= 1.0) continue;
            SearchOptions settings;
            settings.context = options_.context;
            settings.kv = options_.kv;
            settings.seed = options_.seed;
            const auto found = searchSubNetwork(model_, {SearchGoal::Kind::Share, budget}, documents_, settings,
                                                progress_, cancel_);
            if (!found && found.error().code == ErrorCode::Cancelled) throw Failure(found.error());
            if (!found) {
                pareto_.left_out.push_back("searched at " + std::to_string(budget) + ": " + found.error().message);
                continue;
            }
            ParetoPoint point = priced("searched", budget, found->candidates.front().subnet);
            point.loss = found->candidates.front().measured;
            pareto_.points.push_back(std::move(point));
        }
    }

    void markFront()
    {
        const auto beats = [](const ParetoPoint& a, const ParetoPoint& b) {
            const double loss_a = a.loss.mean(), loss_b = b.loss.mean();
            return a.share <= b.share && loss_a <= loss_b && (a.share < b.share || loss_a < loss_b);
        };
        for (ParetoPoint& point : pareto_.points)
            point.on_front = std::none_of(pareto_.points.begin(), pareto_.points.end(),
                                          [&](const ParetoPoint& other) { return beats(other, point); });
    }

    void advance()
    {
        done_ += documents_.size();
        if (progress_) progress_({"reading documents", done_, total_, "readings"});
    }

    const LoadedModel& model_;
    const Documents& documents_;
    const ParetoOptions& options_;
    const ProgressFn& progress_;
    const CancelToken& cancel_;
    Pareto pareto_;
    std::uint64_t done_ = 0;
    std::uint64_t total_ = 0;
};

} // namespace

Result<Pareto> measurePareto(const LoadedModel& model, const Documents& documents, const ParetoOptions& options,
                             const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&] {
        if (documents.empty())
            throw Failure(ErrorCode::InvalidArgument, "there is no text to read", "give a file of text");
        return Measurement(model, documents, options, progress, cancel).take();
    });
}

} // namespace flextron
