// The cost of a token: exact, against counting tensors and against counting multiplications one head and one position
// at a time.
#include <QtTest/QtTest>

#include "engine/elastic/extract.h"
#include "engine/model/cost.h"
#include "tests/engine/support/checkpoint_files.h"
#include "tests/engine/support/random_subnetwork.h"

using namespace flextron;
using namespace flextron::test;
namespace fs = std::filesystem;

namespace {

std::int64_t product(const std::vector<std::int64_t>& shape)
{
    std::int64_t elements = 1;
    for (const std::int64_t size : shape) elements *= size;
    return elements;
}

/// Sum over the tensors of `config`, of those whose name `wanted` accepts.
template <class Wanted> std::int64_t count(const ModelConfig& config, Wanted wanted)
{
    std::int64_t sum = 0;
    for (const auto& [name, shape] : expectedTensors(config))
        if (wanted(name, shape)) sum += product(shape);
    return sum;
}

std::int64_t countAll(const ModelConfig& config)
{
    return count(config, [](const auto&, const auto&) { return true; });
}

/// What KvRule::All touches beyond the sub-network's own: the rest of K and V, and the norm before them where the layer
/// has no heads.
std::int64_t extraForAllGroups(const SubNetwork& subnet, const ModelConfig& config)
{
    std::int64_t extra = 0;
    for (std::size_t l = 0; l < config.layers.size(); ++l) {
        const std::int64_t groups_left_out = config.layers[l].num_key_value_heads -
                                             subnet.heads[l] / config.headsPerGroup();
        const std::int64_t rows = groups_left_out * config.head_dim;
        extra += 2 * rows * (config.hidden_size + (config.attention_qkv_bias ? 1 : 0));
        if (subnet.heads[l] == 0 && rows > 0) extra += config.hidden_size * (config.isGpt() ? 2 : 1);
    }
    return extra;
}

/// Multiply-adds of one token, one by one where it is cheap: matrices by their shapes, attention head by head and
/// position by position.
std::int64_t slowMultiplyAdds(const SubNetwork& subnet, const ModelConfig& config, const CostOptions& options)
{
    std::int64_t sum = count(configOf(subnet, config), [](const std::string& name, const auto& shape) {
        return shape.size() == 2 && name.find("embed_tokens") == std::string::npos &&
               name.find("wte") == std::string::npos && name.find("wpe") == std::string::npos &&
               name != "lm_head.weight";
    });
    sum += std::int64_t{config.vocab_size} * config.hidden_size; // the head, tied or not
    for (std::size_t l = 0; l < config.layers.size(); ++l) {
        const int own_groups = subnet.heads[l] / config.headsPerGroup();
        if (options.kv == KvRule::All)
            sum += std::int64_t{2} * (config.layers[l].num_key_value_heads - own_groups) * config.head_dim *
                   config.hidden_size;
        for (int head = 0; head < subnet.heads[l]; ++head)
            for (int position = 0; position < options.context; ++position) {
                const bool visible = config.sliding_window == 0 || position >= options.context - config.sliding_window;
                if (visible) sum += 2 * config.head_dim; // query times key, weight times value
            }
    }
    return sum;
}

} // namespace

class TestCost : public QObject {
    Q_OBJECT

private:
    QTemporaryDir directory_;

private slots:
    void theFullModelIsItsCheckpoint()
    {
        for (const auto& folder : modelFolders()) {
            const auto checkpoint = valueOf(Checkpoint::open(folder));
            const Cost cost = costOf(fullSubNetwork(checkpoint->config()), checkpoint->config());
            QCOMPARE(cost.parameters, checkpoint->parameters());
            QCOMPARE(costOf(fullSubNetwork(checkpoint->config()), checkpoint->config(), {.kv = KvRule::All}).parameters,
                     checkpoint->parameters());
            QCOMPARE(flopShare(fullSubNetwork(checkpoint->config()), checkpoint->config()), 1.0);
        }
    }

    void parametersAreThoseOfTheExtractedCheckpoint()
    {
        std::mt19937 random(11);
        int n = 0;
        for (const auto& folder : modelFolders()) {
            const auto checkpoint = valueOf(Checkpoint::open(folder));
            for (int i = 0; i < 3; ++i) {
                SubNetwork subnet = randomSubNetwork(checkpoint->config(), random);
                subnet.mlp[0] = 5; // never uniform: GPT-2's plain form would hold heads of zeros as well
                subnet.mlp[1] = 6;
                const fs::path target = fs::path(directory_.path().toStdString()) / std::to_string(n++);
                succeed(writeCheckpoint(target, valueOf(extractSubNetwork(checkpoint, subnet)).contents));
                QCOMPARE(costOf(subnet, checkpoint->config()).parameters,
                         valueOf(Checkpoint::open(target))->parameters());
            }
        }
    }

