// Choices forced by hand: "this token, in this layer, shall use that width".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/error.h"
#include "engine/model/config.h"

namespace flextron {

enum class SubBlock { Attention, Mlp };

/// One forced choice. kAll in `token` or `layer` means every one.
struct Override {
    static constexpr int kAll = -1;
    int token = kAll; ///< position in the text, the prompt's first token (BOS, where there is one) being 0
    int layer = kAll;
    SubBlock block = SubBlock::Mlp;
    int width = 0; ///< query heads or MLP neurons; 0 skips the sub-block
    bool operator==(const Override&) const = default;
};

/// An ordered list; where several match, the last one wins. Honoured by decode, prefill and scoring alike. Finding
/// takes the same time however long the list is: a whole text's widths can be forced.
class Overrides {
public:
    void add(Override entry);
    /// Precondition: index < entries().size().
    void removeAt(std::size_t index);
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    [[nodiscard]] const std::vector<Override>& entries() const { return entries_; }
    /// The forced width, if any.
    [[nodiscard]] std::optional<int> find(int token, int layer, SubBlock block) const;
    bool operator==(const Overrides&) const = default;

private:
    std::vector<Override> entries_;
    /// By sub-block: (token, layer), kAll among them, to the index of the last entry that names just these.
    std::array<std::unordered_map<std::uint64_t, std::size_t>, 2> last_;
};

/// Layers and widths must exist in the model, heads come in whole groups.
Result<void> validateOverrides(const Overrides& overrides, const ModelConfig& config);

/// JSON: [{"token": 5, "layer": 0, "block": "mlp", "width": 0}, ...]; "token" or "layer" left out or "all" means every
/// one.
Result<Overrides> parseOverrides(std::string_view json, const ModelConfig& config);
std::string toJson(const Overrides& overrides);

} // namespace flextron
