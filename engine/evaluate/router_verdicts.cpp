// The words of a router report.
#include <algorithm>
#include <cmath>
#include <map>

#include "engine/base/numbers.h"
#include "engine/evaluate/router_report.h"

namespace flextron {

namespace {

constexpr double kAlways = 0.995;    // of tokens: nobody else gets anything
constexpr double kSameShares = 0.02; // shares of choices at two stops that differ by less are the same
constexpr double kStaticMiss = 0.05; // of the asked cost
constexpr double kDynamicMiss = 0.10;

std::string percent(double share)
{
    return formatNumber(100.0 * share, 1) + " %";
}

std::string signedNats(double value)
{
    return (value < 0 ? "" : "+") + formatNumber(value, 4) + " nats";
}

std::string probability(const PairedComparison& compared)
{
    return compared.p_value < 0.0002 ? "p < 0.0002" : "p = " + formatNumber(compared.p_value, 4);
}

/// "stories at 0.6"
std::string placeOf(const StopUse& stop)
{
    return stop.text + " at " + formatNumber(stop.asked, 4);
}

std::size_t favourite(const RouterCell& cell)
{
    return static_cast<std::size_t>(std::max_element(cell.shares.begin(), cell.shares.end()) - cell.shares.begin());
}

class Verdicts {
public:
    explicit Verdicts(const RouterReport& report) : report_(report)
    {
        for (const StopUse& stop : report.stops)
            if (stop.dynamic) dynamic_.push_back(&stop);
    }

    std::vector<std::string> take()
    {
        if (!dynamic_.empty()) {
            routers();
            listening();
            againstUniform();
            costs();
        }
        fixed();
        return std::move(said_);
    }

private:
    void say(const std::string& text) { said_.push_back(text); }

    /// One verdict a router that does not do its work, over all texts and stops.
    void routers()
    {
        const std::size_t count = dynamic_.front()->dynamic->cells.size();
        std::size_t silent = 0;
        for (std::size_t c = 0; c < count; ++c) {
            const RouterCell& cell = dynamic_.front()->dynamic->cells[c];
            const bool mlp = cell.block == SubBlock::Mlp;
            const std::vector<int>& choices = mlp ? report_.choices.mlp_int_list : report_.choices.head_int_list;
            if (choices.size() < 2) continue;
            const std::string name = "layer " + std::to_string(cell.layer) + (mlp ? " MLP: " : " heads: ");
            const std::string trouble = troubleOf(c, choices);
            if (trouble.empty()) ++silent;
            else say(name + trouble);
            std::string dead;
            for (const int choice : choices)
                if (std::all_of(dynamic_.begin(), dynamic_.end(), [&](const StopUse* stop) {
                        const auto& gone = stop->dynamic->cells[c].dead;
                        return std::find(gone.begin(), gone.end(), choice) != gone.end();
                    }))
                    dead += (dead.empty() ? "" : ", ") + std::to_string(choice);
            if (!dead.empty()) say(name + "no token ever gets " + dead);
        }
        say(std::to_string(silent) + " of " + std::to_string(count) + " routers follow the target and the token");
    }

    /// Empty when the router listens to both.
    [[nodiscard]] std::string troubleOf(std::size_t c, const std::vector<int>& choices) const
    {
        const RouterCell& first = dynamic_.front()->dynamic->cells[c];
        const std::size_t one = favourite(first);
        double least = 1.0;
        bool always_one = true, same_choice = true, same_shares = dynamic_.size() > 1;
        std::map<std::string, const RouterCell*> of_text;
        for (const StopUse* stop : dynamic_) {
            const RouterCell& cell = stop->dynamic->cells[c];
            const double share = cell.shares[favourite(cell)];
            least = std::min(least, share);
            always_one = always_one && share >= kAlways;
            same_choice = same_choice && favourite(cell) == one;
            // The target is heard when shares change between stops of one text.
            const auto [place, fresh] = of_text.try_emplace(stop->text, &cell);
            for (std::size_t i = 0; i < cell.shares.size() && !fresh; ++i)
                if (std::abs(cell.shares[i] - place->second->shares[i]) >= kSameShares) same_shares = false;
        }
        if (of_text.size() == dynamic_.size()) same_shares = false; // one stop each: nothing to compare
        if (always_one && same_choice)
            return std::to_string(choices[one]) + " for " + percent(least) +
                   " of tokens or more at every stop: ignores target and token";
        if (always_one) return "the same width for all tokens at each stop: follows the target, ignores the token";
        if (same_shares) return "the same shares at every stop: follows the token, ignores the target";
        return {};
    }

    void listening()
    {
        for (const StopUse* stop : dynamic_) {
            const PairedComparison& compared = stop->dynamic->shuffled.compared;
            const char* said = stop->dynamic->usesItsInput() ? "uses its input"
                               : compared.documents < DynamicUse::kEnough
                                   ? "too few documents to say if it uses its input"
                                   : "does not use its input";
            say(placeOf(*stop) + ": " + said + ": choices shuffled between tokens change the loss by " +
                signedNats(compared.difference) + " (" + probability(compared) + ", " +
                std::to_string(compared.documents) + " documents)");
        }
    }

    void againstUniform()
    {
        for (const StopUse* stop : dynamic_) {
            const PairedComparison& compared = stop->dynamic->uniform.compared;
            if (compared.p_value < 0.01) continue;
            say(placeOf(*stop) + ": dynamic routing is no better than uniform widths of the same cost: " +
                signedNats(compared.difference) + " (" + probability(compared) + ")");
        }
    }

    void costs()
    {
        bool monotone = true;
        for (std::size_t i = 0; i < dynamic_.size(); ++i) {
            const StopUse& stop = *dynamic_[i];
            miss(stop, "dynamic", stop.dynamic->got, kDynamicMiss);
            if (i == 0 || dynamic_[i - 1]->text != stop.text) continue;
            const StopUse& before = *dynamic_[i - 1];
            if (stop.dynamic->got <= before.dynamic->got || stop.asked == before.asked) continue;
            monotone = false;
            say(placeOf(stop) + ": asked for less than " + formatNumber(before.asked, 4) +
                ", and costs more: " + percent(stop.dynamic->got) + " against " + percent(before.dynamic->got) +
                ": the cost is not monotone in the target");
        }
        if (monotone) say("the mean cost falls with the target on every text");
    }

    void miss(const StopUse& stop, const std::string& routing, double got, double allowed)
    {
        if (report_.cost_basis != "FLOPs") return; // budgets are shares of FLOPs
        const double off = got / stop.asked - 1.0;
        if (std::abs(off) <= allowed) return;
        say(placeOf(stop) + ": " + routing + " routing costs " + percent(got) + " of the full model by " +
            report_.cost_basis + ", " + percent(std::abs(off)) + (off > 0 ? " above" : " below") +
            " what was asked for");
    }

    void fixed()
    {
        for (const StopUse& stop : report_.stops) {
            if (!stop.fixed) continue;
            miss(stop, "static", stop.fixed->got, kStaticMiss);
            const PairedComparison& compared = stop.fixed->uniform.compared;
            if (compared.p_value >= 0.01)
                say(placeOf(stop) +
                    ": the static router's sub-network is no better than uniform widths of the same cost: " +
                    signedNats(compared.difference) + " (" + probability(compared) + ")");
        }
    }

    const RouterReport& report_;
    std::vector<const StopUse*> dynamic_;
    std::vector<std::string> said_;
};

} // namespace

std::vector<std::string> routerVerdicts(const RouterReport& report)
{
    return Verdicts(report).take();
}

} // namespace flextron
