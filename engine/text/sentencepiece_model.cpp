// The format: sentencepiece_model.proto of the SentencePiece project, on the wire format of protocol buffers.
#include "engine/text/sentencepiece_model_p.h"

#include <cstdint>
#include <cstring>

#include "engine/base/error.h"

namespace flextron {
namespace {

struct Field {
    std::uint32_t number = 0;
    std::uint64_t value = 0;  // of a number
    std::string_view content; // of a string or a message
};

/// Steps through the fields of one message. Offsets in messages count from the start of the file.
class MessageReader {
public:
    MessageReader(std::string_view file, std::string_view message, const std::filesystem::path& path)
        : file_(file)
        , rest_(message)
        , path_(path)
    {
    }

    bool next(Field& field)
    {
        if (rest_.empty()) return false;
        const std::uint64_t key = varint();
        field = {static_cast<std::uint32_t>(key >> 3), 0, {}};
        if (key >> 3 == 0 || key >> 32 != 0) fail("a field number is out of range");
        switch (key & 7) {
        case 0: field.value = varint(); break;
        case 1: take(8); break;
        case 2: field.content = take(varint()); break;
        case 5: take(4); break;
        default: fail("a field has wire type " + std::to_string(key & 7) + ", which such files do not use");
        }
        return true;
    }

    [[noreturn]] void fail(const std::string& what) const
    {
        throw Failure(ErrorCode::Corrupt,
                      path_.string() + ": no SentencePiece model: " + what + ", at byte " +
                          std::to_string(rest_.data() - file_.data()),
                      "download the file again; a model without a SentencePiece file needs its tokenizer.json instead");
    }

private:
    std::string_view take(std::uint64_t length)
    {
        if (length > rest_.size())
            fail("a field of " + std::to_string(length) + " bytes does not fit the " + std::to_string(rest_.size()) +
                 " that are left");
        const std::string_view content = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return content;
    }

    std::uint64_t varint()
    {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take(1)[0]);
            value |= std::uint64_t(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        fail("a number is longer than 10 bytes");
    }

    std::string_view file_;
    std::string_view rest_;
    const std::filesystem::path& path_;
};

std::uint32_t littleEndian32(std::string_view bytes)
{
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
}

/// A precompiled normalisation table: 4 bytes size of a trie, the trie (a double array of 32-bit units), and strings
/// that end in NUL. The library follows the trie's links unchecked, so every link must lead to a whole block of 256
/// units inside.
bool charsmapStaysInside(std::string_view map)
{
    constexpr std::size_t block = 256; // units
    if (map.size() < 4) return false;
    const std::size_t trie_bytes = littleEndian32(map);
    map.remove_prefix(4);
    if (trie_bytes >= map.size() || trie_bytes == 0 || trie_bytes % (4 * block) != 0 || map.back() != '\0')
        return false;
    const std::size_t units = trie_bytes / 4;
    for (std::size_t i = 0; i < units; ++i) {
        const std::uint32_t unit = littleEndian32(map.substr(4 * i));
        const bool is_value = (unit >> 31) != 0; // the end of a key: holds a value, has no link
        const std::size_t offset = std::size_t(unit >> 10) << ((unit & (1u << 9)) >> 6);
        if ((i == 0 || !is_value) && ((i ^ offset) | (block - 1)) >= units) return false;
    }
    return true;
}

void readNormalizer(MessageReader reader, SentencePieceSpec& spec)
{
    for (Field field; reader.next(field);) {
        if (field.number == 2 && !field.content.empty() && !charsmapStaysInside(field.content))
            reader.fail("the normalisation table is broken");
        if (field.number == 3) spec.add_dummy_prefix = field.value != 0;
        if (field.number == 4) spec.remove_extra_whitespaces = field.value != 0;
    }
}

void readTrainer(MessageReader reader, SentencePieceSpec& spec)
{
    for (Field field; reader.next(field);) {
        if (field.number != 3) continue;
        switch (field.value) {
        case 1: spec.algorithm = "unigram"; break;
        case 2: spec.algorithm = "BPE"; break;
        case 3: spec.algorithm = "word"; break;
        case 4: spec.algorithm = "character"; break;
        default: reader.fail("model type " + std::to_string(field.value) + " is unknown");
        }
    }
}

void refuseDenormalizer(MessageReader reader, const std::filesystem::path& path)
{
    for (Field field; reader.next(field);)
        if (field.number == 2 && !field.content.empty())
            throw Failure(ErrorCode::Unsupported,
                          path.string() + ": denormalizer_spec (rules that rewrite decoded text) is not supported",
                          "use a model whose SentencePiece file has no denormalisation rules, as Llama's");
}

} // namespace

SentencePieceSpec readSentencePieceSpec(std::string_view bytes, const std::filesystem::path& path)
{
    SentencePieceSpec spec;
    MessageReader reader(bytes, bytes, path);
    for (Field field; reader.next(field);) {
        const MessageReader inner(bytes, field.content, path);
        if (field.number == 2) readTrainer(inner, spec);
        if (field.number == 3) readNormalizer(inner, spec);
        if (field.number == 5) refuseDenormalizer(inner, path);
    }
    return spec;
}

} // namespace flextron
