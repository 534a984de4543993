#include "app/commands/pane_list.h"

#include <charconv>
#include <sstream>

#include "app/commands/console.h"

namespace flextron::cli {

namespace {

const char* const kPaneHint = "write full, a budget such as 0.6, or \"mlp 352*8; heads 4*8\", each with :uniform, "
                              ":static or :dynamic behind it where wanted";

std::string trimmed(const std::string& text)
{
    const auto first = text.find_first_not_of(" \t");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool isSubNetwork(const std::string& item)
{
    return item.starts_with("mlp") || item.starts_with("heads");
}

} // namespace

std::vector<std::string> splitPanes(const std::string& list, const std::string& option)
{
    std::vector<std::string> items;
    std::istringstream stream(list);
    for (std::string part; std::getline(stream, part, ',');) {
        part = trimmed(part);
        if (part.empty()) throw UsageError(option + ": an empty part in \"" + list + "\"", kPaneHint);
        if (!items.empty() && isSubNetwork(items.back()) && !isSubNetwork(part) && part.find('*') != std::string::npos)
            items.back() += "," + part;
        else items.push_back(part);
    }
    if (items.empty()) throw UsageError(option + ": the list is empty", kPaneHint);
    return items;
}

Target paneTarget(const std::string& item, const ModelConfig& config, const std::string& option)
{
    Target target;
    std::string what = item;
    if (const auto colon = item.rfind(':'); colon != std::string::npos) {
        const auto routing = parseRouting(trimmed(item.substr(colon + 1)));
        if (!routing.ok()) throw UsageError(option + ": " + item + ": " + routing.error().message, kPaneHint);
        target.routing = *routing;
        what = trimmed(item.substr(0, colon));
    }
    if (what == "full") return target;
    if (isSubNetwork(what)) {
        auto subnet = parseSubNetwork(what, config);
        if (!subnet.ok()) throw UsageError(option + ": " + subnet.error().message, subnet.error().hint);
        target.kind = Target::Kind::Explicit;
        target.subnet = std::move(subnet).value();
        return target;
    }
    const auto [end, problem] = std::from_chars(what.data(), what.data() + what.size(), target.value);
    if (problem != std::errc() || end != what.data() + what.size() || !(target.value > 0) || target.value > 1)
        throw UsageError(option + ": expected full, a budget above 0 and at most 1, or a sub-network, found \"" + what +
                             "\"",
                         kPaneHint);
    target.kind = Target::Kind::Budget;
    return target;
}

} // namespace flextron::cli
