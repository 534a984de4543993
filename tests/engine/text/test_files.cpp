// Opening tokenizers: which files are taken, what the files beside them decide, and what is said of files that are
// missing, broken, or of a kind we do not know.

#include <QJsonObject>
#include <QTemporaryDir>
#include <functional>

#include "text_data.h"

using namespace flextron;
using namespace flextron::test;

namespace {

using Edit = std::function<void(QJsonObject&)>;

/// Sets what lies at "model.vocab.a" or "added_tokens.0.id"; an undefined value removes it.
QJsonValue withValue(const QJsonValue& root, QStringList path, const QJsonValue& value)
{
    if (path.isEmpty()) return value;
    const QString key = path.takeFirst();
    if (root.isArray()) {
        QJsonArray array = root.toArray();
        const int index = key.toInt();
        if (index == array.size()) array.append(QJsonValue());
        array[index] = withValue(array[index], path, value);
        return array;
    }
    QJsonObject object = root.toObject();
    const QJsonValue changed = withValue(object[key], path, value);
    if (changed.isUndefined()) object.remove(key);
    else object[key] = changed;
    return object;
}

Edit set(const char* path, const QJsonValue& value)
{
    return [=](QJsonObject& root) { root = withValue(root, QString(path).split('.'), value).toObject(); };
}

QJsonValue json(const char* text)
{
    return QJsonDocument::fromJson(QByteArray("[") + text + "]").array()[0];
}

} // namespace

Q_DECLARE_METATYPE(Edit)

class FilesTest final : public QObject {
    Q_OBJECT

private slots:
    void init();
    void saysWhatWasLookedFor();
    void takesTheFirstThatIsThere();
    void tokenizerJson_data();
    void tokenizerJson();
    void brokenJson_data();
    void brokenJson();
    void twoFiles_data();
    void twoFiles();
    void truncatedSentencePiece();
    void brokenSentencePiece_data();
    void brokenSentencePiece();
    void smallSentencePieceModel();
    void addBosToken_data();
    void addBosToken();
    void specialTokensFromTheFilesBeside();
    void bytesWithoutAToken();
    void idsLeftOut();

private:
    std::filesystem::path copy(const char* name, std::initializer_list<const char*> files);
    void expectError(ErrorCode code, const QString& named, const QString& hint = {});

    std::unique_ptr<QTemporaryDir> temporary_;
    std::filesystem::path folder_;
};

void FilesTest::init()
{
    temporary_ = std::make_unique<QTemporaryDir>();
    folder_ = temporary_->path().toStdString();
}

std::filesystem::path FilesTest::copy(const char* name, std::initializer_list<const char*> files)
{
    for (const char* file : files) writeAll(folder_ / file, readAll(flextron::test::dataFolder() / name / file));
    return folder_;
}

/// The message names the file, which lies in folder_, and `named`.
void FilesTest::expectError(ErrorCode code, const QString& named, const QString& hint)
{
    const auto tokenizer = openTokenizer(folder_);
    QVERIFY2(!tokenizer.ok(), qPrintable("opened, though: " + named));
    const auto message = QString::fromStdString(tokenizer.error().message);
    QVERIFY2(tokenizer.error().code == code, qPrintable(message));
    QVERIFY2(message.contains(QString::fromStdString(folder_.string())), qPrintable(message));
    QVERIFY2(message.contains(named), qPrintable(message + "\ndoes not contain\n" + named));
    QVERIFY2(!tokenizer.error().hint.empty(), qPrintable(message));
    QVERIFY2(QString::fromStdString(tokenizer.error().hint).contains(hint), tokenizer.error().hint.c_str());
    QCOMPARE(findInvalidUtf8(tokenizer.error().message), std::string::npos);
}

void FilesTest::saysWhatWasLookedFor()
{
    expectError(ErrorCode::NotFound, "tokenizer.model, tokenizer.json, and vocab.json with merges.txt");
    copy("stories-gpt2", {"vocab.json"}); // half a tokenizer is none
    expectError(ErrorCode::NotFound, "vocab.json with merges.txt");
    folder_ /= "no-such-folder";
    expectError(ErrorCode::NotFound, "no tokenizer");
}

