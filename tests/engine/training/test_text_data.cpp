// Text data: formats, document borders, packing, shares, shuffling, the held-out part, and going on where one stopped.
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <QTemporaryDir>
#include <QtTest>
#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "byte_tokenizer.h"
#include "engine/training/text_data.h"

using namespace flextron;
using flextron::test::ByteTokenizer;

namespace {

using Ids = std::vector<TokenId>;
constexpr TokenId B = ByteTokenizer::kBos;
constexpr TokenId E = ByteTokenizer::kEos;

std::string gzip(const std::string& text)
{
    z_stream state{};
    deflateInit2(&state, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&state, text.size()) + 64, '\0');
    state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    state.avail_in = static_cast<uInt>(text.size());
    state.next_out = reinterpret_cast<Bytef*>(out.data());
    state.avail_out = static_cast<uInt>(out.size());
    deflate(&state, Z_FINISH);
    out.resize(state.total_out);
    deflateEnd(&state);
    return out;
}

std::string xz(const std::string& text)
{
    std::string out(lzma_stream_buffer_bound(text.size()), '\0');
    std::size_t position = 0;
    lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()),
                            text.size(), reinterpret_cast<std::uint8_t*>(out.data()), &position, out.size());
    out.resize(position);
    return out;
}

std::string zstd(const std::string& text)
{
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

/// `count` documents of different lengths; every byte of document i says which it is.
std::string numberedDocuments(int count)
{
    std::string text;
    for (int i = 0; i < count; ++i)
        text += std::string(static_cast<std::size_t>(7 + i * 5 % 23), static_cast<char>('A' + i % 50)) +
                std::to_string(i) + "\n<|endoftext|>\n";
    return text;
}

} // namespace

class TextDataTest : public QObject {
    Q_OBJECT

    QTemporaryDir folder_;

