#include "engine/evaluate/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "engine/base/numbers.h"
#include "engine/evaluate/corrections_p.h"
#include "engine/model/cost.h"

namespace flextron {

namespace {

/// Cost and loss of genes. Cost is a sum over places, in a table as in FLOPs, so each place's choices are priced once.
class Landscape {
public:
    Landscape(const LoadedModel& model, const SearchOptions& options)
        : config_(model.config())
        , choices_(model.routers->choices)
        , surrogate_(*model.routers->surrogate)
        , context_(model.targetContext(options.context, options.kv))
    {
        const Genes narrowest(static_cast<std::size_t>(2 * config_.numLayers()), 0);
        floor_ = shareOf(subnetOf(narrowest), context_);
        for (std::size_t place = 0; place < narrowest.size(); ++place) {
            extra_.emplace_back();
            for (int i = 0; i < choicesAt(place); ++i) {
                Genes one = narrowest;
                one[place] = i;
                extra_.back().push_back(shareOf(subnetOf(one), context_) - floor_);
            }
        }
    }

    [[nodiscard]] int places() const { return 2 * config_.numLayers(); }
    [[nodiscard]] int choicesAt(std::size_t place) const
    {
        return static_cast<int>((place % 2 == 0 ? choices_.head_int_list : choices_.mlp_int_list).size());
    }
    [[nodiscard]] Genes widest() const
    {
        Genes genes;
        for (std::size_t place = 0; place < extra_.size(); ++place) genes.push_back(choicesAt(place) - 1);
        return genes;
    }
    [[nodiscard]] double floor() const { return floor_; }
    [[nodiscard]] double share(const Genes& genes) const
    {
        double sum = floor_;
        for (std::size_t place = 0; place < genes.size(); ++place)
            sum += extra_[place][static_cast<std::size_t>(genes[place])];
        return sum;
    }
    /// By the surrogate, as it is.
    [[nodiscard]] double foretold(const Genes& genes) const
    {
        std::vector<float> means;
        for (std::size_t place = 0; place < genes.size(); ++place) {
            means.resize(means.size() + static_cast<std::size_t>(choicesAt(place)), 0.0f);
            means[means.size() - static_cast<std::size_t>(choicesAt(place) - genes[place])] = 1.0f;
        }
        return surrogate_.predictRise(means);
    }
    /// By the surrogate and what reading taught about it.
    [[nodiscard]] double rise(const Genes& genes) const { return foretold(genes) + corrections_.at(genes); }
    void learn(const Genes& genes, double measured_rise) { corrections_.add(genes, measured_rise - foretold(genes)); }
    [[nodiscard]] bool wasRead(const Genes& genes) const { return corrections_.knows(genes); }
    /// None for widths that are no choices.
    [[nodiscard]] std::optional<Genes> genesOf(const SubNetwork& subnet) const
    {
        Genes genes;
        for (std::size_t place = 0; place < extra_.size(); ++place) {
            const std::vector<int>& list = place % 2 == 0 ? choices_.head_int_list : choices_.mlp_int_list;
            const int width = place % 2 == 0 ? subnet.heads[place / 2] : subnet.mlp[place / 2];
            const auto found = std::find(list.begin(), list.end(), width);
            if (found == list.end()) return std::nullopt;
            genes.push_back(static_cast<int>(found - list.begin()));
        }
        return genes;
    }
    [[nodiscard]] SubNetwork subnetOf(const Genes& genes) const
    {
        SubNetwork subnet;
        for (std::size_t place = 0; place < genes.size(); place += 2) {
            subnet.heads.push_back(choices_.head_int_list[static_cast<std::size_t>(genes[place])]);
            subnet.mlp.push_back(choices_.mlp_int_list[static_cast<std::size_t>(genes[place + 1])]);
        }
        return subnet;
    }
    [[nodiscard]] const TargetContext& context() const { return context_; }

private:
    const ModelConfig& config_;
    const ChoiceSets& choices_;
    const Surrogate& surrogate_;
    TargetContext context_;
    double floor_ = 0;
    std::vector<std::vector<double>> extra_; ///< [place][choice] share above the narrowest
    Corrections corrections_;
};

/// Local search from many starts; remembers the best sub-networks that it met.
class Climber {
public:
    Climber(const Landscape& landscape, const SearchOptions& options, const CancelToken& cancel)
        : land_(landscape)
        , options_(options)
        , cancel_(cancel)
        , random_(options.seed)
    {
    }

    /// All sub-networks met that cost at most `share`, and their predicted rises.
    const std::map<Genes, double>& under(double share)
    {
        limit_ = share * (1 + 1e-9);
        met_.clear();
        random_.seed(options_.seed);
        for (int start = 0; start < options_.restarts; ++start) {
            cancel_.throwIfCancelled();
            climb(start == 0 ? narrowed(land_.widest()) : narrowed(anywhere()));
        }
        return met_;
    }

private:
    Genes anywhere()
    {
        Genes genes = land_.widest();
        for (int& gene : genes) gene = static_cast<int>(random_() % static_cast<std::uint64_t>(gene + 1));
        return genes;
    }

