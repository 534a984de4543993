// Damaged and hostile tokenizer files: thousands of seeded mutations, none of which may crash, hang, or get out an
// exception. Runs under the address sanitizer too.

#include <QTemporaryDir>
#include <random>

#include "text_data.h"

using namespace flextron;
using namespace flextron::test;

class MutationTest final : public QObject {
    Q_OBJECT

private slots:
    void survives_data();
    void survives();
};

namespace {

using Random = std::mt19937;

QByteArray mutated(QByteArray bytes, const QByteArray& other, Random& random)
{
    const auto below = [&](qsizetype n) { return static_cast<qsizetype>(random() % static_cast<unsigned long>(n)); };
    for (auto count = 1 + below(4); count > 0 && !bytes.isEmpty(); --count) {
        const qsizetype at = below(bytes.size());
        const qsizetype length = std::min(1 + below(40), bytes.size() - at);
        switch (below(7)) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8))); break;
        case 2: bytes.remove(at, length); break;
        case 3: bytes.insert(at, bytes.mid(below(bytes.size()), length)); break;
        case 4: bytes.replace(at, length, other.mid(below(other.size()), length)); break;
        case 5: bytes.insert(at, QByteArray(length, static_cast<char>(random()))); break;
        case 6: // the numbers at the edges
            for (qsizetype i = at; i < at + length; ++i)
                if (bytes[i] >= '0' && bytes[i] <= '9') bytes[i] = "09"[below(2)];
            break;
        }
    }
    return below(20) == 0 ? bytes.left(below(bytes.size() + 1)) : bytes;
}

/// The end of a tokenizer.json is all vocabulary: its interesting parts would hardly be hit. This one is short.
QByteArray shortTokenizerJson()
{
    return R"({"added_tokens":[{"id":9,"content":"<s>","special":true,"lstrip":true},{"id":10,"content":"cc","rstrip":true,"normalized":true}],
"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"NFKD"}]},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s)|[^\\r\\n\\p{L}]?\\p{L}+|\\s+(?!\\S)|\\s{1,3}"},"behavior":"Isolated","invert":false},
{"type":"Split","pattern":{"String":"x"},"behavior":"MergedWithNext"},{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[9]}}},
"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"ignore_merges":true,
"vocab":{"a":0,"b":1,"c":2,"<unk>":3,"ab":4,"abc":5,"\u0120":6,"\u0120a":7,"\u00e9":8},"merges":[["a","b"],"ab c",["\u0120","a"]]}})";
}

void use(const Tokenizer& tokenizer)
{
    for (const char* text : {"", " a", "abc abc cc <s> 's 12", "caf\u00e9 \u4f60\u597d\t\r\n \U0001F600 <0x41>",
                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
        const auto ids = tokenizer.encode(text);
        if (!ids) {
            QVERIFY(ids.error().code != ErrorCode::Internal);
            continue;
        }
        for (const TokenId id : *ids) QVERIFY(id >= 0 && id < tokenizer.vocabSize());
        const auto decoded = tokenizer.decode(*ids, {.write_special = true});
        QVERIFY(decoded.ok());
        QCOMPARE(findInvalidUtf8(*decoded), std::string::npos);
    }
    for (TokenId id = 0; id < std::min(tokenizer.vocabSize(), 50); ++id) {
        static_cast<void>(tokenizer.piece(id));
        static_cast<void>(tokenizer.tokenBytes(id));
    }
}

} // namespace

void MutationTest::survives_data()
{
    QTest::addColumn<QByteArray>("original");
    QTest::addColumn<QString>("file");
    QTest::addColumn<int>("rounds");
    const auto data = flextron::test::dataFolder();
    QTest::newRow("SentencePiece") << readAll(data / "stories260k-llama/tokenizer.model") << "tokenizer.model" << 800;
    QTest::newRow("SentencePiece with normalisation") << smallSentencePiece() << "tokenizer.model" << 1500;
    QTest::newRow("tokenizer.json") << shortTokenizerJson() << "tokenizer.json" << 1500;
    QTest::newRow("a whole tokenizer.json")
        << readAll(data / "tokenizers/llama3-style/tokenizer.json") << "tokenizer.json" << 200;
    QTest::newRow("merges.txt") << readAll(data / "stories-gpt2/merges.txt") << "merges.txt" << 50;
    QTest::newRow("noise") << QByteArray() << "tokenizer.model" << 300;
    QTest::newRow("noise as JSON") << QByteArray() << "tokenizer.json" << 200;
}

void MutationTest::survives()
{
    QFETCH(QByteArray, original);
    QFETCH(QString, file);
    QFETCH(int, rounds);
    QTemporaryDir temporary;
    const std::filesystem::path folder = temporary.path().toStdString();
    if (file == "merges.txt")
        writeAll(folder / "vocab.json", readAll(flextron::test::dataFolder() / "stories-gpt2/vocab.json"));
    if (!original.isEmpty()) {
        writeAll(folder / file.toStdString(), original);
        use(*openOrDie(folder));
    }
    Random random(4);
    int opened = 0;
    for (int round = 0; round < rounds; ++round) {
        QByteArray bytes = original;
        if (original.isEmpty())
            for (auto size = random() % 200; size > 0; --size) bytes += static_cast<char>(random());
        else bytes = mutated(original, original, random);
        writeAll(folder / file.toStdString(), bytes);
        const auto tokenizer = openTokenizer(folder);
        if (tokenizer) {
            ++opened;
            use(**tokenizer);
        } else {
            const auto code = tokenizer.error().code;
            QVERIFY2(code == ErrorCode::Corrupt || code == ErrorCode::Unsupported, tokenizer.error().message.c_str());
            QCOMPARE(findInvalidUtf8(tokenizer.error().message), std::string::npos);
        }
        if (QTest::currentTestFailed()) {
            writeAll("failing-" + file.toStdString(), bytes);
            return;
        }
    }
    // Both ways were tried: some mutations harm nothing.
    QVERIFY(original.isEmpty() || opened > 0);
    QVERIFY(opened < rounds);
}

QTEST_GUILESS_MAIN(MutationTest)
#include "test_mutation.moc"
