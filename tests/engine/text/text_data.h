// Files and folders for the tests of tokenizers.
#pragma once

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QString>
#include <QTest>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/text/tokenizer.h"

namespace flextron::test {

inline std::filesystem::path dataFolder()
{
    return FLEXTRON_TEST_DATA;
}

inline QByteArray readAll(const std::filesystem::path& path)
{
    QFile file(QString::fromStdString(path.string()));
    if (!file.open(QIODevice::ReadOnly)) qFatal("%s is not there", path.c_str());
    return file.readAll();
}

inline void writeAll(const std::filesystem::path& path, const QByteArray& bytes)
{
    QFile file(QString::fromStdString(path.string()));
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size()) qFatal("%s: not written", path.c_str());
}

inline QJsonDocument readJsonFile(const std::filesystem::path& path)
{
    QJsonParseError error;
    const QJsonDocument document = QJsonDocument::fromJson(readAll(path), &error);
    if (document.isNull()) qFatal("%s: %s", path.c_str(), qPrintable(error.errorString()));
    return document;
}

inline std::vector<TokenId> toIds(const QJsonArray& array)
{
    std::vector<TokenId> ids;
    for (const auto& id : array) ids.push_back(id.toInt());
    return ids;
}

/// The ids' pieces: a failure that shows them says more than one that shows ids.
inline QString show(const Tokenizer& tokenizer, const std::vector<TokenId>& ids)
{
    QString text;
    for (const TokenId id : ids) text += QString("%1:%2 ").arg(id).arg(QString::fromStdString(tokenizer.piece(id)));
    return text;
}

inline std::shared_ptr<const Tokenizer> openOrDie(const std::filesystem::path& folder)
{
    auto tokenizer = openTokenizer(folder);
    if (!tokenizer) qFatal("%s", tokenizer.error().message.c_str());
    return *tokenizer;
}

/// A field of a protocol buffer.
inline QByteArray field(int number, const QByteArray& content)
{
    QByteArray bytes(1, static_cast<char>(number << 3 | 2));
    for (auto size = static_cast<unsigned>(content.size());; size >>= 7) {
        bytes += static_cast<char>((size & 0x7F) | (size >= 0x80 ? 0x80 : 0));
        if (size < 0x80) return bytes + content;
    }
}

/// A normalisation table of SentencePiece: the size of a trie, its units, and strings.
inline QByteArray charsmap(const std::vector<quint32>& units, const QByteArray& strings)
{
    QByteArray map;
    const auto number = [&](quint32 value) {
        for (int shift = 0; shift < 32; shift += 8) map += static_cast<char>(value >> shift);
    };
    number(static_cast<quint32>(units.size() * 4));
    for (const quint32 unit : units) number(unit);
    return map + strings;
}

/// A unigram model of a few pieces, whose normalisation turns "a" into "b"; without byte fallback.
inline QByteArray smallSentencePiece()
{
    const auto piece = [](const char* text, char type) {
        return field(1, field(1, text) + QByteArray("\x15\0\0\x80\xBF\x18", 6) + type); // score -1, type
    };
    constexpr char normal = 1, unknown = 2, control = 3, user_defined = 4;
    std::vector<quint32> trie(256);
    trie['a'] = 'a' | 1u << 8 | 1u << 10; // label "a", a key ends here, its value is in the unit next door
    trie['a' ^ 1] = 1u << 31;             // value 0: where "b" begins in the strings
    return piece("<unk>", unknown) + piece("<s>", control) + piece("</s>", control) + piece("b", normal) +
           piece("\xE2\x96\x81", normal) + piece("bb", normal) + piece("[tag]", user_defined) +
           field(3, field(2, charsmap(trie, QByteArray("b\0", 2))));
}

} // namespace flextron::test
