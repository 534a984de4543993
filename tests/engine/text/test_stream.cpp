// UTF-8, and joining tokens to text: never half a character, never a lost byte.

#include <atomic>
#include <random>
#include <thread>

#include "text_data.h"

using namespace flextron;
using namespace flextron::test;

namespace {

const std::string fffd = "\xEF\xBF\xBD";

/// A tokenizer whose ids 0 .. 255 are bytes, 256 is special, and the rest are the given pieces ("▁" is a space).
class BytesTokenizer final : public Tokenizer {
public:
    BytesTokenizer(TextRules rules, std::vector<std::string> pieces = {}) : rules_(rules), pieces_(std::move(pieces)) {}

    [[nodiscard]] int vocabSize() const override { return 257 + static_cast<int>(pieces_.size()); }
    [[nodiscard]] std::string kind() const override { return "bytes"; }
    [[nodiscard]] std::optional<TokenId> bosId() const override { return 256; }
    [[nodiscard]] std::optional<TokenId> eosId() const override { return 256; }
    [[nodiscard]] bool isSpecial(TokenId id) const override { return id == 256; }
    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions) const override
    {
        std::vector<TokenId> ids;
        for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
        return ids;
    }
    [[nodiscard]] std::string tokenBytes(TokenId id) const override
    {
        if (id < 256) return {static_cast<char>(id)};
        if (id == 256) return {};
        return QString::fromStdString(piece(id)).replace(QChar(0x2581), ' ').toStdString();
    }
    [[nodiscard]] std::string piece(TokenId id) const override
    {
        if (id < 256) return "<byte>";
        return id == 256 ? "</s>" : pieces_[static_cast<std::size_t>(id - 257)];
    }
    [[nodiscard]] TextRules textRules() const override { return rules_; }

private:
    TextRules rules_;
    std::vector<std::string> pieces_;
};

std::vector<TokenId> bytesOf(std::string_view text)
{
    return BytesTokenizer({}).encode(text, {}).value();
}

} // namespace

class StreamTest final : public QObject {
    Q_OBJECT

private slots:
    void findsInvalidBytes_data();
    void findsInvalidBytes();
    void replacesMaximalParts_data();
    void replacesMaximalParts();
    void holdsBackWhatIsIncomplete();
    void dropsTheSpaceInFront_data();
    void dropsTheSpaceInFront();
    void specialTokensEndACharacter();
    void idsOfAPaddedVocabularyAreNoText();
    void streamIsDecode_data();
    void streamIsDecode();
    void anyThread_data() { streamIsDecode_data(); }
    void anyThread();
    void decodeChecksIds();
    void vocabularyMustFit();
};

void StreamTest::findsInvalidBytes_data()
{
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<int>("offset"); // -1: all valid
    QTest::newRow("empty") << QByteArray() << -1;
    QTest::newRow("ASCII with NUL") << QByteArray("a\0b\x7F", 4) << -1;
    QTest::newRow("first and last of each length")
        << QByteArray("\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF") << -1;
    QTest::newRow("around the surrogates") << QByteArray("\xED\x9F\xBF\xEE\x80\x80") << -1;
    QTest::newRow("a later byte alone") << QByteArray("ab\x80") << 2;
    QTest::newRow("overlong slash") << QByteArray("a\xC0\xAF") << 1;
    QTest::newRow("overlong, 3 bytes") << QByteArray("\xE0\x9F\xBF") << 0;
    QTest::newRow("overlong, 4 bytes") << QByteArray("\xF0\x8F\xBF\xBF") << 0;
    QTest::newRow("surrogate") << QByteArray("aaa\xED\xA0\x80") << 3;
    QTest::newRow("above U+10FFFF") << QByteArray("\xF4\x90\x80\x80") << 0;
    QTest::newRow("no such byte") << QByteArray("a\xFF") << 1;
    QTest::newRow("Latin-1") << QByteArray("caf\xE9 au") << 3;
    QTest::newRow("cut off") << QByteArray("ok \xE2\x82") << 3;
}

