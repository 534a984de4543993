#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/options.h"

namespace flextron::cli {

namespace {

std::string padded(std::string text, std::size_t width)
{
    text.resize(std::max(text.size() + 2, width), ' ');
    return text;
}

int listAll(Console& console, bool json)
{
    Json document = Json::array();
    std::string table;
    for (const auto& entry : listModels()) {
        Json row = {{"name", entry.name}, {"path", entry.folder.string()}, {"bundled", entry.bundled}};
        // Opening maps the files and reads no weight. One that cannot be opened is still listed, with the reason.
        const auto checkpoint = Checkpoint::open(entry.folder);
        std::string what;
        if (checkpoint.ok()) {
            const auto& config = (*checkpoint)->config();
            const auto parameters = (*checkpoint)->parameters();
            row["family"] = familyName(config.family);
            row["parameters"] = parameters;
            row["elastic"] = (*checkpoint)->elastic();
            what = padded(std::string(familyName(config.family)), 9) + padded(countText(double(parameters)), 9) +
                   ((*checkpoint)->elastic() ? "elastic  " : "         ");
        } else {
            row["family"] = nullptr;
            row["parameters"] = nullptr;
            row["problem"] = checkpoint.error().message;
            what = "cannot be opened: " + checkpoint.error().message + "  ";
        }
        table += padded(entry.name + (entry.bundled ? " (bundled)" : ""), 32) + what + entry.folder.string() + "\n";
        document.push_back(row);
    }
    if (json) console.printJson(document);
    else console.print(table);
    return kDone;
}

} // namespace

Run declareModels(CLI::App& command)
{
    auto json = std::make_shared<bool>(false);
    addJsonFlag(command, *json);
    command.footer("Example:\n  flextron models");
    return [json](Console& console) { return listAll(console, *json); };
}

} // namespace flextron::cli
