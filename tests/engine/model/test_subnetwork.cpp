// Sub-networks and choice sets: made, compared, written, read and refused.
#include <QtTest/QtTest>

#include <set>
#include <unordered_set>

#include "tests/engine/support/checkpoint_files.h"
#include "tests/engine/support/random_subnetwork.h"

using namespace flextron;
using namespace flextron::test;

namespace {

/// 8 heads in 4 groups, 704 neurons.
ModelConfig model(int layers = 6, int heads = 8, int groups = 4, int mlp = 704)
{
    ModelConfig config;
    config.hidden_size = 256;
    config.head_dim = 32;
    config.vocab_size = 100;
    config.layers.assign(static_cast<std::size_t>(layers), {heads, groups, mlp});
    return config;
}

} // namespace

class TestSubNetwork : public QObject {
    Q_OBJECT

private slots:
    void theTextFormIsRunLengthCoded()
    {
        const SubNetwork subnet{{704, 704, 352, 352, 352, 352}, {8, 8, 8, 8, 8, 8}};
        QCOMPARE(toString(subnet), std::string("mlp 704*2,352*4; heads 8*6"));
        QCOMPARE(toJson(subnet), std::string("{\"mlp\": [704,704,352,352,352,352], \"heads\": [8,8,8,8,8,8]}"));
        QCOMPARE(toCsv(SubNetwork{{704, 0}, {8, 4}}), std::string("layer,mlp,heads\n0,704,8\n1,0,4\n"));
    }

    void whatIsWrittenIsReadBack()
    {
        std::mt19937 random(1);
        for (int i = 0; i < 200; ++i) {
            const ModelConfig config = model(1 + i % 7);
            const SubNetwork subnet = randomSubNetwork(config, random);
            QVERIFY(valueOf(parseSubNetwork(toString(subnet), config)) == subnet);
            QVERIFY(valueOf(parseSubNetwork(toJson(subnet), config)) == subnet);
            QVERIFY(valueOf(parseSubNetwork(toCsv(subnet), config)) == subnet);
        }
    }