void StreamTest::findsInvalidBytes()
{
    QFETCH(QByteArray, text);
    QFETCH(int, offset);
    const std::size_t expected = offset < 0 ? std::string_view::npos : static_cast<std::size_t>(offset);
    QCOMPARE(findInvalidUtf8({text.data(), static_cast<std::size_t>(text.size())}), expected);
    for (const char* name : {"stories260k-llama", "stories-gpt2"}) {
        const auto ids = openOrDie(flextron::test::dataFolder() / name)
                             ->encode({text.data(), static_cast<std::size_t>(text.size())});
        QCOMPARE(ids.ok(), offset < 0);
        if (ids) continue;
        QCOMPARE(ids.error().code, ErrorCode::InvalidArgument);
        QCOMPARE(ids.error().message, "the text is not valid UTF-8 at byte " + std::to_string(offset));
        QVERIFY(!ids.error().hint.empty());
    }
}

void StreamTest::replacesMaximalParts_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("expected"); // ? stands for U+FFFD
    // The Unicode standard's own examples: tables 3-8 to 3-11 of chapter 3.
    QTest::newRow("overlong forms") << QByteArray("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") << "????????A";
    QTest::newRow("surrogates") << QByteArray("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41") << "????????A";
    QTest::newRow("others") << QByteArray("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42") << "?????A??B";
    QTest::newRow("truncated") << QByteArray("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") << "????A";
    QTest::newRow("at the end") << QByteArray("a\xF0\x9F\x98") << "a?";
}

void StreamTest::replacesMaximalParts()
{
    QFETCH(QByteArray, bytes);
    QFETCH(QString, expected);
    const auto ids = bytesOf(bytes.toStdString());
    QCOMPARE(QString::fromStdString(BytesTokenizer({}).decode(ids).value()).replace(QChar(0xFFFD), '?'), expected);
    // SentencePiece's way: one for each byte that is no UTF-8.
    const std::string each = BytesTokenizer({.replaces_each_byte = true}).decode(ids).value();
    int valid = 0;
    for (const QChar c : expected) valid += c != '?';
    QCOMPARE(QString::fromStdString(each).count(QChar(0xFFFD)), bytes.size() - valid);
}

void StreamTest::holdsBackWhatIsIncomplete()
{
    const auto tokenizer = std::make_shared<BytesTokenizer>(Tokenizer::TextRules{});
    TextStream stream(tokenizer);
    QCOMPARE(stream.push('a'), std::string("a"));
    QCOMPARE(stream.push(0xF0), std::string());
    QCOMPARE(stream.push(0x9F), std::string());
    QCOMPARE(stream.push(0x98), std::string());
    QCOMPARE(stream.push(0x80), std::string("😀"));
    QCOMPARE(stream.push(0xE2), std::string());
    QCOMPARE(stream.push('b'), fffd + "b");
    QCOMPARE(stream.push(0xC3), std::string());
    QCOMPARE(stream.finish(), fffd);
    QCOMPARE(stream.finish(), std::string());
    QCOMPARE(stream.push(0xA9), fffd);
}

void StreamTest::dropsTheSpaceInFront_data()
{
    QTest::addColumn<bool>("drops_first_mark");
    QTest::addColumn<bool>("drops_leading_marks");
    QTest::addColumn<QString>("expected");
    QTest::newRow("none") << false << false << "  a b";
    QTest::newRow("the first") << true << false << " a b";
    QTest::newRow("all") << true << true << "a b";
}

void StreamTest::dropsTheSpaceInFront()
{
    QFETCH(bool, drops_first_mark);
    QFETCH(bool, drops_leading_marks);
    QFETCH(QString, expected);
    const auto tokenizer = std::make_shared<BytesTokenizer>(
        Tokenizer::TextRules{drops_first_mark, drops_leading_marks, false}, std::vector<std::string>{"▁", "▁a", "▁b"});
    const std::vector<TokenId> ids{256, 257, 256, 258, 259}; // special, "▁", special, "▁a", "▁b"
    QCOMPARE(QString::fromStdString(tokenizer->decode(ids).value()), expected);
    // Each text begins anew; a space as a byte is never dropped.
    TextStream stream(tokenizer);
    for (int round = 0; round < 2; ++round) {
        std::string text;
        for (const TokenId id : ids) text += stream.push(id);
        QCOMPARE(QString::fromStdString(text + stream.finish()), expected);
    }
    QCOMPARE(tokenizer->decode({' ', 'a'}).value(), std::string(" a"));
}

void StreamTest::specialTokensEndACharacter()
{
    const BytesTokenizer tokenizer({});
    const std::vector<TokenId> ids{'a', 0xC3, 256, 0xA9};
    QCOMPARE(tokenizer.decode(ids).value(), "a" + fffd + fffd);
    QCOMPARE(tokenizer.decode(ids, {.write_special = true}).value(), "a" + fffd + "</s>" + fffd);
}

