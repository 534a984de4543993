#include "engine/evaluate/task_formats_p.h"

#include <algorithm>
#include <functional>

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "engine/base/files.h"
#include "engine/base/json_p.h"
#include "engine/text/tokenizer.h"

namespace flextron {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostChoices = 16;
constexpr std::string_view kSpace = " \t\n\r\f\v";

[[noreturn]] void corrupt(const std::string& where, const std::string& what, const std::string& hint)
{
    throw Failure(ErrorCode::Corrupt, where + ": " + what, hint);
}

std::string stripped(std::string_view text)
{
    const auto first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

void replaceAll(std::string& text, std::string_view what, std::string_view by)
{
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
}

int codePoints(std::string_view text)
{
    return static_cast<int>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

/// Python's str.capitalize: the first character in title case, the others small.
std::string capitalized(const std::string& text)
{
    if (text.empty()) return text;
    auto letters = icu::UnicodeString::fromUTF8(text);
    const UChar32 first = letters.char32At(0);
    icu::UnicodeString rest(letters, letters.moveIndex32(0, 1));
    std::string result;
    (icu::UnicodeString(u_totitle(first)) + rest.toLower(icu::Locale::getRoot())).toUTF8String(result);
    return result;
}

/// One context for all choices, each after a space.
Question sameContext(const std::string& context, const std::vector<std::string>& choices, int gold)
{
    Question question;
    question.item.contexts.assign(choices.size(), context);
    for (const std::string& choice : choices) {
        question.item.continuations.push_back(" " + choice);
        question.item.characters.push_back(codePoints(choice));
    }
    question.item.gold = gold;
    return question;
}

Question arcEasy(const JsonObject& line)
{
    const JsonObject question = line.object("question");
    const std::string key = line.text("answerKey");
    std::vector<std::string> choices;
    int gold = -1;
    for (std::size_t i = 0; i < question.array("choices", kMostChoices).size(); ++i) {
        const JsonObject choice = question.element("choices", i);
        if (choice.text("label") == key) gold = static_cast<int>(i);
        choices.push_back(choice.text("text"));
    }
    if (gold < 0) line.mustBe("answerKey", "the label of one of the choices");
    return sameContext("Question: " + question.text("stem") + "\nAnswer:", choices, gold);
}

Question lambada(const JsonObject& line)
{
    const std::string text = line.text("text");
    const auto space = text.rfind(' ');
    if (space == std::string::npos || space + 1 == text.size()) line.mustBe("text", "a text that ends in a word");
    return sameContext(text.substr(0, space), {text.substr(space + 1)}, 0);
}

Question winogrande(const JsonObject& line)
{
    const std::string sentence = line.text("sentence");
    const auto gap = sentence.find('_');
    if (gap == std::string::npos) line.mustBe("sentence", "a sentence with a gap, \"_\"");
    const std::string answer = line.text("answer");
    if (answer != "1" && answer != "2") line.mustBe("answer", "\"1\" or \"2\"");
    const std::string ending = stripped(std::string_view(sentence).substr(gap + 1));
    Question question = sameContext("", {ending, ending}, answer == "1" ? 0 : 1);
    question.item.contexts = {sentence.substr(0, gap) + line.text("option1"),
                              sentence.substr(0, gap) + line.text("option2")};
    return question;
}

Question hellaswag(const JsonObject& line)
{
    // The harness builds the context from its halves; a file that has only the whole is taken as it is.
    const std::string context = line.has("ctx_a") ? line.text("ctx_a") + " " + capitalized(line.text("ctx_b"))
                                                  : line.text("ctx");
    std::vector<std::string> endings;
    for (const Json& ending : line.array("endings", kMostChoices)) {
        if (!ending.is_string()) line.mustBe("endings", "a list of texts");
        endings.push_back(cleanHellaswag(ending.get<std::string>()));
    }
    if (endings.size() < 2) line.mustBe("endings", "a list of at least two texts");
    const Json& label = line.at("label");
    const std::string label_text = label.is_string() ? label.get<std::string>() : label.dump();
    const auto last = static_cast<char>('0' + endings.size() - 1);
    if (endings.size() > 10 || label_text.size() != 1 || label_text[0] < '0' || label_text[0] > last)
        line.mustBe("label", "the index of one of the endings");
    return sameContext(cleanHellaswag(line.text("activity_label") + ": " + context), endings, label_text[0] - '0');
}

Question piqa(const JsonObject& line, int gold)
{
    return sameContext("Question: " + line.text("goal") + "\nAnswer:", {line.text("sol1"), line.text("sol2")}, gold);
}

/// Calls `use` with every line that is not empty and its number from 1; stops when `use` says false.
void forEachLine(const std::string& text, const std::function<bool(std::string_view, int)>& use)
{
    int number = 0;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = std::min(text.find('\n', begin), text.size());
        const std::string_view line = std::string_view(text).substr(begin, end - begin);
        ++number;
        if (line.find_first_not_of(kSpace) != std::string_view::npos && !use(line, number)) return;
        begin = end + 1;
    }
}

std::string readText(const fs::path& file)
{
    std::string text = readFile(file).orThrow();
    if (const auto bad = findInvalidUtf8(text); bad != std::string::npos)
        corrupt(file.string(), "byte " + std::to_string(bad) + " is no UTF-8", "give the task's official file");
    return text;
}

std::vector<int> readLabels(const fs::path& data, fs::path labels)
{
    if (labels.empty()) labels = data.parent_path() / (data.stem().string() + "-labels.lst");
    if (!fs::exists(labels)) labels = data.parent_path() / "valid-labels.lst";
    if (!fs::exists(labels))
        throw Failure(ErrorCode::NotFound, data.string() + ": there is no file of labels beside it",
                      "name it with --labels; the official one is valid-labels.lst");
    std::vector<int> result;
    forEachLine(readText(labels), [&](std::string_view line, int number) {
        const std::string label = stripped(line);
        if (label != "0" && label != "1")
            corrupt(labels.string() + ", line " + std::to_string(number), "expected 0 or 1, found " + label,
                    "give the task's official file of labels");
        result.push_back(label == "1" ? 1 : 0);
        return true;
    });
    return result;
}

std::vector<Question> readJsonLines(TaskName name, const fs::path& file, const fs::path& labels, int limit)
{
    const std::vector<int> gold = name == TaskName::Piqa ? readLabels(file, labels) : std::vector<int>();
    std::vector<Question> questions;
    forEachLine(readText(file), [&](std::string_view line, int number) {
        const std::string where = file.string() + ", line " + std::to_string(number);
        const Json json = parseJson(line, where);
        const JsonObject object(json, where);
        switch (name) {
        case TaskName::ArcEasy: questions.push_back(arcEasy(object)); break;
        case TaskName::Lambada: questions.push_back(lambada(object)); break;
        case TaskName::Winogrande: questions.push_back(winogrande(object)); break;
        case TaskName::Hellaswag: questions.push_back(hellaswag(object)); break;
        default:
            if (questions.size() >= gold.size())
                corrupt(where, "the file of labels has " + std::to_string(gold.size()) + " lines only",
                        "give the labels that belong to the data");
            questions.push_back(piqa(object, gold[questions.size()]));
        }
        return limit == 0 || static_cast<int>(questions.size()) < limit;
    });
    return questions;
}

std::vector<Question> readMmlu(const fs::path& file, int limit)
{
    std::vector<Question> questions;
    for (const std::vector<std::string>& fields : parseCsv(readText(file))) {
        if (limit > 0 && static_cast<int>(questions.size()) >= limit) break;
        const std::string where = file.string() + ", record " + std::to_string(questions.size() + 1);
        if (fields.size() != 6)
            corrupt(where,
                    "it has " + std::to_string(fields.size()) +
                        " fields; expected a question, four choices and "
                        "a letter",
                    "give the task's official file");
        const std::string& letter = fields[5];
        if (letter.size() != 1 || letter[0] < 'A' || letter[0] > 'D')
            corrupt(where, "the answer is \"" + letter + "\"; expected A, B, C or D", "give the task's official file");
        std::string context = stripped(fields[0]) + "\n";
        for (int i = 0; i < 4; ++i)
            context += std::string(1, static_cast<char>('A' + i)) + ". " + fields[static_cast<std::size_t>(i) + 1] +
                       "\n";
        questions.push_back(sameContext(context + "Answer:", {"A", "B", "C", "D"}, letter[0] - 'A'));
    }
    return questions;
}

} // namespace

std::string Question::answered() const
{
    const auto right = static_cast<std::size_t>(item.gold);
    return item.contexts[right] + item.continuations[right];
}

std::string cleanHellaswag(std::string text)
{
    text = stripped(text);
    replaceAll(text, " [title]", ". ");
    for (std::size_t open = text.find('['); open != std::string::npos; open = text.find('[', open)) {
        const auto close = text.find_first_of("]\n", open);
        if (close == std::string::npos || text[close] == '\n') ++open; // not closed on this line: no remark
        else text.erase(open, close - open + 1);
    }
    replaceAll(text, "  ", " ");
    return text;
}

std::string mmluSubject(const fs::path& file)
{
    std::string name = file.stem().string();
    for (const std::string_view end : {"_test", "_val", "_dev"})
        if (name.ends_with(end)) name.resize(name.size() - end.size());
    std::replace(name.begin(), name.end(), '_', ' ');
    return name;
}

std::vector<std::vector<std::string>> parseCsv(std::string_view text)
{
    std::vector<std::vector<std::string>> records;
    std::vector<std::string> fields(1);
    bool quoted = false;
    const auto endRecord = [&] {
        if (fields.size() > 1 || !fields[0].empty()) records.push_back(fields);
        fields.assign(1, {});
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') fields.back() += text[++i];
        else if (quoted) {
            if (c == '"') quoted = false;
            else fields.back() += c;
        } else if (c == '"') quoted = true;
        else if (c == ',') fields.emplace_back();
        else if (c == '\n') endRecord();
        else if (c != '\r') fields.back() += c;
    }
    endRecord();
    return records;
}

std::vector<Question> readQuestions(TaskName name, const fs::path& file, const fs::path& labels, int limit)
{
    return name == TaskName::Mmlu ? readMmlu(file, limit) : readJsonLines(name, file, labels, limit);
}

} // namespace flextron