void FilesTest::takesTheFirstThatIsThere()
{
    copy("stories-gpt2", {"vocab.json", "merges.txt"});
    QCOMPARE(openOrDie(folder_)->vocabSize(), 2048);
    copy("tokenizers/qwen2-style", {"tokenizer.json"});
    QCOMPARE(openOrDie(folder_)->vocabSize(), 425);
    copy("stories260k-llama", {"tokenizer.model"});
    QCOMPARE(openOrDie(folder_)->vocabSize(), 512);
}

void FilesTest::tokenizerJson_data()
{
    QTest::addColumn<Edit>("edit");
    QTest::addColumn<int>("code");
    QTest::addColumn<QString>("named");
    QTest::addColumn<QString>("hint");
    const auto corrupt = [](const char* name, const Edit& edit, const char* named) {
        QTest::newRow(name) << edit << int(ErrorCode::Corrupt) << named << "";
    };
    const auto unsupported = [](const char* name, const Edit& edit, const char* named, const char* hint = "") {
        QTest::newRow(name) << edit << int(ErrorCode::Unsupported) << named << hint;
    };
    corrupt("no model", set("model", QJsonValue::Undefined), "\"model\" is missing");
    corrupt("model of another type", set("model", "BPE"), "\"model\" must hold an object");
    corrupt("no vocabulary", set("model.vocab", QJsonValue::Undefined), "\"model.vocab\" is missing");
    corrupt("empty vocabulary", set("model.vocab", QJsonObject()), "the vocabulary is empty");
    corrupt("vocabulary as a list", set("model.vocab", json("[1,2]")), "\"model.vocab\" must hold an object");
    corrupt("one id for two tokens", set("model.vocab.a", 2), "id 2 stands for");
    corrupt("negative id", set("model.vocab.a", -1),
            "\"model.vocab.a\" must be a whole number from 0 to 2097151, found -1");
    corrupt("absurd id", set("model.vocab.a", 2000000000), "found 2000000000");
    corrupt("id beyond 64 bits", set("model.vocab.a", 1e30), "model.vocab.a");
    corrupt("id with a fraction", set("model.vocab.a", 1.5), "found 1.5");
    corrupt("id as text", set("model.vocab.a", "7"), "found \"7\"");
    corrupt("merges missing", set("model.merges", QJsonValue::Undefined), "\"model.merges\" is missing");
    corrupt("merge of an unknown token", set("model.merges.3", "a zzzz"),
            "\"model.merges[3]\": the vocabulary has no token \"zzzz\"");
    corrupt("merge to an unknown token", set("model.merges.3", json(R"(["~","~"])")),
            "the vocabulary has no token \"~~\"");
    corrupt("merge of three", set("model.merges.3", "a b c"), "\"model.merges[3]\" must be a pair of tokens");
    corrupt("merge as a number", set("model.merges.3", 5), "\"model.merges[3]\" must be a pair of tokens");
    corrupt("unknown token is unknown", set("model.unk_token", "<nope>"),
            "\"model.unk_token\" must be a token of the vocabulary");
    corrupt("added token without content", set("added_tokens.0.content", QJsonValue::Undefined),
            "\"added_tokens[0].content\" is missing");
    corrupt("added token without id", set("added_tokens.0.id", QJsonValue::Undefined),
            "\"added_tokens[0].id\" is missing");
    corrupt("added token takes another's id", set("added_tokens.0.content", "<other>"),
            "id 0 stands for \"<|endoftext|>\" and for \"<other>\"");
    corrupt("added token has two ids", set("added_tokens.0.id", 3000), "\"<|endoftext|>\" has two ids, 0 and 3000");
    corrupt("flag as text", set("added_tokens.0.lstrip", "yes"), "\"added_tokens[0].lstrip\" must be true or false");
    corrupt("splitting without behaviour",
            set("pre_tokenizer", json(R"({"type":"Sequence","pretokenizers":[{"type":"Split",
        "pattern":{"Regex":"a"},"behavior":"Sideways"},{"type":"ByteLevel"}]})")),
            "\"pre_tokenizer.pretokenizers[0].behavior\"");
    corrupt("empty pattern",
            set("pre_tokenizer", json(R"({"type":"Split","pattern":{"Regex":""},"behavior":"Isolated"})")),
            "not empty");
    corrupt("template of unknown ids",
            set("post_processor", json(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"X"}}],
        "special_tokens":{"X":{"ids":[2048]}}})")),
            "\"post_processor.special_tokens.X.ids\" must be ids of the vocabulary");
    corrupt("template without its token",
            set("post_processor", json(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"X"}}],
        "special_tokens":{}})")),
            "\"post_processor.special_tokens.X\" is missing");

    unsupported("Unigram", set("model.type", "Unigram"), "\"model.type\" Unigram is not supported", "tokenizer.model");
    unsupported("WordPiece", set("model.type", "WordPiece"), "\"model.type\" WordPiece", "byte-level BPE");
    unsupported("Llama 2 as tokenizer.json", set("model.byte_fallback", true), "\"model.byte_fallback\"",
                "tokenizer.model");
    unsupported("Metaspace", set("pre_tokenizer.type", "Metaspace"), "\"pre_tokenizer.type\" Metaspace",
                "tokenizer.model");
    unsupported("spaces as word marks",
                set("normalizer", json(R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"_"}]})")),
                "\"normalizer.normalizers[0].type\" Prepend", "tokenizer.model");
    unsupported("no byte level", set("pre_tokenizer", QJsonValue::Null), "\"pre_tokenizer\" without ByteLevel",
                "tokenizer.model");
    unsupported("normaliser", set("normalizer", json(R"({"type":"Lowercase"})")), "\"normalizer.type\" Lowercase",
                "byte-level BPE");
    unsupported("pre-tokenizer", set("pre_tokenizer.type", "UnicodeScripts"), "\"pre_tokenizer.type\" UnicodeScripts");
    unsupported(
        "digits of bytes",
        set("pre_tokenizer", json(R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]})")),
        "\"pre_tokenizer.pretokenizers[1].type\" Digits after ByteLevel");
    unsupported("post-processor", set("post_processor.type", "BertProcessing"),
                "\"post_processor.type\" BertProcessing");
    unsupported("decoder", set("decoder.type", "WordPiece"), "\"decoder.type\" WordPiece");
    unsupported("dropout", set("model.dropout", 0.1), "\"model.dropout\" 0.1");
    unsupported("suffix", set("model.end_of_word_suffix", "</w>"), "\"model.end_of_word_suffix\" \"</w>\"");
    unsupported("regular expression", set("pre_tokenizer", json(R"({"type":"Sequence","pretokenizers":[{"type":"Split",
        "pattern":{"Regex":"\\bx"},"behavior":"Isolated"},{"type":"ByteLevel"}]})")),
                "tokenizer.json: the regular expression \\bx uses \\b");
}

