// Reading JSON from files that nobody vouches for: every field typed, range-checked, and named in the message. Not a
// public header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace flextron {

using Json = nlohmann::json;

/// Throws Failure(Corrupt) naming `file` and the place: broken syntax, invalid UTF-8, the same key twice in an object,
/// nesting deeper than 64.
Json parseJson(std::string_view text, const std::filesystem::path& file);

/// A value for a message: its JSON on one line, cut short.
std::string describe(const Json& value);

/// An object of a parsed file. Its functions throw Failure(Corrupt) with messages such as
/// `config.json: "hidden_size" must be a whole number from 1 to 1048576, found "abc"`. Does not own the JSON.
class JsonObject {
public:
    /// `where`: the file's name. `path`: of the object inside the file, "" for the outermost one, else
    /// "rope_parameters".
    JsonObject(const Json& json, std::string where, std::string path = {});

    [[nodiscard]] bool contains(const std::string& key) const;    ///< there, be it null
    [[nodiscard]] bool has(const std::string& key) const;         ///< there, and not null
    [[nodiscard]] const Json* find(const std::string& key) const; ///< null pointer when absent or null
    [[nodiscard]] const Json& at(const std::string& key) const;   ///< throws when absent or null

    [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t min, std::int64_t max) const;
    [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t min, std::int64_t max,
                                       std::int64_t fallback) const;
    /// Finite, min <= value <= max.
    [[nodiscard]] double number(const std::string& key, double min, double max) const;
    [[nodiscard]] double number(const std::string& key, double min, double max, double fallback) const;
    [[nodiscard]] bool boolean(const std::string& key) const;
    [[nodiscard]] bool boolean(const std::string& key, bool fallback) const;
    [[nodiscard]] std::string text(const std::string& key) const;
    [[nodiscard]] std::string text(const std::string& key, const std::string& fallback) const;
    [[nodiscard]] JsonObject object(const std::string& key) const;
    /// The array's elements; throws when it is not an array or has more than `max_size`.
    [[nodiscard]] const std::vector<Json>& array(const std::string& key, std::size_t max_size) const;
    [[nodiscard]] std::vector<std::int64_t> integers(const std::string& key, std::int64_t min, std::int64_t max,
                                                     std::size_t max_size) const;
    [[nodiscard]] std::vector<double> numbers(const std::string& key, double min, double max,
                                              std::size_t max_size) const;

    /// An array's element as an object, its path "layers[3]".
    [[nodiscard]] JsonObject element(const std::string& key, std::size_t index) const;
    /// Throws for a key that is not in the list.
    void allowOnly(std::initializer_list<std::string_view> keys) const;

    /// Throws Failure(Corrupt): FILE: "key" must be WHAT, found VALUE.
    [[noreturn]] void mustBe(const std::string& key, const std::string& what) const;
    [[nodiscard]] const std::string& where() const { return where_; }
    /// "rope_parameters.factor" with the quotes.
    [[nodiscard]] std::string quoted(const std::string& key) const;

private:
    const Json* json_;
    std::string where_;
    std::string path_;
};

} // namespace flextron
