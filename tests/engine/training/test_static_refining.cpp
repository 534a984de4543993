// The static router refined through the surrogate: where the best choice is known, it must be found.
#include <ATen/ATen.h>

#include <QtTest>

#include "engine/model/cost.h"
#include "engine/routing/target.h"
#include "engine/training/router_stage_p.h"
#include "engine/training/static_refining_p.h"
#include "engine/training/surrogate_fit_p.h"
#include "tiny_base.h"

using namespace flextron;

namespace {

struct Fixture {
    ModelConfig config = test::tinyConfig(false);
    ChoiceSets choices = defaultChoiceSets(config);
    TrainableRouters routers = newRouters(config, choices, {1, 0.8, 0.6}, 8, 1.0, 5);
    CostShares costs = CostShares::of(config, choices, flopCost(config));
};

} // namespace

class StaticRefiningTest : public QObject {
    Q_OBJECT

private slots:
    /// Costs and rises that add up: the best choice under each target is known, and the router must come near it.
    void theStaticRouterIsRefinedThroughTheSurrogate()
    {
        Fixture f;
        SurrogateFit fit(16, 32, 1e-2, 1);
        at::manual_seed(3);
        // Heads lose nothing in layer 0 and most in layer 1; an MLP's choice c loses 0.1 (3 - c).
        at::Tensor truth = at::zeros({16});
        for (int c = 0; c < 4; ++c) {
            truth[4 + c] = truth[12 + c] = 0.1 * (3 - c);
            truth[8 + c] = 0.15 * (3 - c);
        }
        for (int i = 0; i < 60; ++i) {
            const at::Tensor means = at::one_hot(at::randint(4, {8, 4}, at::kLong), 4).to(at::kFloat).view({8, 16});
            const at::Tensor rises = at::matmul(means, truth);
            fit.observe(means, rises, rises + 2);
            fit.learn(16);
        }
        const auto resolved = [&](const RouterTensors& fixed, double stop) {
            TrainableRouters routers = f.routers;
            routers.fixed = fixed;
            TargetContext context;
            context.config = &f.config;
            context.choices = &f.choices;
            context.routers = std::make_shared<const Routers>(routers.exported());
            context.context = f.config.max_position_embeddings;
            Target target;
            target.kind = Target::Kind::Budget;
            target.value = stop;
            target.routing = Routing::Static;
            return resolveTarget(target, context).orThrow();
        };
        const auto rise = [&](const SubNetwork& subnet) {
            return at::matmul(at::tensor(choiceMeans(subnet, f.choices)), truth).item<double>();
        };
        const auto judge = [&](const RouterTensors& fixed) {
            double bad = 0;
            for (const double stop : {0.8, 0.6}) {
                const ResolvedTarget target = resolved(fixed, stop);
                const double off = target.share - stop;
                bad += rise(target.plan.subnet) + 8 * (off > 0 ? 4 * off : -off);
            }
            return bad;
        };
        StaticRefining refining;
        refining.steps = 400;
        const RouterTensors before = f.routers.fixed;
        const RouterTensors refined = refineStatic(f.config, f.routers, fit, f.costs, refining, judge, 7, {});
        QVERIFY2(judge(refined) < 0.7 * judge(before), std::to_string(judge(refined)).c_str());
        for (const double stop : {0.8, 0.6}) {
            const ResolvedTarget target = resolved(refined, stop);
            QVERIFY2(target.share <= stop && target.share > 0.85 * stop, std::to_string(target.share).c_str());
            // Little is left of what loses nothing, much of what is dear.
            QVERIFY2(target.plan.subnet.heads[0] < target.plan.subnet.heads[1], toString(target.plan.subnet).c_str());
        }
        QVERIFY(before.hidden.equal(f.routers.fixed.hidden)); // a copy was trained
        refining.steps = 50;
        const auto hidden = [&] {
            const auto last = [step = 0](const RouterTensors&) mutable { return -step++; }; // the last state judged
            return refineStatic(f.config, f.routers, fit, f.costs, refining, last, 7, {}).hidden;
        };
        QVERIFY(hidden().equal(hidden()));
    }
};

QTEST_GUILESS_MAIN(StaticRefiningTest)
#include "test_static_refining.moc"
