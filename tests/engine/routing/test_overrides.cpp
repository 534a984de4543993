// Forced widths: which entry counts, what a file may say, and what a cache must hold for them.
#include <QTest>

#include <random>

#include "engine/routing/width_plan.h"

using namespace flextron;

namespace {

ModelConfig makeConfig()
{
    ModelConfig config;
    config.hidden_size = 12;
    config.head_dim = 3;
    config.vocab_size = 20;
    config.max_position_embeddings = 64;
    config.layers.assign(3, LayerSizes{8, 4, 64});
    return config;
}

bool has(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

WidthPlan planWith(SubNetwork subnet, std::vector<Override> entries)
{
    auto overrides = std::make_shared<Overrides>();
    for (const Override& entry : entries) overrides->add(entry);
    return {std::move(subnet), nullptr, 1.0, overrides};
}

} // namespace

class TestOverrides final : public QObject {
    Q_OBJECT

private slots:
    void lastMatchWins()
    {
        Overrides overrides;
        overrides.add({Override::kAll, 1, SubBlock::Mlp, 16});
        overrides.add({5, Override::kAll, SubBlock::Mlp, 0});
        overrides.add({5, 2, SubBlock::Attention, 4});
        QCOMPARE(overrides.find(4, 1, SubBlock::Mlp), std::optional(16));
        QCOMPARE(overrides.find(5, 1, SubBlock::Mlp), std::optional(0));
        QCOMPARE(overrides.find(5, 0, SubBlock::Mlp), std::optional(0));
        QCOMPARE(overrides.find(4, 0, SubBlock::Mlp), std::nullopt);
        QCOMPARE(overrides.find(5, 2, SubBlock::Attention), std::optional(4));
        QCOMPARE(overrides.find(5, 1, SubBlock::Attention), std::nullopt);
        overrides.removeAt(1);
        QCOMPARE(overrides.find(5, 1, SubBlock::Mlp), std::optional(16));
    }

    // find() against its definition, on random lists that grow and shrink.
    void findingIsByTheLastMatch()
    {
        std::mt19937 random(3);
        const auto any = [&](int most) { return static_cast<int>(random() % static_cast<unsigned>(most + 2)) - 1; };
        for (int round = 0; round < 200; ++round) {
            Overrides overrides;
            for (int i = 0; i < 20; ++i) {
                overrides.add({any(4), any(3), i % 3 == 0 ? SubBlock::Mlp : SubBlock::Attention, i});
                if (random() % 4 == 0) overrides.removeAt(random() % overrides.entries().size());
            }
            for (int token = 0; token < 6; ++token)
                for (int layer = 0; layer < 5; ++layer)
                    for (const SubBlock block : {SubBlock::Attention, SubBlock::Mlp}) {
                        std::optional<int> expected;
                        for (const Override& entry : overrides.entries())
                            if (entry.block == block && (entry.token == Override::kAll || entry.token == token) &&
                                (entry.layer == Override::kAll || entry.layer == layer))
                                expected = entry.width;
                        QCOMPARE(overrides.find(token, layer, block), expected);
                    }
        }
    }

