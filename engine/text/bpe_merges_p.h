// Byte pair encoding of one word: the pair of neighbours with the lowest rank is merged, the leftmost first, until none
// is left (Sennrich et al. 2016).
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "engine/text/tokenizer.h"

namespace flextron {

class BpeMerges {
public:
    /// Merges of lower rank come first. A pair that is added twice keeps the later rank.
    void add(TokenId left, TokenId right, TokenId merged, int rank);

    /// Appends to `out` what is left of the tokens `word` when everything is merged: O(n log n).
    void merge(const std::vector<TokenId>& word, std::vector<TokenId>& out) const;

private:
    struct Merge {
        int rank;
        TokenId merged;
    };
    [[nodiscard]] const Merge* find(TokenId left, TokenId right) const;

    std::unordered_map<std::uint64_t, Merge> merges_; // by both ids
};

} // namespace flextron