void FilesTest::tokenizerJson()
{
    QFETCH(Edit, edit);
    QFETCH(int, code);
    QFETCH(QString, named);
    QFETCH(QString, hint);
    QJsonObject root = readJsonFile(flextron::test::dataFolder() / "stories-gpt2" / "tokenizer.json").object();
    edit(root);
    writeAll(folder_ / "tokenizer.json", QJsonDocument(root).toJson());
    expectError(ErrorCode(code), named, hint);
}

void FilesTest::brokenJson_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("named");
    QTest::newRow("empty") << QByteArray() << "tokenizer.json: not valid JSON: parse error at line 1";
    QTest::newRow("no JSON") << QByteArray("\n\n  hello") << "line 3, column 3";
    QTest::newRow("cut off") << readAll(flextron::test::dataFolder() / "stories-gpt2/tokenizer.json").left(5000)
                             << "parse error at line";
    QTest::newRow("a list") << QByteArray("[]") << "the file must hold an object";
    QTest::newRow("no UTF-8") << QByteArray("{\"model\": \"\xFF\"}") << "invalid";
    QTest::newRow("one token twice") << QByteArray(R"({"model":{"vocab":{"a":1,"a":2}}})") << "\"a\" stands twice";
    QTest::newRow("a tower") << QByteArray(1'000'000, '[') << "nested deeper";
}