    /// Gives away what costs the most loss-free share, until it fits.
    Genes narrowed(Genes genes)
    {
        while (land_.share(genes) > limit_) {
            double best = 0;
            int place = -1;
            const double rise = land_.rise(genes), share = land_.share(genes);
            for (int p = 0; p < land_.places(); ++p) {
                auto& gene = genes[static_cast<std::size_t>(p)];
                if (gene == 0) continue;
                --gene;
                const double saved = std::max(1e-12, share - land_.share(genes));
                const double price = (land_.rise(genes) - rise) / saved;
                ++gene;
                if (place < 0 || price < best) {
                    best = price;
                    place = p;
                }
            }
            if (place < 0) break; // the narrowest one
            --genes[static_cast<std::size_t>(place)];
        }
        return genes;
    }

    void climb(Genes genes)
    {
        double rise = note(genes);
        for (bool better = true; better;) {
            better = false;
            for (int wider = 0; wider < land_.places() && !better; ++wider)
                better = widen(genes, rise, static_cast<std::size_t>(wider));
        }
    }

    /// One place a step wider, if needed another one narrower; true when that was an improvement, which it then keeps.
    bool widen(Genes& genes, double& rise, std::size_t wider)
    {
        if (genes[wider] + 1 >= land_.choicesAt(wider)) return false;
        ++genes[wider];
        if (land_.share(genes) <= limit_) {
            const double now = note(genes);
            if (now < rise - 1e-9) {
                rise = now;
                return true;
            }
        }
        for (std::size_t narrower = 0; narrower < genes.size(); ++narrower) {
            if (narrower == wider) continue;
            const int before = genes[narrower];
            while (genes[narrower] > 0) {
                --genes[narrower];
                if (land_.share(genes) > limit_) continue;
                const double now = note(genes);
                if (now < rise - 1e-9) {
                    rise = now;
                    return true;
                }
                break;
            }
            genes[narrower] = before;
        }
        --genes[wider];
        return false;
    }

    double note(const Genes& genes)
    {
        const auto known = met_.find(genes);
        if (known != met_.end()) return known->second;
        const double rise = land_.rise(genes);
        if (land_.share(genes) <= limit_) met_.emplace(genes, rise);
        return rise;
    }

