// The parts that byte-level BPE is made of: merging, the regular expressions, cutting into words.

#include "engine/text/bpe_merges_p.h"

#include <QTest>
#include <map>
#include <random>
#include <set>

#include "engine/text/byte_symbols_p.h"
#include "engine/text/pre_tokenizer_p.h"

using namespace flextron;

class BpeTest final : public QObject {
    Q_OBJECT

private slots:
    void mergesAsTheDefinitionSays();
    void byteSymbols();
    void translatesPatterns_data();
    void translatesPatterns();
    void refusesPatterns_data();
    void refusesPatterns();
    void cutsIntoWords_data();
    void cutsIntoWords();
    void wordsMakeUpTheText();
    void stopsAPatternThatNeverEnds();
};

namespace {

using Pair = std::pair<TokenId, TokenId>;
struct Rule {
    int rank;
    TokenId merged;
};

/// The definition, word for word: of all pairs of neighbours take the one of lowest rank, the leftmost of them; merge;
/// repeat.
std::vector<TokenId> mergeByDefinition(std::vector<TokenId> word, const std::map<Pair, Rule>& rules)
{
    for (;;) {
        std::size_t best = word.size();
        Rule best_rule{1 << 30, 0};
        for (std::size_t i = 0; i + 1 < word.size(); ++i) {
            const auto rule = rules.find({word[i], word[i + 1]});
            if (rule == rules.end() || rule->second.rank >= best_rule.rank) continue;
            best = i;
            best_rule = rule->second;
        }
        if (best == word.size()) return word;
        word[best] = best_rule.merged;
        word.erase(word.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
}

std::vector<std::string> words(std::vector<SplitRule> rules, std::string_view text)
{
    const PreTokenizer pre_tokenizer(std::move(rules));
    PreTokenizer::Run run(pre_tokenizer);
    std::vector<std::string> result;
    run.split(text, [&](std::string_view word) { result.emplace_back(word); });
    return result;
}

} // namespace

void BpeTest::mergesAsTheDefinitionSays()
{
    std::mt19937 random(1);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    for (int round = 0; round < 300; ++round) {
        const int letters = 2 + below(4);
        BpeMerges merges;
        std::map<Pair, Rule> rules;
        int tokens = letters;
        for (int rank = 0, count = below(30); rank < count; ++rank) {
            const Pair pair{below(tokens), below(tokens)};
            const TokenId merged = tokens++;
            merges.add(pair.first, pair.second, merged, rank);
            rules.insert_or_assign(pair, Rule{rank, merged});
        }
        for (int i = 0; i < 20; ++i) {
            std::vector<TokenId> word(static_cast<std::size_t>(below(40)));
            for (TokenId& id : word) id = below(letters);
            std::vector<TokenId> merged{-7}; // what is there stays
            merges.merge(word, merged);
            auto expected = mergeByDefinition(word, rules);
            expected.insert(expected.begin(), -7);
            QCOMPARE(merged, expected);
        }
    }
}

void BpeTest::byteSymbols()
{
    QCOMPARE(symbolOfByte(' '), std::string("Ġ"));
    QCOMPARE(symbolOfByte('\n'), std::string("Ċ"));
    QCOMPARE(symbolOfByte('a'), std::string("a"));
    QCOMPARE(symbolOfByte(0xAD), std::string("Ń")); // the last that does not stand for itself
    std::set<std::string> symbols;
    for (int byte = 0; byte < 256; ++byte) {
        const std::string symbol = symbolOfByte(static_cast<unsigned char>(byte));
        QVERIFY(symbols.insert(symbol).second);
        QCOMPARE(bytesOfSymbols(symbol).value(), std::string(1, static_cast<char>(byte)));
    }
    QCOMPARE(bytesOfSymbols("").value(), std::string());
    for (const char* none : {" ", "\n", "ń", "中", "😀", "a b", "\xC4", "\xFF"}) QVERIFY(!bytesOfSymbols(none));
}

void BpeTest::translatesPatterns_data()
{
    QTest::addColumn<QString>("oniguruma");
    QTest::addColumn<QString>("icu");
    QTest::newRow("nothing to do") << "a|b+?(?:c)(?!d)\\p{L}"
                                   << "a|b+?(?:c)(?!d)\\p{L}";
    QTest::newRow("word") << R"(\w)"
                          << R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}])";
    QTest::newRow("vertical tab") << R"(\v)"
                                  << R"(\x0B)";
    QTest::newRow("escaped backslash") << R"(\\s)"
                                       << R"(\\s)";
    QTest::newRow("signs of ICU's sets") << R"([{}$&x]{2})"
                                         << R"([\{\}\$\&x]{2})";
    QTest::newRow("intersection") << R"([\p{L}&&[^a]])"
                                  << R"([\p{L}&&[^a]])";
}

void BpeTest::translatesPatterns()
{
    QFETCH(QString, oniguruma);
    QFETCH(QString, icu);
    QCOMPARE(QString::fromStdString(translatePattern(oniguruma.toStdString())), icu);
}

