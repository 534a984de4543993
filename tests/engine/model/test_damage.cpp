// Random damage: whatever bytes a checkpoint's files hold, opening it ends in a model or in words, never in a crash.
#include <QtTest/QtTest>

#include <random>

#include "tests/engine/support/checkpoint_files.h"

using namespace flextron;
using namespace flextron::test;
namespace fs = std::filesystem;

class TestDamage : public QObject {
    Q_OBJECT

private:
    QTemporaryDir directory_;

    /// One to four edits: a byte replaced, a piece removed, a piece doubled, a number made absurd.
    static std::string damaged(std::string bytes, std::size_t within, std::mt19937& random)
    {
        const auto below = [&](std::size_t limit) {
            return static_cast<std::size_t>(random() % std::max<std::size_t>(limit, 1));
        };
        for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
            const std::size_t limit = std::min(within, bytes.size());
            if (limit == 0) break;
            const std::size_t at = below(limit);
            switch (below(5)) {
            case 0: bytes[at] = static_cast<char>(random()); break;
            case 1: bytes[at] = "0123456789[]{}\",:-.eE"[below(21)]; break;
            case 2: bytes.erase(at, 1 + below(20)); break;
            case 3: bytes.insert(at, bytes.substr(at, 1 + below(20))); break;
            default:
                if (const auto digit = bytes.find_first_of("0123456789", at); digit < limit)
                    bytes.replace(
                        digit, 1,
                        std::array{"0", "-1", "1152921504606846976", "1e308", "null", "4294967296"}[below(6)]);
            }
        }
        return bytes;
    }

private slots:
    void openingNeverCrashes_data()
    {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("file");
        QTest::newRow("config of a llama") << "golden/llama-rope-llama3"
                                           << "config.json";
        QTest::newRow("config of a GPT-2") << "golden/gpt2-untied-inner"
                                           << "config.json";
        QTest::newRow("config of a Qwen2") << "golden/qwen2"
                                           << "config.json";
        QTest::newRow("header of a safetensors file") << "golden/gpt2-untied-inner"
                                                      << "model.safetensors";
        QTest::newRow("index of shards") << "golden/llama-sharded-bf16"
                                         << "model.safetensors.index.json";
        QTest::newRow("flextron.json") << "golden/llama-gqa-tied"
                                       << "flextron.json";
    }
    void openingNeverCrashes()
    {
        QFETCH(QString, model);
        QFETCH(QString, file);
        const fs::path folder = copyOf(model.toStdString(), fs::path(directory_.path().toStdString()) / "model");
        if (file == "flextron.json") {
            FlextronRecord record;
            const ModelConfig config = valueOf(Checkpoint::open(folder))->config();
            record.choices = defaultChoiceSets(config);
            record.layer_sizes.assign(3, {6, 3, 112});
            record.stages = {{"importance", 10, 1.5}};
            record.importance = ImportanceReport{"text", 1, 2, {}, {}, false};
            record.importance->mlp.assign(3, std::vector<float>(112, 0.5f));
            record.importance->groups.assign(3, std::vector<float>(3, 0.5f));
            spill(folder / "flextron.json", writeFlextronRecord(record));
        }
        const fs::path path = folder / file.toStdString();
        const std::string whole = slurp(path);
        const std::size_t within = file == "model.safetensors" ? 8 + partsOf(whole).header.size() : whole.size();
        std::mt19937 random(41);
        int refused = 0;
        constexpr int kRounds = 1500;
        for (int round = 0; round < kRounds; ++round) {
            spill(path, damaged(whole, within, random));
            const auto opened = Checkpoint::open(folder);
            if (opened) continue; // the damage fell on something that is not read
            ++refused;
            QVERIFY2(!opened.error().message.empty() && !opened.error().hint.empty(), opened.error().message.c_str());
            QVERIFY2(opened.error().code != ErrorCode::Internal, opened.error().message.c_str());
        }
        // Most of config.json is keys that nothing depends on.
        QVERIFY2(refused > kRounds / 4, qPrintable(QString::number(refused)));
    }
};

QTEST_APPLESS_MAIN(TestDamage)
#include "test_damage.moc"