    std::filesystem::path write(const std::string& name, const std::string& bytes)
    {
        const auto path = std::filesystem::path(folder_.path().toStdString()) / name;
        std::ofstream(path, std::ios::binary) << bytes;
        return path;
    }
    static std::unique_ptr<TextData> open(const TextDataOptions& options, bool adds_bos = true)
    {
        return TextData::open(options, std::make_shared<ByteTokenizer>(adds_bos)).orThrow();
    }
    static TextDataOptions inOrder(const std::filesystem::path& path, int length)
    {
        TextDataOptions options;
        options.files = {{path}};
        options.sequence_length = length;
        options.shuffle_window = 1;
        options.repeat = false;
        return options;
    }
    /// All tokens of the whole sequences, end to end.
    static Ids readAll(TextData& data)
    {
        Ids all;
        for (Ids ids = data.next().orThrow(); !ids.empty(); ids = data.next().orThrow())
            all.insert(all.end(), ids.begin(), ids.end());
        return all;
    }

private slots:
    void everyFormatGivesTheSameTokens_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("bytes");
        const std::string text = "One.\nTwo.\n<|endoftext|>\n\n<|endoftext|>\r\n  Three\n\n";
        const std::string json = "{\"text\": \"One.\\nTwo.\"}\n\n{\"text\":\" \"}\n{\"id\": 1, \"text\": \"Three \"}";
        const auto row = [](const char* name, const std::string& bytes) {
            QTest::newRow(name) << QString(name) << QByteArray::fromStdString(bytes);
        };
        row("plain.txt", text);
        row("gzip.txt.gz", gzip(text));
        row("two members.txt.gz", gzip(text.substr(0, 9)) + gzip(text.substr(9)));
        row("xz.txt.xz", xz(text));
        row("two streams.txt.xz", xz(text.substr(0, 9)) + xz(text.substr(9)));
        row("zstd.txt.zst", zstd(text));
        row("two frames.txt.zst", zstd(text.substr(0, 9)) + zstd(text.substr(9)));
        row("gzip without the suffix.txt", gzip(text));
        row("lines.jsonl", json);
        row("lines.ndjson.gz", gzip(json));
    }
    void everyFormatGivesTheSameTokens()
    {
        QFETCH(QString, name);
        QFETCH(QByteArray, bytes);
        const auto path = write(name.toStdString(), bytes.toStdString());
        const auto data = open(inOrder(path, 16));
        const Ids expected{B, 'O', 'n', 'e', '.', '\n', 'T', 'w', 'o', '.', B, 'T', 'h', 'r', 'e', 'e'};
        QCOMPARE(readAll(*data), expected);
    }

    void gptGetsAnEndTokenBehindEachDocument()
    {
        const auto path = write("gpt.txt", "ab\n<|endoftext|>\nc\n");
        QCOMPARE(readAll(*open(inOrder(path, 5), /*adds_bos=*/false)), (Ids{'a', 'b', E, 'c', E}));
    }

    void aLongDocumentIsReadInPiecesAsOneDocument()
    {
        std::string text;
        while (text.size() < (5u << 19)) text += "a line of a long book, number " + std::to_string(text.size()) + "\n";
        text.pop_back();
        const Ids all = readAll(*open(inOrder(write("book.txt", text + "\n\n"), 2)));
        QCOMPARE(std::count(all.begin(), all.end(), B), 1);
        std::string read;
        for (std::size_t i = 1; i < all.size(); ++i) read += static_cast<char>(all[i]);
        QVERIFY(read == text.substr(0, read.size()) && text.size() - read.size() < 2);
    }

    void damagedFilesAreNamed_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("message");
        const std::string text = numberedDocuments(400);
        const auto row = [](const char* name, const std::string& bytes, const char* message) {
            QTest::newRow(name) << QString(name) << QByteArray::fromStdString(bytes) << QString(message);
        };
        const auto half = [](const std::string& bytes) { return bytes.substr(0, bytes.size() / 2); };
        row("half.gz", half(gzip(text)), "half.gz: the gzip data ends in the middle");
        row("half.xz", half(xz(text)), "half.xz: the xz data ends in the middle");
        row("half.zst", half(zstd(text)), "half.zst: the zstd data ends in the middle");
        row("bytes.txt", "good\n<|endoftext|>\nb\xff\n", "bytes.txt, document 2: the text is no UTF-8 at byte 3");
        row("broken.jsonl", "{\"text\": \"a\"}\n{\"text\": \n", "broken.jsonl line 2");
        row("field.jsonl", "{\"body\": \"a\"}\n", "\"text\"");
    }
    void damagedFilesAreNamed()
    {
        QFETCH(QString, name);
        QFETCH(QByteArray, bytes);
        QFETCH(QString, message);
        const auto data = open(inOrder(write(name.toStdString(), bytes.toStdString()), 4));
        Result<Ids> ids = data->next();
        while (ids.ok() && !ids->empty()) ids = data->next();
        QVERIFY(!ids.ok());
        QCOMPARE(ids.error().code, ErrorCode::Corrupt);
        QVERIFY2(QString::fromStdString(ids.error().message).contains(message), ids.error().message.c_str());
        QVERIFY(!ids.error().hint.empty());
    }

    void aMissingFileAndAnEmptyOneAreRefused()
    {
        TextDataOptions options = inOrder("/nowhere/text.txt", 4);
        auto tokenizer = std::make_shared<ByteTokenizer>(true);
        QCOMPARE(TextData::open(options, tokenizer).error().code, ErrorCode::NotFound);
        options.files = {{write("empty.txt", "\n \n<|endoftext|>\n")}};
        options.repeat = true;
        const auto ids = open(options)->next();
        QCOMPARE(ids.error().code, ErrorCode::InvalidArgument);
        QVERIFY(ids.error().message.find("empty.txt: there is no text in it") != std::string::npos);
    }

    void shufflingChangesTheOrderAndNothingElse()
    {
        TextDataOptions options = inOrder(write("many.txt", numberedDocuments(200)), 8);
        const auto sequences = [&] {
            std::vector<Ids> all;
            const auto data = open(options);
            for (Ids ids = data->next().orThrow(); !ids.empty(); ids = data->next().orThrow()) all.push_back(ids);
            return all;
        };
        const auto ordered = sequences();
        options.shuffle_window = 32;
        const auto shuffled = sequences();
        options.seed = 2;
        const auto otherwise = sequences();
        QVERIFY(shuffled != ordered && otherwise != shuffled);
        options.seed = 1;
        QVERIFY(sequences() == shuffled);
        QVERIFY((std::multiset<Ids>(ordered.begin(), ordered.end()) ==
                 std::multiset<Ids>(shuffled.begin(), shuffled.end())));
    }

    void heldOutDocumentsAreNeverTrainedOn()
    {
        TextDataOptions options = inOrder(write("split.txt", numberedDocuments(1000)), 2);
        options.held_out_share = 0.2;
        const auto documents = [&](DataPart part) {
            options.part = part;
            const Ids all = readAll(*open(options));
            std::set<Ids> found;
            Ids current;
            for (const TokenId id : all) {
                if (id == B && !current.empty()) found.insert(std::exchange(current, {}));
                if (id != B) current.push_back(id);
            }
            return found;
        };
        const auto training = documents(DataPart::Training);
        const auto held_out = documents(DataPart::HeldOut);
        QVERIFY(held_out.size() > 140 && held_out.size() < 260);
        QVERIFY(training.size() > 740);
        for (const Ids& ids : held_out) QVERIFY(!training.contains(ids));
    }

    void filesAreDrawnInTheirShares()
    {
        TextDataOptions options = inOrder(write("a.txt", std::string(50, 'a')), 10);
        options.files = {{write("a.txt", std::string(50, 'a')), 3}, {write("b.txt", std::string(5000, 'b')), 1}};
        options.repeat = true;
        options.shuffle_window = 16;
        const auto data = open(options);
        std::map<TokenId, int> drawn;
        for (int i = 0; i < 400; ++i) ++drawn[data->next().orThrow().back()];
        QVERIFY2(std::abs(drawn['a'] - 300) < 16, std::to_string(drawn['a']).c_str());
    }

    void aRestoredStreamGoesOnWithTheSameSequences_data()
    {
        QTest::addColumn<int>("before");
        QTest::newRow("at the start") << 0;
        QTest::newRow("inside") << 37;
        QTest::newRow("after the end of the first file") << 700;
    }
    void aRestoredStreamGoesOnWithTheSameSequences()
    {
        QFETCH(int, before);
        TextDataOptions options = inOrder(write("short.txt", numberedDocuments(60)), 9);
        options.files.push_back({write("long.jsonl.xz", xz("{\"text\":\"" + std::string(3000, 'x') + "\"}\n"))});
        options.repeat = true;
        options.shuffle_window = 20;
        options.held_out_share = 0.1;
        options.part = DataPart::Training;
        const auto data = open(options);
        for (int i = 0; i < before; ++i) QVERIFY(data->next().ok());
        const DataPosition position = data->position();
        const auto restored = open(options);
        restored->restore(position).orThrow();
        QVERIFY(restored->position() == position);
        for (int i = 0; i < 300; ++i) QVERIFY(restored->next().orThrow() == data->next().orThrow());
        QVERIFY(restored->position() == data->position());
    }

    void aPositionOfOtherDataIsRefused()
    {
        TextDataOptions options = inOrder(write("one.txt", numberedDocuments(60)), 9);
        const auto data = open(options);
        for (int i = 0; i < 20; ++i) QVERIFY(data->next().ok());
        const DataPosition position = data->position();
        write("one.txt", numberedDocuments(0) + "short");
        const auto shorter = open(options)->restore(position);
        QCOMPARE(shorter.error().code, ErrorCode::InvalidArgument);
        QVERIFY(shorter.error().message.find("one.txt has") != std::string::npos);
        options.files.push_back(options.files.front());
        QVERIFY(!open(options)->restore(position).ok());
    }
};

QTEST_APPLESS_MAIN(TextDataTest)
#include "test_text_data.moc"
