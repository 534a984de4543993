// tokenizer.json, the format of Hugging Face's tokenizers library: the parts that byte-level BPE uses. Every other part
// is refused by name: to skip one would give other ids than the model was trained with.
#include <algorithm>

#include "engine/base/error.h"
#include "engine/text/bpe_definition_p.h"

namespace flextron {
namespace {

constexpr const char* metaspace_hint =
    "only byte-level BPE is read from tokenizer.json: put the model's SentencePiece file, tokenizer.model, beside it";

constexpr std::size_t max_entries = 4 * std::size_t(max_token_id); // of a list

class TokenizerJsonReader {
public:
    TokenizerJsonReader(const Json& document, const std::filesystem::path& path)
        : path_(path)
        , root_(document, path.string())
    {
    }

    BpeDefinition read(const SpecialTokens& special)
    {
        readModelKind();
        if (root_.has("normalizer")) readNormalizer(root_.object("normalizer"));
        if (root_.has("pre_tokenizer")) readPreTokenizer(root_.object("pre_tokenizer"));
        if (!has_byte_level_) unsupported(root_, "pre_tokenizer", "without ByteLevel", metaspace_hint);
        if (root_.has("decoder")) checkDecoder(root_.object("decoder"));
        readModel(root_.object("model"));
        if (root_.has("added_tokens")) readAddedTokens();
        if (root_.has("post_processor")) readPostProcessor(root_.object("post_processor"));
        settleSpecialTokens(special, path_, definition_);
        return std::move(definition_);
    }

private:
    /// `path.json: "pre_tokenizer.type" Metaspace is not supported`
    [[noreturn]] static void unsupported(const JsonObject& object, const std::string& key, const std::string& what,
                                         const std::string& hint = {})
    {
        throw Failure(
            ErrorCode::Unsupported, object.where() + ": " + object.quoted(key) + " " + what + " is not supported",
            hint.empty() ? "use a checkpoint whose tokenizer is byte-level BPE (GPT-2, Llama 3, Qwen 2) or has a "
                           "tokenizer.model"
                         : hint);
    }

    /// Calls `read` for each object of the array `key`. Sequences in sequences are read by recursion: parseJson() has
    /// limited how deep they go.
    template <class Read> static void forEach(const JsonObject& object, const std::string& key, Read read)
    {
        const std::size_t count = object.array(key, max_entries).size();
        for (std::size_t i = 0; i < count; ++i) read(object.element(key, i));
    }

    /// Before all other parts, since what kind of tokenizer it is says more than which of its parts is unknown.
    void readModelKind()
    {
        const JsonObject model = root_.object("model");
        const std::string type = model.text("type", "BPE"); // files of old leave it out
        if (type != "BPE") unsupported(model, "type", type, metaspace_hint);
        if (model.boolean("byte_fallback", false)) unsupported(model, "byte_fallback", "true", metaspace_hint);
    }

    void readNormalizer(const JsonObject& normalizer)
    {
        const std::string type = normalizer.text("type");
        if (type == "Sequence") {
            forEach(normalizer, "normalizers", [this](const JsonObject& part) { readNormalizer(part); });
        } else if (type == "NFC") {
            definition_.normal_forms.push_back(NormalForm::Nfc);
        } else if (type == "NFD") {
            definition_.normal_forms.push_back(NormalForm::Nfd);
        } else if (type == "NFKC") {
            definition_.normal_forms.push_back(NormalForm::Nfkc);
        } else if (type == "NFKD") {
            definition_.normal_forms.push_back(NormalForm::Nfkd);
        } else {
            unsupported(normalizer, "type", type, type == "Prepend" || type == "Replace" ? metaspace_hint : "");
        }
    }

    void readPreTokenizer(const JsonObject& part)
    {
        const std::string type = part.text("type");
        if (has_byte_level_) unsupported(part, "type", type + " after ByteLevel");
        SplitRule rule;
        if (type == "Sequence") {
            forEach(part, "pretokenizers", [this](const JsonObject& inner) { readPreTokenizer(inner); });
            return;
        }
        if (type == "ByteLevel") {
            has_byte_level_ = true;
            rule.add_prefix_space = part.boolean("add_prefix_space", true);
            if (part.boolean("use_regex", true)) rule.pattern = gpt2_pattern;
        } else if (type == "Split") {
            rule.pattern = readPattern(part.object("pattern"));
            rule.behavior = readBehavior(part);
            rule.invert = part.boolean("invert", false);
        } else if (type == "Digits") {
            rule.pattern = R"(\p{N})";
            rule.behavior = part.boolean("individual_digits", false) ? SplitBehavior::Isolated
                                                                     : SplitBehavior::Contiguous;
        } else {
            unsupported(part, "type", type, type == "Metaspace" ? metaspace_hint : "");
        }
        definition_.split_rules.push_back(std::move(rule));
    }