void FilesTest::brokenJson()
{
    QFETCH(QByteArray, bytes);
    QFETCH(QString, named);
    writeAll(folder_ / "tokenizer.json", bytes);
    expectError(ErrorCode::Corrupt, named);
}

void FilesTest::twoFiles_data()
{
    QTest::addColumn<QString>("file");
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<int>("code");
    QTest::addColumn<QString>("named");
    const auto corrupt = int(ErrorCode::Corrupt);
    QTest::newRow("vocabulary") << "vocab.json" << QByteArray(R"({"a":0,"b":0})") << corrupt
                                << "vocab.json: id 0 stands for";
    QTest::newRow("one word on a line") << "merges.txt" << QByteArray("#version: 0.2\nh e\nnospace\n") << corrupt
                                        << "merges.txt, line 3: two tokens";
    QTest::newRow("three words") << "merges.txt" << QByteArray("h e l\n") << corrupt
                                 << "merges.txt, line 1: two tokens";
    QTest::newRow("no UTF-8") << "merges.txt" << QByteArray("h \xFF\n") << corrupt << "merges.txt, line 1: two tokens";
    QTest::newRow("no such token") << "merges.txt" << QByteArray("h e\n\nqqq h\n") << corrupt
                                   << "merges.txt, line 3: the vocabulary has no token \"qqq\"";
    QTest::newRow("settings") << "tokenizer_config.json" << QByteArray("{\"add_bos_token\": 1}") << corrupt
                              << "tokenizer_config.json: \"add_bos_token\" must be true or false";
    QTest::newRow("id as no number") << "tokenizer_config.json"
                                     << QByteArray(R"({"added_tokens_decoder":{"x":{"content":"<x>"}}})") << corrupt
                                     << "\"added_tokens_decoder.x\" must have a token id";
    QTest::newRow("config") << "config.json" << QByteArray("{") << corrupt << "config.json";
    QTest::newRow("another family's words")
        << "tokenizer_config.json" << QByteArray(R"({"tokenizer_class":"Qwen2Tokenizer"})")
        << int(ErrorCode::Unsupported) << "tokenizer_config.json says Qwen2Tokenizer";
}

void FilesTest::twoFiles()
{
    QFETCH(QString, file);
    QFETCH(QByteArray, bytes);
    QFETCH(int, code);
    QFETCH(QString, named);
    copy("stories-gpt2", {"vocab.json", "merges.txt"});
    writeAll(folder_ / file.toStdString(), bytes);
    expectError(ErrorCode(code), named);
}

/// Wherever a download stops: an error, or (at the end of a field) a tokenizer that lacks pieces; never a crash.
void FilesTest::truncatedSentencePiece()
{
    const QByteArray whole = readAll(flextron::test::dataFolder() / "stories260k-llama/tokenizer.model");
    for (qsizetype size = 0; size < whole.size(); size += 37) {
        writeAll(folder_ / "tokenizer.model", whole.left(size));
        const auto tokenizer = openTokenizer(folder_);
        if (tokenizer) {
            QVERIFY((*tokenizer)->vocabSize() <= 512);
            continue;
        }
        QCOMPARE(tokenizer.error().code, ErrorCode::Corrupt);
        QVERIFY(tokenizer.error().message.find("tokenizer.model: no SentencePiece model") != std::string::npos);
    }
    writeAll(folder_ / "tokenizer.model", whole.left(4000));
    expectError(ErrorCode::Corrupt, "at byte 3991", "download the file again");
}