    void otherSpellingsAreUnderstood_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::newRow("one width for all layers") << QByteArray("mlp 352; heads 4");
        QTest::newRow("the other order") << QByteArray("heads 4; mlp 352");
        QTest::newRow("blanks everywhere") << QByteArray("  mlp  352 * 1 , 352 * 2 ;\n heads 4*3 ; \n");
        QTest::newRow("one by one") << QByteArray("mlp 352,352,352; heads 4,4,4");
        QTest::newRow("JSON with more in it")
            << QByteArray("{\"mlp\": [352, 352, 352], \"heads\": [4, 4, 4], \"parameters\": 7}");
        QTest::newRow("CSV from another system")
            << QByteArray("layer,mlp,heads\r\n0,352,4\r\n1, 352, 4\r\n2,352,4\r\n");
    }
    void otherSpellingsAreUnderstood()
    {
        QFETCH(QByteArray, text);
        QVERIFY(valueOf(parseSubNetwork(text.toStdString(), model(3))) == uniformSubNetwork(model(3), 352, 4));
    }

    void whatDoesNotFitIsRefused_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QString>("message");
        QTest::addColumn<QString>("hint");
        const auto row = [](const char* name, const char* text, const char* message,
                            const char* hint = "mlp 704*2,352*4; heads 8*6") {
            QTest::newRow(name) << QByteArray(text) << message << hint;
        };
        const char* const info = "flextron info MODEL";
        row("empty", "  ", "the text is empty");
        row("another word", "ffn 352; heads 4", "expected \"mlp\" or \"heads\", found \"ffn\"");
        row("no heads", "mlp 352", "\"heads\" is not given");
        row("twice", "mlp 352; mlp 352", "\"mlp\" is given twice");
        row("no width", "mlp; heads 4", "mlp, entry 1 should be a whole number from 0 to 4194304, found \"\"");
        row("no number", "mlp 704*2,x*1; heads 4",
            "mlp, entry 2 should be a whole number from 0 to 4194304, found \"x\"");
        row("negative", "mlp -1; heads 4", "mlp, entry 1 should be a whole number from 0 to 4194304, found \"-1\"");
        row("beyond 64 bits", "mlp 99999999999999999999; heads 4", "found \"99999999999999999999\"");
        row("too many layers", "mlp 1*4000,1*4000; heads 4", "mlp has more than 4096 layers");
        row("a layer too few", "mlp 704*2; heads 4", "mlp is given for 2 layers, the model has 3", info);
        row("wider than the model", "mlp 352*2,705*1; heads 4", "mlp of layer 2 is 705, it must be from 0 to 704",
            info);
        row("half a group", "mlp 352; heads 4*1,3*2",
            "heads of layer 1 is 3, it must be a multiple of 2: heads that share keys and values stay together", info);
        row("broken JSON", "{\"mlp\": [", "sub-network: not valid JSON", "damaged");
        row("JSON without heads", "{\"mlp\": [1, 2, 3]}", "sub-network: \"heads\" is missing", "damaged");
        row("JSON with a text", "{\"mlp\": [1, 2, \"3\"], \"heads\": [2, 2, 2]}",
            "\"mlp\" must be a list of whole numbers from 0 to 4194304", "damaged");
        row("CSV without a header", "layers,mlp\n0,1", "line 1 should be \"layer,mlp,heads\", found \"layers,mlp\"");
        row("CSV, a column too few", "layer,mlp,heads\n0,352", "line 2 should have 3 columns, found 2");
        row("CSV, layers out of order", "layer,mlp,heads\n0,352,4\n2,352,4",
            "line 3 should be of layer 1, found \"2\"");
        row("CSV, no number", "layer,mlp,heads\n0,352,all",
            "line 2, heads should be a whole number from 0 to 4194304, found \"all\"");
    }
    void whatDoesNotFitIsRefused()
    {
        QFETCH(QByteArray, text);
        QFETCH(QString, message);
        QFETCH(QString, hint);
        VERIFY_FAILURE(parseSubNetwork(text.toStdString(), model(3)), ErrorCode::InvalidArgument, message.toStdString(),
                       hint.toStdString());
    }

    void nestingIsByEveryWidth()
    {
        const SubNetwork outer{{704, 352}, {8, 4}};
        QVERIFY(nestedIn(outer, outer));
        QVERIFY(nestedIn({{352, 0}, {2, 4}}, outer));
        QVERIFY(!nestedIn({{704, 353}, {8, 4}}, outer));
        QVERIFY(!nestedIn({{704, 352}, {8, 6}}, outer));
        QVERIFY(!nestedIn({{704}, {8}}, outer));
    }

    void sizesOfTheFamily()
    {
        const ModelConfig config = model(2);
        const ChoiceSets choices{{176, 704}, {2, 8}};
        QCOMPARE(toString(fullSubNetwork(config)), std::string("mlp 704*2; heads 8*2"));
        QCOMPARE(toString(smallestSubNetwork(config, choices)), std::string("mlp 176*2; heads 2*2"));
        ModelConfig uneven = config;
        uneven.layers[1] = {0, 0, 100};
        QCOMPARE(toString(smallestSubNetwork(uneven, choices)), std::string("mlp 176*1,100*1; heads 2*1,0*1"));
        QCOMPARE(uneven.headsPerGroup(), 2);
        QVERIFY(!uneven.uniform());
    }

    void differentMembersHashDifferently()
    {
        std::mt19937 random(2);
        const ModelConfig config = model(8);
        std::set<SubNetwork> distinct;
        std::unordered_set<std::size_t> hashes;
        for (int i = 0; i < 20'000; ++i) {
            const SubNetwork subnet = randomSubNetwork(config, random);
            distinct.insert(subnet);
            hashes.insert(hashValue(subnet));
        }
        QCOMPARE(hashes.size(), distinct.size());
        QVERIFY(hashValue({{1, 2}, {3, 4}}) != hashValue({{2, 1}, {3, 4}}));
    }

    void defaultChoicesAreQuarters_data()
    {
        QTest::addColumn<int>("heads");
        QTest::addColumn<int>("groups");
        QTest::addColumn<int>("mlp");
        QTest::addColumn<QString>("expected");
        const auto row = [](int heads, int groups, int mlp, const char* expected) {
            QTest::addRow("%d heads, %d groups, %d", heads, groups, mlp) << heads << groups << mlp << expected;
        };
        row(8, 8, 704, "192 352 544 704 / 2 4 6 8");
        row(32, 32, 11008, "2752 5504 8256 11008 / 8 16 24 32");
        row(32, 8, 14336, "3584 7168 10752 14336 / 8 16 24 32");
        row(8, 4, 172, "32 96 128 172 / 2 4 6 8");
        row(6, 3, 112, "32 64 96 112 / 2 4 6"); // three groups: no quarter falls on nothing
        row(6, 1, 100, "25 50 75 100 / 6");     // one group: heads cannot vary; too few multiples of 32
        row(2, 2, 3, "1 2 3 / 1 2");
        row(1, 1, 1, "1 / 1");
    }
    void defaultChoicesAreQuarters()
    {
        QFETCH(int, heads);
        QFETCH(int, groups);
        QFETCH(int, mlp);
        QFETCH(QString, expected);
        const ModelConfig config = model(2, heads, groups, mlp);
        const ChoiceSets choices = defaultChoiceSets(config);
        QString told;
        for (const int width : choices.mlp_int_list) told += QString::number(width) + " ";
        told += "/";
        for (const int width : choices.head_int_list) told += " " + QString::number(width);
        QCOMPARE(told, expected);
        succeed(validateChoiceSets(choices, config));
    }

    void defaultChoicesAreAlwaysValid()
    {
        std::mt19937 random(3);
        for (int i = 0; i < 2000; ++i) {
            const int groups = 1 + static_cast<int>(random() % 40);
            ModelConfig config = model(3, groups * (1 + static_cast<int>(random() % 4)), groups,
                                       1 + static_cast<int>(random() % 3000));
            if (i % 2 == 1) config = configOf(randomSubNetwork(config, random), config);
            succeed(validateChoiceSets(defaultChoiceSets(config), config));
        }
    }

    void modelsWhoseLayersDifferHaveOneChoice()
    {
        ModelConfig config = model(2);
        config.layers[1].intermediate_size = 96;
        QVERIFY((defaultChoiceSets(config) == ChoiceSets{{704}, {2, 4, 6, 8}}));
        VERIFY_FAILURE(validateChoiceSets({{352, 704}, {8}}, config), ErrorCode::InvalidArgument,
                       "mlp_int_list has 2 entries, but the layers of this model differ", "704");
    }

    void wrongChoicesAreRefused_data()
    {
        QTest::addColumn<QByteArray>("mlp"); // one character a width is too few: written as text
        QTest::addColumn<QByteArray>("heads");
        QTest::addColumn<QString>("message");
        QTest::newRow("empty") << QByteArray("") << QByteArray("8") << "mlp_int_list is empty";
        QTest::newRow("not ascending") << QByteArray("352 176 704") << QByteArray("8")
                                       << "mlp_int_list is not ascending";
        QTest::newRow("twice the same") << QByteArray("352 352 704") << QByteArray("8")
                                        << "mlp_int_list is not ascending";
        QTest::newRow("zero") << QByteArray("0 704") << QByteArray("8")
                              << "mlp_int_list holds 0: a choice is at least 1";
        QTest::newRow("not the full width")
            << QByteArray("352") << QByteArray("8") << "mlp_int_list ends with 352, the full width is 704";
        QTest::newRow("half a group") << QByteArray("704") << QByteArray("3 8")
                                      << "head_int_list holds 3, which is not a multiple of 2";
    }
    void wrongChoicesAreRefused()
    {
        QFETCH(QByteArray, mlp);
        QFETCH(QByteArray, heads);
        QFETCH(QString, message);
        const auto list = [](const QByteArray& text) {
            std::vector<int> widths;
            for (const QByteArray& word : text.split(' '))
                if (!word.isEmpty()) widths.push_back(word.toInt());
            return widths;
        };
        VERIFY_FAILURE(validateChoiceSets({list(mlp), list(heads)}, model(2)), ErrorCode::InvalidArgument,
                       message.toStdString(), "give ascending widths that end with the full one");
    }
};

QTEST_APPLESS_MAIN(TestSubNetwork)
#include "test_subnetwork.moc"