    void everyNumberAgainstSlowCounting()
    {
        std::mt19937 random(12);
        for (const auto& folder : modelFolders()) {
            ModelConfig config = valueOf(Checkpoint::open(folder))->config();
            for (int i = 0; i < 60; ++i) {
                if (!config.isGpt()) config.sliding_window = i % 3 == 0 ? 7 : 0;
                const SubNetwork subnet = randomSubNetwork(config, random);
                const CostOptions options{.context = 1 + static_cast<int>(random() % 50),
                                          .bytes_per_weight = i % 2 == 0 ? 4 : 2,
                                          .bytes_per_kv = 4,
                                          .kv = i % 4 < 2 ? KvRule::Own : KvRule::All};
                const Cost cost = costOf(subnet, config, options);
                const bool all = options.kv == KvRule::All;
                const std::int64_t extra = all ? extraForAllGroups(subnet, config) : 0;
                const ModelConfig own = configOf(subnet, config);
                QCOMPARE(cost.parameters, countAll(own) + extra);
                QCOMPARE(cost.flops_per_token, 2 * slowMultiplyAdds(subnet, config, options));

                // Everything but the embeddings whole, the head whole, a row of each embedding.
                const std::int64_t inside = count(own, [](const std::string& name, const auto&) {
                    return name.find("embed_tokens") == std::string::npos && name.find(".wte.") == std::string::npos &&
                           name.find(".wpe.") == std::string::npos && name != "lm_head.weight";
                });
                const std::int64_t rows = (config.isGpt() ? 2 : 1) * std::int64_t{config.hidden_size};
                QCOMPARE(cost.weight_bytes,
                         (inside + extra + std::int64_t{config.vocab_size} * config.hidden_size + rows) *
                             options.bytes_per_weight);

                std::int64_t kv = 0;
                const std::int64_t seen = config.sliding_window == 0 ? options.context
                                                                     : std::min(options.context, config.sliding_window);
                for (std::size_t l = 0; l < config.layers.size(); ++l) {
                    const int groups = own.layers[l].num_key_value_heads;
                    kv += groups * seen * 2 * config.head_dim; // read
                    kv += std::int64_t{all ? config.layers[l].num_key_value_heads : groups} * 2 *
                          config.head_dim; // written
                }
                QCOMPARE(cost.kv_bytes, kv * options.bytes_per_kv);
                QCOMPARE(cost.bytes(), cost.weight_bytes + cost.kv_bytes);
            }
        }
    }

    void numbersByHand()
    {
        // Llama, d = 4, one layer, 2 heads of 2 in 1 group, MLP 3, vocabulary 5, untied.
        ModelConfig config;
        config.hidden_size = 4;
        config.head_dim = 2;
        config.vocab_size = 5;
        config.max_position_embeddings = 8;
        config.layers = {{2, 1, 3}};
        const Cost full = costOf({{3}, {2}}, config, {.context = 3});
        QCOMPARE(full.parameters,
                 20 + 20 + 4 + (4 + 16 + 8 + 8 + 16) + (4 + 36)); // embedding, head, norm, attention, MLP
        QCOMPARE(full.flops_per_token, 2 * (20 + (16 + 8 + 8 + 16) + 36) + 2 * (2 * 3 * 2 * 2));
        QCOMPARE(full.kv_bytes, (3 + 1) * 2 * 2 * 4);
        const Cost none = costOf({{0}, {0}}, config, {.context = 3});
        QCOMPARE(none.parameters, 20 + 20 + 4);
        QCOMPARE(none.kv_bytes, 0);
        const Cost stored = costOf({{0}, {0}}, config, {.context = 3, .kv = KvRule::All});
        QCOMPARE(stored.parameters, 20 + 20 + 4 + (4 + 8 + 8)); // the norm, K and V
        QCOMPARE(stored.kv_bytes, 2 * 2 * 4);                   // written, not read
    }

    void narrowerIsNeverDearer()
    {
        std::mt19937 random(13);
        const ModelConfig config = valueOf(Checkpoint::open(testData() / "golden/llama-rope-linear-bias"))->config();
        for (int i = 0; i < 500; ++i) {
            const SubNetwork outer = randomSubNetwork(config, random);
            SubNetwork inner = outer;
            for (int& width : inner.mlp)
                width = width == 0 ? 0 : static_cast<int>(random() % static_cast<unsigned>(width + 1));
            for (int& heads : inner.heads)
                heads = heads == 0 ? 0 : static_cast<int>(random() % static_cast<unsigned>(heads / 2 + 1)) * 2;
            for (const KvRule rule : {KvRule::Own, KvRule::All}) {
                const Cost small = costOf(inner, config, {.kv = rule});
                const Cost large = costOf(outer, config, {.kv = rule});
                QVERIFY(small.parameters <= large.parameters && small.flops_per_token <= large.flops_per_token &&
                        small.bytes() <= large.bytes());
            }
        }
        QCOMPARE(std::string(kvRuleName(KvRule::Own)) + " " + std::string(kvRuleName(KvRule::All)),
                 std::string("own all"));
    }
};

QTEST_APPLESS_MAIN(TestCost)
#include "test_cost.moc"
