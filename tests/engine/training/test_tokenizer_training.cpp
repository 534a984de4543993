// A tokenizer made from text: what our reader makes of it.
#include <QTemporaryDir>
#include <QtTest>

#include "engine/text/tokenizer.h"
#include "engine/training/tokenizer_training.h"
#include "tiny.h"

using namespace flextron;
namespace fs = std::filesystem;

class TokenizerTrainingTest : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;
    fs::path root() const { return folder_.path().toStdString(); }

private slots:
    void itKnowsItsTextAndFallsBackToBytes()
    {
        TokenizerTrainingOptions options;
        options.files = {test::writeText(root() / "text.txt", test::tinyText(500))};
        options.vocab_size = 320;
        const auto report = trainTokenizer(options, root() / "tokenizer.model").orThrow();
        QCOMPARE(report.vocab_size, 320);
        QVERIFY(report.bytes_per_token > 3);
        QVERIFY(report.text_bytes > 20'000);

        const auto tokenizer = openTokenizer(root()).orThrow();
        QCOMPARE(tokenizer->vocabSize(), 320);
        QCOMPARE(tokenizer->bosId(), std::optional<TokenId>(1));
        QCOMPARE(tokenizer->eosId(), std::optional<TokenId>(2));
        for (const std::string text : {"Tom sees the sea.", "  two  spaces\nand 12 lines ", "日本 ☃"}) {
            const auto ids = tokenizer->encode(text).orThrow();
            QCOMPARE(ids.front(), TokenId{1});
            QCOMPARE(tokenizer->decode(ids).orThrow(), text);
        }
        QCOMPARE(tokenizer->encode("☃").orThrow().size(), 5u); // BOS, the word mark, three bytes
    }

    void itRefusesWhatCannotBe()
    {
        TokenizerTrainingOptions options;
        options.files = {test::writeText(root() / "short.txt", "a b c\n")};
        options.vocab_size = 2000;
        const auto too_short = trainTokenizer(options, root() / "none.model");
        QCOMPARE(too_short.error().code, ErrorCode::InvalidArgument);
        QVERIFY(too_short.error().hint.find("smaller vocabulary") != std::string::npos);
        QVERIFY(!fs::exists(root() / "none.model"));
        options.vocab_size = 100;
        QVERIFY(trainTokenizer(options, root() / "none.model").error().hint.find("at least 260") != std::string::npos);
        options.vocab_size = 300;
        options.files = {root() / "missing.txt"};
        QCOMPARE(trainTokenizer(options, root() / "none.model").error().code, ErrorCode::NotFound);
    }
};

QTEST_APPLESS_MAIN(TokenizerTrainingTest)
#include "test_tokenizer_training.moc"
