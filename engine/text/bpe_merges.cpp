#include "engine/text/bpe_merges_p.h"

#include <queue>
#include <tuple>

namespace flextron {
namespace {

std::uint64_t keyOf(TokenId left, TokenId right)
{
    return std::uint64_t(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

constexpr std::int32_t none = -1;

struct Symbol {
    TokenId id; // none once it was merged into its left neighbour
    std::int32_t previous, next;
};

struct Candidate {
    int rank;
    std::int32_t left; // place of the left symbol
    TokenId left_id, right_id, merged;

    bool operator<(const Candidate& other) const // the queue gives the greatest first
    {
        return std::tie(rank, left) > std::tie(other.rank, other.left);
    }
};

} // namespace

void BpeMerges::add(TokenId left, TokenId right, TokenId merged, int rank)
{
    merges_.insert_or_assign(keyOf(left, right), Merge{rank, merged});
}

const BpeMerges::Merge* BpeMerges::find(TokenId left, TokenId right) const
{
    const auto found = merges_.find(keyOf(left, right));
    return found == merges_.end() ? nullptr : &found->second;
}

void BpeMerges::merge(const std::vector<TokenId>& word, std::vector<TokenId>& out) const
{
    const auto size = static_cast<std::int32_t>(word.size());
    std::vector<Symbol> symbols;
    symbols.reserve(word.size());
    for (std::int32_t i = 0; i < size; ++i)
        symbols.push_back({word[static_cast<std::size_t>(i)], i - 1, i + 1 < size ? i + 1 : none});
    const auto at = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };

    std::priority_queue<Candidate> queue;
    const auto consider = [&](std::int32_t left, std::int32_t right) {
        if (left == none || right == none) return;
        if (const Merge* merge = find(at(left).id, at(right).id))
            queue.push({merge->rank, left, at(left).id, at(right).id, merge->merged});
    };
    for (std::int32_t i = 0; i + 1 < size; ++i) consider(i, i + 1);

    while (!queue.empty()) {
        const Candidate best = queue.top();
        queue.pop();
        Symbol& left = at(best.left);
        if (left.id != best.left_id || left.next == none || at(left.next).id != best.right_id) continue; // outdated
        Symbol& right = at(left.next);
        left.id = best.merged;
        left.next = right.next;
        right.id = none;
        if (left.next != none) at(left.next).previous = best.left;
        consider(left.previous, best.left);
        consider(best.left, left.next);
    }
    for (std::int32_t i = 0; i != none && i < size; i = at(i).next) out.push_back(at(i).id);
}

} // namespace flextron