void BpeTest::refusesPatterns_data()
{
    QTest::addColumn<QString>("pattern");
    QTest::addColumn<QString>("named");
    QTest::newRow("hex digit, horizontal space to ICU") << R"(\h+)"
                                                        << "\\h";
    QTest::newRow("word boundary") << R"(\bx)"
                                   << "\\b";
    QTest::newRow("backreference") << R"((a)\1)"
                                   << "\\1";
    QTest::newRow("dot matches all to Ruby, lines to ICU") << "(?m:.)"
                                                           << "(?m:";
    QTest::newRow("possessive to ICU only") << R"(\p{N}{1,3}+)"
                                            << "a + behind {...}";
    QTest::newRow("negated property") << R"(\p{^L})"
                                      << "a property";
    QTest::newRow("end in a backslash") << "a\\"
                                        << "\\";
    QTest::newRow("difference of sets to ICU") << "[a--b]"
                                               << "-- in a bracket";
    QTest::newRow("open bracket") << "[a"
                                  << "cannot be read";
    QTest::newRow("open group") << "(a"
                                << "cannot be read";
    QTest::newRow("no such property") << "\\p{Nonsense}"
                                      << "cannot be read";
}

void BpeTest::refusesPatterns()
{
    QFETCH(QString, pattern);
    QFETCH(QString, named);
    SplitRule rule;
    rule.pattern = pattern.toStdString();
    try {
        const PreTokenizer pre_tokenizer({rule});
        QFAIL("it was taken");
    } catch (const Failure& failure) {
        QCOMPARE(failure.error().code, ErrorCode::Unsupported);
        const auto message = QString::fromStdString(failure.error().message);
        QVERIFY2(message.contains(named) && message.contains(pattern), qPrintable(message));
    }
}

void BpeTest::cutsIntoWords_data()
{
    QTest::addColumn<QString>("pattern");
    QTest::addColumn<int>("behavior");
    QTest::addColumn<bool>("invert");
    QTest::addColumn<bool>("add_prefix_space");
    QTest::addColumn<QStringList>("expected"); // of "a--b-c"
    const auto row = [](const char* name, SplitBehavior behavior, bool invert, const QStringList& expected) {
        QTest::newRow(name) << "-" << int(behavior) << invert << false << expected;
    };
    row("isolated", SplitBehavior::Isolated, false, {"a", "-", "-", "b", "-", "c"});
    row("removed", SplitBehavior::Removed, false, {"a", "b", "c"});
    row("contiguous", SplitBehavior::Contiguous, false, {"a", "--", "b", "-", "c"});
    row("merged with previous", SplitBehavior::MergedWithPrevious, false, {"a-", "-", "b-", "c"});
    row("merged with next", SplitBehavior::MergedWithNext, false, {"a", "-", "-b", "-c"});
    row("inverted, removed", SplitBehavior::Removed, true, {"-", "-", "-"});
    row("inverted, merged with next", SplitBehavior::MergedWithNext, true, {"a-", "-", "b-", "c"});
    QTest::newRow("no pattern") << "" << int(SplitBehavior::Isolated) << false << false << QStringList{"a--b-c"};
    QTest::newRow("prefix") << "-" << int(SplitBehavior::Removed) << false << true << QStringList{" a", "b", "c"};
    QTest::newRow("empty matches") << "-*" << int(SplitBehavior::Isolated) << false << false
                                   << QStringList{"a", "--", "b", "-", "c"};
}

void BpeTest::cutsIntoWords()
{
    QFETCH(QString, pattern);
    QFETCH(int, behavior);
    QFETCH(bool, invert);
    QFETCH(bool, add_prefix_space);
    QFETCH(QStringList, expected);
    SplitRule rule{pattern.toStdString(), SplitBehavior(behavior), invert, add_prefix_space};
    QStringList found;
    for (const auto& word : words({rule}, "a--b-c")) found << QString::fromStdString(word);
    QCOMPARE(found, expected);
    QVERIFY(words({rule}, "").empty() || add_prefix_space);
}

/// Whatever the rules, as long as none removes: the words joined are the text, and each is valid UTF-8.
void BpeTest::wordsMakeUpTheText()
{
    std::mt19937 random(2);
    const char* const characters[] = {"a", "B", "7", " ", "\n", "-", "é", "中", "😀", "\u0301", "\u00A0", "'s"};
    const char* const patterns[] = {gpt2_pattern, "\\s", "[^\\s]+", "\\p{N}", "x*", "$", "😀|é", "(?=-)"};
    for (int round = 0; round < 500; ++round) {
        std::vector<SplitRule> rules(1 + random() % 3);
        for (SplitRule& rule : rules) {
            rule.pattern = patterns[random() % std::size(patterns)];
            rule.behavior = SplitBehavior(1 + random() % 4); // all but Removed
            rule.invert = random() % 2 == 0;
        }
        std::string text;
        for (auto length = random() % 30; length > 0; --length) text += characters[random() % std::size(characters)];
        std::string joined;
        for (const std::string& word : words(rules, text)) {
            QVERIFY(!word.empty());
            QCOMPARE(findInvalidUtf8(word), std::string::npos);
            joined += word;
        }
        QCOMPARE(joined, text);
    }
}

void BpeTest::stopsAPatternThatNeverEnds()
{
    SplitRule rule;
    rule.pattern = "(?:a|aa)+b"; // tries every way to cut the text
    try {
        words({rule}, std::string(200, 'a'));
        QFAIL("it ended");
    } catch (const Failure& failure) {
        QCOMPARE(failure.error().code, ErrorCode::Unsupported);
        QVERIFY(failure.error().message.find("takes too long") != std::string::npos);
    }
}

QTEST_GUILESS_MAIN(BpeTest)
#include "test_bpe.moc"
