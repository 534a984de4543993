#include <cmath>
#include <set>

#include "engine/base/json_p.h"

namespace flextron {

namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxDescription = 60;
constexpr const char* kHint = "the file is damaged or was edited by hand: restore it from where it came from";

/// Follows the parser to refuse what it would let pass: the same key twice, and towers of brackets.
class Watcher {
public:
    explicit Watcher(const std::filesystem::path& file) : file_(file) {}

    bool operator()(int depth, Json::parse_event_t event, const Json& parsed)
    {
        if (depth > kMaxDepth)
            throw Failure(ErrorCode::Corrupt,
                          file_.string() + ": nested deeper than " + std::to_string(kMaxDepth) + " levels", kHint);
        if (event == Json::parse_event_t::object_start) keys_.emplace_back();
        if (event == Json::parse_event_t::object_end) keys_.pop_back();
        if (event == Json::parse_event_t::key && !keys_.back().insert(parsed.get_ref<const std::string&>()).second)
            throw Failure(ErrorCode::Corrupt,
                          file_.string() + ": the key " + describe(parsed) + " stands twice in one object", kHint);
        return true;
    }

private:
    const std::filesystem::path& file_;
    std::vector<std::set<std::string>> keys_; ///< of the objects that are open
};

std::string plain(double value)
{
    return Json(value).dump();
}

} // namespace

Json parseJson(std::string_view text, const std::filesystem::path& file)
{
    try {
        Watcher watcher(file);
        return Json::parse(text.begin(), text.end(), std::ref(watcher));
    } catch (const Json::exception& exception) {
        // "[json.exception.parse_error.101] parse error at line 3, column 5: ...": without the library's own prefix. It
        // may quote bytes of the file that are no UTF-8.
        std::string reason = exception.what();
        if (const auto prefix_end = reason.find("] "); prefix_end != std::string::npos) reason.erase(0, prefix_end + 2);
        for (char& c : reason)
            if (static_cast<unsigned char>(c) >= 0x80) c = '?';
        throw Failure(ErrorCode::Corrupt, file.string() + ": not valid JSON: " + reason, kHint);
    }
}

std::string describe(const Json& value)
{
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > kMaxDescription) text = text.substr(0, kMaxDescription) + "...";
    return text;
}

JsonObject::JsonObject(const Json& json, std::string where, std::string path)
    : json_(&json)
    , where_(std::move(where))
    , path_(std::move(path))
{
    if (!json.is_object())
        throw Failure(ErrorCode::Corrupt,
                      where_ + ": " + (path_.empty() ? "the file" : "\"" + path_ + "\"") +
                          " must hold an object {...}, found " + describe(json),
                      kHint);
}

const Json* JsonObject::find(const std::string& key) const
{
    const auto found = json_->find(key);
    return found == json_->end() || found->is_null() ? nullptr : &*found;
}

bool JsonObject::contains(const std::string& key) const
{
    return json_->contains(key);
}

bool JsonObject::has(const std::string& key) const
{
    return find(key) != nullptr;
}

const Json& JsonObject::at(const std::string& key) const
{
    const Json* value = find(key);
    if (value == nullptr) throw Failure(ErrorCode::Corrupt, where_ + ": " + quoted(key) + " is missing", kHint);
    return *value;
}

std::string JsonObject::quoted(const std::string& key) const
{
    // The key may come from the file itself: escaped like any other text in it.
    return describe(path_.empty() ? key : path_ + "." + key);
}

void JsonObject::mustBe(const std::string& key, const std::string& what) const
{
    throw Failure(ErrorCode::Corrupt, where_ + ": " + quoted(key) + " must be " + what + ", found " + describe(at(key)),
                  kHint);
}

std::int64_t JsonObject::integer(const std::string& key, std::int64_t min, std::int64_t max) const
{
    const Json& value = at(key);
    const bool fits = value.is_number_unsigned()
                          ? max >= 0 && value.get<std::uint64_t>() <= static_cast<std::uint64_t>(max) &&
                                (min < 0 || value.get<std::uint64_t>() >= static_cast<std::uint64_t>(min))
                          : value.is_number_integer() && value.get<std::int64_t>() >= min &&
                                value.get<std::int64_t>() <= max;
    if (!fits) mustBe(key, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return value.get<std::int64_t>();
}

std::int64_t JsonObject::integer(const std::string& key, std::int64_t min, std::int64_t max,
                                 std::int64_t fallback) const
{
    return has(key) ? integer(key, min, max) : fallback;
}

double JsonObject::number(const std::string& key, double min, double max) const
{
    const Json& value = at(key);
    const double parsed = value.is_number() ? value.get<double>() : NAN;
    if (!(parsed >= min && parsed <= max)) mustBe(key, "a number from " + plain(min) + " to " + plain(max));
    return parsed;
}

double JsonObject::number(const std::string& key, double min, double max, double fallback) const
{
    return has(key) ? number(key, min, max) : fallback;
}

bool JsonObject::boolean(const std::string& key) const
{
    if (!at(key).is_boolean()) mustBe(key, "true or false");
    return at(key).get<bool>();
}

bool JsonObject::boolean(const std::string& key, bool fallback) const
{
    return has(key) ? boolean(key) : fallback;
}

std::string JsonObject::text(const std::string& key) const
{
    if (!at(key).is_string()) mustBe(key, "a text");
    return at(key).get<std::string>();
}

std::string JsonObject::text(const std::string& key, const std::string& fallback) const
{
    return has(key) ? text(key) : fallback;
}

JsonObject JsonObject::object(const std::string& key) const
{
    return {at(key), where_, path_.empty() ? key : path_ + "." + key};
}

const std::vector<Json>& JsonObject::array(const std::string& key, std::size_t max_size) const
{
    const Json& value = at(key);
    if (!value.is_array() || value.size() > max_size)
        mustBe(key, "a list of at most " + std::to_string(max_size) + " entries");
    return value.get_ref<const std::vector<Json>&>();
}

std::vector<std::int64_t> JsonObject::integers(const std::string& key, std::int64_t min, std::int64_t max,
                                               std::size_t max_size) const
{
    std::vector<std::int64_t> values;
    for (const Json& entry : array(key, max_size)) {
        if (!entry.is_number_integer() ||
            (entry.is_number_unsigned() && entry.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) ||
            entry.get<std::int64_t>() < min || entry.get<std::int64_t>() > max)
            mustBe(key, "a list of whole numbers from " + std::to_string(min) + " to " + std::to_string(max));
        values.push_back(entry.get<std::int64_t>());
    }
    return values;
}

std::vector<double> JsonObject::numbers(const std::string& key, double min, double max, std::size_t max_size) const
{
    std::vector<double> values;
    for (const Json& entry : array(key, max_size)) {
        values.push_back(entry.is_number() ? entry.get<double>() : NAN);
        if (!(values.back() >= min && values.back() <= max))
            mustBe(key, "a list of numbers from " + plain(min) + " to " + plain(max));
    }
    return values;
}

JsonObject JsonObject::element(const std::string& key, std::size_t index) const
{
    return {at(key).at(index), where_, (path_.empty() ? key : path_ + "." + key) + "[" + std::to_string(index) + "]"};
}

void JsonObject::allowOnly(std::initializer_list<std::string_view> keys) const
{
    for (const auto& [key, value] : json_->items()) {
        bool known = false;
        for (const std::string_view allowed : keys) known = known || key == allowed;
        if (!known)
            throw Failure(ErrorCode::Corrupt, where_ + ": " + quoted(key) + " is not a key that this format knows",
                          kHint);
    }
}

} // namespace flextron