    const Landscape& land_;
    const SearchOptions& options_;
    const CancelToken& cancel_;
    std::mt19937_64 random_;
    double limit_ = 1;
    std::map<Genes, double> met_;
};

void check(const LoadedModel& model, const SearchGoal& goal, const Documents& documents, const SearchOptions& options)
{
    if (!model.routers || !model.routers->surrogate)
        throw Failure(ErrorCode::Unsupported,
                      "this model has no surrogate to foretell the loss of a sub-network, which the search needs",
                      "convert it with the stage that trains routers, or give a file of routers that has one");
    if (documents.empty())
        throw Failure(ErrorCode::InvalidArgument, "there is no text to read the best candidates on",
                      "give a file of text");
    if (!(std::isfinite(goal.value) && goal.value > 0.0))
        throw Failure(ErrorCode::InvalidArgument, "a goal of " + formatNumber(goal.value, 6), "give a number above 0");
    if (goal.kind == SearchGoal::Kind::LatencyMs && !model.latency)
        throw Failure(ErrorCode::InvalidArgument, "milliseconds need a latency table, and there is none",
                      "measure it once (flextron profile), or give a share of the full model");
    if (options.candidates < 1 || options.restarts < 1)
        throw Failure(ErrorCode::InvalidArgument, "a search without candidates or starts", "give at least 1 of each");
}

/// The one of least predicted rise at no more than `share` that was not read yet.
std::optional<Genes> bestUnder(Climber& climber, const Landscape& land, double share)
{
    std::optional<Genes> best;
    double least = std::numeric_limits<double>::infinity();
    for (const auto& [genes, rise] : climber.under(share)) {
        if (rise >= least || land.wasRead(genes)) continue;
        best = genes;
        least = rise;
    }
    return best;
}

/// The cheapest that was not read yet and is believed to be within `allowed`: cost limits are bisected.
std::optional<Genes> cheapestWithin(Climber& climber, const Landscape& land, double allowed)
{
    std::optional<Genes> cheapest;
    double least = std::numeric_limits<double>::infinity();
    double low = land.floor(), high = 1.0;
    for (int step = 0; step < 10; ++step) {
        const double middle = (low + high) / 2;
        bool found = false;
        for (const auto& [genes, rise] : climber.under(middle)) {
            if (rise > allowed || land.wasRead(genes)) continue;
            found = true;
            if (land.share(genes) >= least) continue;
            cheapest = genes;
            least = land.share(genes);
        }
        (found ? high : low) = middle;
    }
    return cheapest;
}

/// What uniform widths and the static router give for the same goal: a search is to be no worse.
std::vector<Genes> knownAnswers(const SearchGoal& goal, const Landscape& land, double limit)
{
    Target target;
    target.kind = goal.kind == SearchGoal::Kind::Quality     ? Target::Kind::Quality
                  : goal.kind == SearchGoal::Kind::LatencyMs ? Target::Kind::LatencyMs
                                                             : Target::Kind::Budget;
    target.value = goal.value;
    std::vector<Genes> result;
    for (const Routing routing : {Routing::Uniform, Routing::Static}) {
        target.routing = routing;
        const auto resolved = resolveTarget(target, land.context());
        if (!resolved) continue; // no static router, or none of its networks is small enough
        if (const auto genes = land.genesOf(resolved->plan.subnet); genes && land.share(*genes) <= limit * (1 + 1e-9))
            result.push_back(*genes);
    }
    return result;
}

double limitFor(const LoadedModel& model, const SearchGoal& goal, const Landscape& land)
{
    if (goal.kind == SearchGoal::Kind::Quality) return 1.0;
    const TargetContext& context = land.context();
    const double full_ms = goal.kind == SearchGoal::Kind::LatencyMs
                               ? model.latency->predictMs(fullSubNetwork(model.config()), context.context, context.kv)
                               : 1.0;
    const double share = goal.value / full_ms;
    if (share >= land.floor()) return std::min(share, 1.0);
    const bool ms = goal.kind == SearchGoal::Kind::LatencyMs;
    const std::string nearest = formatNumber(std::ceil(land.floor() * full_ms * 1e4) / 1e4, 4);
    throw Failure(ErrorCode::InvalidArgument,
                  "a goal of " + formatNumber(goal.value, 6) + (ms ? " ms" : " of the full model") +
                      " is below the floor: the smallest sub-network takes " + nearest,
                  "the nearest goal that can be met is " + nearest);
}

SearchCandidate readCandidate(const LoadedModel& model, const Landscape& land, const Genes& genes,
                              const Documents& documents, const TextLoss& full, const CancelToken& cancel)
{
    const TargetContext& context = land.context();
    SearchCandidate candidate;
    candidate.subnet = land.subnetOf(genes);
    candidate.share = shareOf(candidate.subnet, context);
    if (context.latency != nullptr)
        candidate.ms = context.latency->predictMs(candidate.subnet, context.context, context.kv);
    candidate.parameters = costOf(candidate.subnet, model.config()).parameters;
    candidate.predicted_rise = land.foretold(genes);
    candidate.measured =
        scoreDocuments(model, documents, WidthPlan{candidate.subnet, nullptr, 1.0, nullptr}, {}, cancel).orThrow();
    candidate.measured_rise = candidate.measured.mean() - full.mean();
    return candidate;
}

} // namespace

Result<SearchResult> searchSubNetwork(const LoadedModel& model, const SearchGoal& goal, const Documents& documents,
                                      const SearchOptions& options, const ProgressFn& progress,
                                      const CancelToken& cancel)
{
    return guarded([&] {
        check(model, goal, documents, options);
        Landscape land(model, options);
        Climber climber(land, options, cancel);
        const bool quality = goal.kind == SearchGoal::Kind::Quality;
        const double limit = limitFor(model, goal, land);
        SearchResult result;
        result.full = scoreDocuments(model, documents, WidthPlan{fullSubNetwork(model.config()), nullptr, 1.0, nullptr},
                                     {}, cancel)
                          .orThrow();
        const auto read = [&](const Genes& genes) {
            if (land.wasRead(genes) || static_cast<int>(result.candidates.size()) == options.candidates) return;
            result.candidates.push_back(readCandidate(model, land, genes, documents, result.full, cancel));
            land.learn(genes, result.candidates.back().measured_rise);
            if (progress)
                progress({"reading sub-networks", result.candidates.size(),
                          static_cast<std::uint64_t>(options.candidates), "sub-networks"});
        };
        const auto searchOn = [&] {
            const auto next = quality ? cheapestWithin(climber, land, goal.value) : bestUnder(climber, land, limit);
            if (next) read(*next);
            return next.has_value();
        };
        const bool found = searchOn();
        for (const Genes& genes : knownAnswers(goal, land, limit)) read(genes);
        if (!found && result.candidates.empty()) read(land.widest());
        while (static_cast<int>(result.candidates.size()) < options.candidates)
            if (!searchOn()) break;
        const auto meets = [&](const SearchCandidate& candidate) { return candidate.measured_rise <= goal.value; };
        std::sort(result.candidates.begin(), result.candidates.end(),
                  [&](const SearchCandidate& a, const SearchCandidate& b) {
                      if (!quality) return a.measured.mean() < b.measured.mean();
                      if (meets(a) != meets(b)) return meets(a);
                      return meets(a) ? a.share < b.share : a.measured_rise < b.measured_rise;
                  });
        result.met = !quality || meets(result.candidates.front());
        return result;
    });
}

} // namespace flextron