    static std::string readPattern(const JsonObject& pattern)
    {
        std::string result = pattern.has("Regex") ? pattern.text("Regex") : literalPattern(pattern.text("String"));
        if (result.empty()) pattern.mustBe(pattern.has("Regex") ? "Regex" : "String", "a pattern that is not empty");
        return result;
    }

    static SplitBehavior readBehavior(const JsonObject& split)
    {
        const std::string name = split.text("behavior");
        if (name == "Removed") return SplitBehavior::Removed;
        if (name == "Isolated") return SplitBehavior::Isolated;
        if (name == "Contiguous") return SplitBehavior::Contiguous;
        if (name == "MergedWithPrevious") return SplitBehavior::MergedWithPrevious;
        if (name == "MergedWithNext") return SplitBehavior::MergedWithNext;
        split.mustBe("behavior", "Removed, Isolated, Contiguous, MergedWithPrevious or MergedWithNext");
    }

    void checkDecoder(const JsonObject& decoder)
    {
        const std::string type = decoder.text("type");
        if (type == "Sequence") {
            forEach(decoder, "decoders", [this](const JsonObject& part) { checkDecoder(part); });
        } else if (type != "ByteLevel") {
            unsupported(decoder, "type", type, metaspace_hint);
        }
    }

    void readModel(const JsonObject& model)
    {
        if (model.has("dropout") && model.at("dropout") != 0)
            unsupported(model, "dropout", describe(model.at("dropout")));
        for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
            if (!model.text(affix, "").empty()) unsupported(model, affix, describe(model.at(affix)));
        readVocabulary(model.at("vocab"), path_, "model.vocab", definition_);
        readMerges(model);
        definition_.ignore_merges = model.boolean("ignore_merges", false);
        definition_.fuse_unknown = model.boolean("fuse_unk", false);
        if (const std::string unknown = model.text("unk_token", ""); !unknown.empty()) {
            const auto found = definition_.vocab.find(unknown);
            if (found == definition_.vocab.end()) model.mustBe("unk_token", "a token of the vocabulary");
            definition_.unknown = found->second;
        }
    }

    /// "a b", or ["a", "b"] in newer files.
    void readMerges(const JsonObject& model)
    {
        const std::vector<Json>& merges = model.array("merges", max_entries);
        definition_.merges.reserve(merges.size());
        for (std::size_t i = 0; i < merges.size(); ++i) {
            const std::string where = model.where() + ": " + model.quoted("merges[" + std::to_string(i) + "]");
            const Json& merge = merges[i];
            if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
                addMerge(merge[0].get<std::string>(), merge[1].get<std::string>(), where, definition_);
                continue;
            }
            const std::string line = merge.is_string() ? merge.get<std::string>() : "";
            const auto space = line.find(' ');
            if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos)
                throw Failure(ErrorCode::Corrupt, where + " must be a pair of tokens, found " + describe(merge),
                              "download the file again");
            addMerge(line.substr(0, space), line.substr(space + 1), where, definition_);
        }
    }

    void readAddedTokens()
    {
        forEach(root_, "added_tokens", [this](const JsonObject& token) {
            definition_.added_tokens.push_back(readAddedToken(token, readTokenId(token, "id")));
        });
    }

    /// Of what a template puts around a text we take what it puts in front: a text to be continued has no end yet.
    void readPostProcessor(const JsonObject& processor)
    {
        const std::string type = processor.text("type");
        if (type == "Sequence") {
            forEach(processor, "processors", [this](const JsonObject& part) { readPostProcessor(part); });
        } else if (type == "TemplateProcessing") {
            readTemplate(processor);
        } else if (type != "ByteLevel") { // which moves offsets only
            unsupported(processor, "type", type);
        }
    }

    void readTemplate(const JsonObject& processor)
    {
        constexpr std::size_t max_prefix = 16; // one is usual
        bool before_text = true;
        forEach(processor, "single", [&](const JsonObject& item) {
            if (item.has("Sequence")) before_text = false;
            if (!before_text || !item.has("SpecialToken")) return;
            const std::string name = item.object("SpecialToken").text("id");
            const JsonObject token = processor.object("special_tokens").object(name);
            for (const std::int64_t value : token.integers("ids", 0, max_token_id, max_prefix)) {
                const auto id = static_cast<TokenId>(value);
                if (!isKnown(id, definition_)) token.mustBe("ids", "ids of the vocabulary");
                definition_.prefix.push_back(id);
            }
            if (definition_.prefix.size() > max_prefix)
                processor.mustBe("single",
                                 "a list with at most " + std::to_string(max_prefix) + " tokens before the text");
        });
    }

    const std::filesystem::path& path_;
    JsonObject root_;
    BpeDefinition definition_;
    bool has_byte_level_ = false;
};

} // namespace

BpeDefinition readTokenizerJson(const std::filesystem::path& path, const SpecialTokens& special)
{
    const Json document = readJson(path);
    return TokenizerJsonReader(document, path).read(special);
}

} // namespace flextron