void FilesTest::brokenSentencePiece_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<int>("code");
    QTest::addColumn<QString>("named");
    const QByteArray whole = readAll(flextron::test::dataFolder() / "stories260k-llama/tokenizer.model");
    const auto row = [](const char* name, const QByteArray& bytes, const char* named,
                        ErrorCode code = ErrorCode::Corrupt) { QTest::newRow(name) << bytes << int(code) << named; };
    const auto normalizer = [&](const QByteArray& map) { return whole + field(3, field(2, map)); };
    row("empty", {}, "unk is not defined");
    row("text", "IQ== 0\nIg== 1\n", "no SentencePiece model");
    row("a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\n", "no SentencePiece model");
    row("endless number", QByteArray(12, '\xFF'), "longer than 10 bytes");
    row("field 0", QByteArray("\x02\x00", 2), "out of range");
    row("one piece twice", whole + field(1, field(1, "e")), "already defined");
    row("nameless piece", whole + field(1, ""), "must not be empty");
    row("unknown algorithm", whole + field(2, QByteArray("\x18\x09", 2)), "model type 9");
    row("normalisation: no room for a size", normalizer("abc"), "the normalisation table is broken");
    row("normalisation: no strings", normalizer(charsmap(std::vector<quint32>(256), "")),
        "the normalisation table is broken");
    row("normalisation: strings do not end", normalizer(charsmap(std::vector<quint32>(256), "abc")),
        "the normalisation table is broken");
    row("normalisation: half a block", normalizer(charsmap(std::vector<quint32>(100), QByteArray("\0", 1))),
        "the normalisation table is broken");
    row("normalisation: trie beyond the table",
        normalizer(charsmap(std::vector<quint32>(256), QByteArray("\0", 1)).replace(0, 2, QByteArray("\0\x08", 2))),
        "the normalisation table is broken");
    std::vector<quint32> wild(256);
    wild[7] = 5000u << 10; // a link to unit 5,000
    row("normalisation: wild link", normalizer(charsmap(wild, QByteArray("\0", 1))),
        "the normalisation table is broken");
    row("denormaliser", whole + field(5, field(2, "x")), "denormalizer_spec", ErrorCode::Unsupported);
}

void FilesTest::brokenSentencePiece()
{
    QFETCH(QByteArray, bytes);
    QFETCH(int, code);
    QFETCH(QString, named);
    writeAll(folder_ / "tokenizer.model", bytes);
    expectError(ErrorCode(code), named);
}

/// Without byte fallback what is unknown stays unknown, and is written as the model says.
void FilesTest::smallSentencePieceModel()
{
    writeAll(folder_ / "tokenizer.model", smallSentencePiece());
    const auto tokenizer = openOrDie(folder_);
    QCOMPARE(tokenizer->kind(), std::string("SentencePiece unigram"));
    const std::vector<TokenId> expected{1, 4, 3, 5, 4, 0, 6}; // BOS, "▁", "b", "bb", "▁", unknown, "[tag]"
    QCOMPARE(tokenizer->encode("bab 中[tag]").value(), expected);
    QCOMPARE(tokenizer->decode(expected).value(), std::string("bbb  ⁇ [tag]"));
    QVERIFY(tokenizer->isSpecial(0));
    QVERIFY(!tokenizer->isSpecial(6));
}

void FilesTest::addBosToken_data()
{
    QTest::addColumn<QString>("source");
    QTest::addColumn<QString>("files");
    QTest::addColumn<QByteArray>("config");
    QTest::addColumn<int>("front"); // -1: nothing
    const auto rows = [](const char* name, const char* source, const char* files, int silent, int on) {
        QTest::addRow("%s, silent", name) << source << files << QByteArray("{}") << silent;
        QTest::addRow("%s, null", name) << source << files << QByteArray(R"({"add_bos_token":null})") << silent;
        QTest::addRow("%s, off", name) << source << files << QByteArray(R"({"add_bos_token":false})") << -1;
        QTest::addRow("%s, on", name) << source << files << QByteArray(R"({"add_bos_token":true})") << on;
    };
    rows("SentencePiece", "stories260k-llama", "tokenizer.model", 1, 1);
    rows("template", "tokenizers/llama3-style", "tokenizer.json", 420, 420);
    rows("no template", "stories-gpt2", "tokenizer.json", -1, 0);
    rows("two files", "stories-gpt2", "vocab.json merges.txt", -1, 0);
}

