#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/options.h"

namespace flextron::cli {

namespace {

struct Options {
    std::string model;
    std::string text;
    std::vector<TokenId> ids;
    std::string ids_file;
    bool decode = false;
    bool no_bos = false;
    bool plain = false;
    bool write_special = false;
    bool json = false;
};

std::vector<TokenId> idsOf(const Options& options, const Tokenizer& tokenizer)
{
    if (int(!options.text.empty()) + int(!options.ids.empty()) + int(!options.ids_file.empty()) != 1)
        throw UsageError("exactly one text is needed", "give --text FILE, --ids 1,2,3 or --ids-file FILE");
    if (!options.text.empty())
        return encodeNamed(tokenizer, readTextFile(options.text), options.text,
                           {.add_bos = !options.no_bos, .parse_special = !options.plain});
    auto ids = options.ids.empty() ? readIdsFile(options.ids_file) : options.ids;
    for (const TokenId id : ids)
        if (id < 0 || id >= tokenizer.vocabSize())
            throw Failure(ErrorCode::InvalidArgument,
                          "token id " + std::to_string(id) + " is outside the vocabulary of " +
                              std::to_string(tokenizer.vocabSize()),
                          "ids go from 0 to " + std::to_string(tokenizer.vocabSize() - 1));
    return ids;
}

int run(Console& console, const Options& options)
{
    const auto tokenizer = openTokenizer(findModel(options.model).orThrow()).orThrow();
    const auto ids = idsOf(options, *tokenizer);
    if (options.json) {
        Json pieces = Json::array();
        for (const TokenId id : ids) pieces.push_back(tokenizer->piece(id));
        Json document = {{"ids", ids}, {"pieces", pieces}};
        if (options.decode)
            document["text"] = tokenizer->decode(ids, {.write_special = options.write_special}).orThrow();
        console.printJson(document);
    } else if (options.decode) {
        console.print(tokenizer->decode(ids, {.write_special = options.write_special}).orThrow() + "\n");
    } else {
        std::string text;
        for (const TokenId id : ids) text += std::to_string(id) + "\t" + tokenizer->piece(id) + "\n";
        console.print(text);
    }
    return kDone;
}

} // namespace

Run declareTokenize(CLI::App& command)
{
    auto options = std::make_shared<Options>();
    addModel(command, options->model);
    command.add_option("--text", options->text, "the text, - for standard input")->type_name("FILE");
    command.add_option("--ids", options->ids, "token ids, apart by commas")->delimiter(',')->type_name("1,2,3");
    command.add_option("--ids-file", options->ids_file, "a file of token ids")->type_name("FILE");
    command.add_flag("--decode", options->decode, "the ids' text instead of ids and pieces");
    command.add_flag("--no-bos", options->no_bos, "without the beginning-of-text token");
    command.add_flag("--plain", options->plain, "special tokens written out in the text stay text");
    command.add_flag("--write-special", options->write_special, "with --decode: special tokens as they are written");
    addJsonFlag(command, options->json);
    command.footer("Examples:\n  echo \"Once upon a time\" | flextron tokenize MODEL --text -\n  flextron tokenize "
                   "MODEL --ids 1,403,407 --decode");
    return [options](Console& console) { return run(console, *options); };
}

} // namespace flextron::cli