void StreamTest::idsOfAPaddedVocabularyAreNoText()
{
    TextStream stream(std::make_shared<BytesTokenizer>(Tokenizer::TextRules{}));
    QCOMPARE(stream.push(0xC3), std::string());
    QCOMPARE(stream.push(5000), fffd);
    QCOMPARE(stream.push(-1), std::string());
    QCOMPARE(stream.push('x'), std::string("x"));
}

void StreamTest::streamIsDecode_data()
{
    QTest::addColumn<QString>("folder");
    for (const char* name : {"stories260k-llama", "stories-llama-base", "stories-gpt2", "tokenizers/llama3-style"})
        QTest::newRow(name) << name;
}

/// On random ids, half of which are bytes of broken characters: every piece that a stream gives is valid UTF-8, and
/// together they are decode()'s text. On valid text nothing is replaced.
void StreamTest::streamIsDecode()
{
    QFETCH(QString, folder);
    const auto tokenizer = openOrDie(flextron::test::dataFolder() / folder.toStdString());
    std::vector<TokenId> broken;
    for (TokenId id = 0; id < tokenizer->vocabSize(); ++id)
        if (findInvalidUtf8(tokenizer->tokenBytes(id)) != std::string::npos) broken.push_back(id);
    QVERIFY(broken.size() >= 128);
    std::mt19937 random(3);
    TextStream stream(tokenizer);
    for (int round = 0; round < 2000; ++round) {
        std::vector<TokenId> ids(random() % 20);
        for (TokenId& id : ids)
            id = random() % 2 == 0 ? broken[random() % broken.size()]
                                   : static_cast<TokenId>(random() % static_cast<unsigned>(tokenizer->vocabSize()));
        std::string text;
        for (const TokenId id : ids) {
            const std::string piece = stream.push(id);
            QCOMPARE(findInvalidUtf8(piece), std::string::npos);
            text += piece;
        }
        text += stream.finish();
        QCOMPARE(text, tokenizer->decode(ids).value());
    }
    const std::string story = "Zoë said: “你好, 😀!”\nThe end";
    QCOMPARE(tokenizer->decode(tokenizer->encode(story).value()).value(), story);
}

/// One tokenizer, many threads at once (the thread sanitizer watches).
void StreamTest::anyThread()
{
    QFETCH(QString, folder);
    const auto tokenizer = openOrDie(flextron::test::dataFolder() / folder.toStdString());
    const std::string text = "Once upon a time, Zoë saw 12 ships. 你好\n";
    const auto ids = tokenizer->encode(text).value();
    std::atomic<int> agreed = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < 50; ++round) {
                const auto same_ids = tokenizer->encode(text);
                const auto same_text = tokenizer->decode(ids, {.write_special = false});
                agreed += same_ids.ok() && *same_ids == ids && same_text.ok() && !same_text->empty();
            }
        });
    for (std::thread& thread : threads) thread.join();
    QCOMPARE(agreed.load(), 200);
}

void StreamTest::decodeChecksIds()
{
    const auto tokenizer = openOrDie(flextron::test::dataFolder() / "stories260k-llama");
    for (const TokenId bad : {-1, 512, 2147483647}) {
        const auto text = tokenizer->decode({1, 403, bad});
        QVERIFY(!text.ok());
        QCOMPARE(text.error().code, ErrorCode::InvalidArgument);
        QCOMPARE(text.error().message,
                 "token 2 has id " + std::to_string(bad) + ", but the tokenizer knows ids 0 to 511");
    }
    QCOMPARE(tokenizer->decode({}).value(), std::string());
}

void StreamTest::vocabularyMustFit()
{
    const BytesTokenizer tokenizer({});
    QVERIFY(checkVocabulary(tokenizer, 257).ok());
    QVERIFY(checkVocabulary(tokenizer, 320).ok()); // models pad their vocabularies
    const auto refused = checkVocabulary(tokenizer, 256);
    QVERIFY(!refused.ok());
    QCOMPARE(refused.error().code, ErrorCode::InvalidArgument);
    QCOMPARE(refused.error().message, std::string("the tokenizer knows 257 ids, but the model's vocabulary has 256"));
    QVERIFY(refused.error().hint.find("another model") != std::string::npos);
}

QTEST_GUILESS_MAIN(StreamTest)
#include "test_stream.moc"