void FilesTest::addBosToken()
{
    QFETCH(QString, source);
    QFETCH(QString, files);
    QFETCH(QByteArray, config);
    QFETCH(int, front);
    for (const QString& file : files.split(' ')) copy(qPrintable(source), {qPrintable(file)});
    writeAll(folder_ / "tokenizer_config.json", config);
    const auto tokenizer = openOrDie(folder_);
    const auto ids = tokenizer->encode("x").value();
    auto expected = tokenizer->encode("x", {.add_bos = false}).value();
    if (front >= 0) expected.insert(expected.begin(), front);
    QCOMPARE(ids, expected);
}

/// tokenizer_config.json comes before config.json, and that before "<|endoftext|>".
void FilesTest::specialTokensFromTheFilesBeside()
{
    copy("stories-gpt2", {"vocab.json", "merges.txt"});
    QCOMPARE(openOrDie(folder_)->bosId(), std::optional<TokenId>(0));
    writeAll(folder_ / "config.json", R"({"bos_token_id": 5, "eos_token_id": [6, 7]})");
    QCOMPARE(openOrDie(folder_)->bosId(), std::optional<TokenId>(5));
    QCOMPARE(openOrDie(folder_)->eosId(), std::optional<TokenId>(6));
    writeAll(folder_ / "config.json", R"({"bos_token_id": 99999, "eos_token_id": "x"})"); // of another tokenizer
    QCOMPARE(openOrDie(folder_)->bosId(), std::optional<TokenId>(0));
    QCOMPARE(openOrDie(folder_)->eosId(), std::optional<TokenId>(0));
    writeAll(folder_ / "tokenizer_config.json",
             R"({"tokenizer_class": "GPT2Tokenizer", "bos_token": "!", "add_prefix_space": true,
        "eos_token": {"content": "<end>"}, "pad_token": "<pad>",
        "added_tokens_decoder": {"2048": {"content": "<end>", "special": true}, "2050": {"content": "<tool>"}}})");
    const auto tokenizer = openOrDie(folder_);
    QCOMPARE(tokenizer->bosId(), std::optional<TokenId>(1));
    QCOMPARE(tokenizer->eosId(), std::optional<TokenId>(2048));
    QCOMPARE(tokenizer->vocabSize(), 2051);
    QVERIFY(tokenizer->isSpecial(1)); // "!" was declared special
    const auto ids = tokenizer->encode("<tool>b<end>").value();
    QCOMPARE(ids.front(), 2050);
    QCOMPARE(ids.back(), 2048);
    QCOMPARE(tokenizer->decode(ids).value(), std::string("<tool> b")); // the prefix space
}

void FilesTest::bytesWithoutAToken()
{
    QJsonObject root = readJsonFile(flextron::test::dataFolder() / "tokenizers/oddities/tokenizer.json").object();
    set("model.unk_token", QJsonValue::Null)(root);
    writeAll(folder_ / "tokenizer.json", QJsonDocument(root).toJson());
    const auto ids = openOrDie(folder_)->encode("hello 中");
    QVERIFY(!ids.ok());
    QCOMPARE(ids.error().code, ErrorCode::InvalidArgument);
    QVERIFY(ids.error().message.find("no token for byte") != std::string::npos);
}

/// Vocabularies may leave ids out; such an id is no text, and does not end the program.
void FilesTest::idsLeftOut()
{
    QJsonObject root = readJsonFile(flextron::test::dataFolder() / "stories-gpt2/tokenizer.json").object();
    set("added_tokens.1", json(R"({"id": 2100, "content": "<far>", "special": true})"))(root);
    writeAll(folder_ / "tokenizer.json", QJsonDocument(root).toJson());
    const auto tokenizer = openOrDie(folder_);
    QCOMPARE(tokenizer->vocabSize(), 2101);
    QVERIFY(tokenizer->isSpecial(2050));
    QCOMPARE(tokenizer->piece(2050), std::string());
    QCOMPARE(tokenizer->decode({2050, 2100, 1}, {.write_special = true}).value(), std::string("<far>!"));
}

QTEST_GUILESS_MAIN(FilesTest)
#include "test_files.moc"