    void jsonRoundTrip()
    {
        const char* text =
            R"([{"token": 5, "layer": 0, "block": "mlp", "width": 0}, {"layer": "all", "block": "attention", "width": 4},
                               {"token": "all", "layer": 2, "block": "mlp", "width": 33}])";
        const auto parsed = parseOverrides(text, makeConfig());
        QVERIFY2(parsed.ok(), parsed ? "" : parsed.error().message.c_str());
        const std::vector<Override> expected{{5, 0, SubBlock::Mlp, 0},
                                             {Override::kAll, Override::kAll, SubBlock::Attention, 4},
                                             {Override::kAll, 2, SubBlock::Mlp, 33}};
        QCOMPARE(parsed->entries(), expected);
        QCOMPARE(*parseOverrides(toJson(*parsed), makeConfig()), *parsed);
        QVERIFY(parseOverrides("[]", makeConfig())->empty());
    }

    void badJson_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("message");
        QTest::newRow("syntax") << "[{"
                                << "overrides";
        QTest::newRow("no array") << "{}"
                                  << "expected a JSON array";
        QTest::newRow("no object") << "[3]"
                                   << "[0]";
        QTest::newRow("unknown key") << R"([{"tokn": 5, "block": "mlp", "width": 0}])"
                                     << "tokn";
        QTest::newRow("no block") << R"([{"width": 0}])"
                                  << "block";
        QTest::newRow("other block") << R"([{"block": "head", "width": 0}])"
                                     << "\"attention\" or \"mlp\"";
        QTest::newRow("no width") << R"([{"block": "mlp"}])"
                                  << "width";
        QTest::newRow("negative width") << R"([{"block": "mlp", "width": -1}])"
                                        << "width";
        QTest::newRow("fraction") << R"([{"token": 1.5, "block": "mlp", "width": 0}])"
                                  << "token";
        QTest::newRow("too wide") << R"([{"block": "mlp", "width": 65}])"
                                  << "layer 0, which has 64 neurons";
        QTest::newRow("too many heads") << R"([{"layer": 1, "block": "attention", "width": 10}])"
                                        << "layer 1, which has 8 heads";
        QTest::newRow("part of a group") << R"([{"block": "attention", "width": 3}])"
                                         << "not whole groups of 2";
        QTest::newRow("no such layer") << R"([{"layer": 3, "block": "mlp", "width": 0}])"
                                       << "the model has 3 layers";
    }
    void badJson()
    {
        QFETCH(QString, text);
        QFETCH(QString, message);
        const auto result = parseOverrides(text.toStdString(), makeConfig());
        QVERIFY(!result);
        QVERIFY2(has(result.error().message, message.toStdString()), result.error().message.c_str());
    }

    void widestOfAPlan()
    {
        const ModelConfig config = makeConfig();
        const SubNetwork half = uniformSubNetwork(config, 32, 4);
        QCOMPARE(toString(widestOf({half, nullptr, 1.0, nullptr}, config)), toString(half));
        QCOMPARE(toString(widestOf(
                     planWith(half, {{3, 1, SubBlock::Mlp, 16}, {3, Override::kAll, SubBlock::Attention, 4}}), config)),
                 toString(half));
        QCOMPARE(toString(widestOf(planWith(half, {{3, 1, SubBlock::Attention, 6}}), config)),
                 toString(fullSubNetwork(config)));
        QCOMPARE(toString(widestOf(planWith(half, {{3, Override::kAll, SubBlock::Mlp, 33}}), config)),
                 toString(fullSubNetwork(config)));
        WidthPlan dynamic{half,
                          std::make_shared<Routers>(randomRouters(config, defaultChoiceSets(config), {1.0, 0.5}, 4, 1)),
                          0.5, nullptr};
        QCOMPARE(toString(widestOf(dynamic, config)), toString(fullSubNetwork(config)));
    }

    void plansThatDoNotFit()
    {
        const ModelConfig config = makeConfig();
        const SubNetwork half = uniformSubNetwork(config, 32, 4);
        QVERIFY(validatePlan({half, nullptr, 1.0, nullptr}, config).ok());
        QVERIFY(!validatePlan({{{32, 32}, {4, 4}}, nullptr, 1.0, nullptr}, config));
        QVERIFY(!validatePlan(planWith(half, {{0, 7, SubBlock::Mlp, 0}}), config));
        const auto dynamic = [&](const ModelConfig& of, double budget) {
            return WidthPlan{half,
                             std::make_shared<Routers>(randomRouters(of, defaultChoiceSets(config), {1.0, 0.5}, 4, 1)),
                             budget, nullptr};
        };
        QVERIFY(validatePlan(dynamic(config, 0.5), config).ok());
        QVERIFY(has(validatePlan(dynamic(config, 0.0), config).error().message, "budget"));
        ModelConfig other = config;
        other.hidden_size = 16;
        QVERIFY(
            has(validatePlan(dynamic(other, 0.5), config).error().message, "head router of layer 0 maps 18 inputs"));
        other = config;
        other.layers.pop_back();
        QVERIFY(
            has(validatePlan(dynamic(other, 0.5), config).error().message, "routers for 2 layers; the model has 3"));
    }
};

QTEST_APPLESS_MAIN(TestOverrides)
#include "test_overrides.moc"
