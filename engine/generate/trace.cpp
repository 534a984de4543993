#include "engine/generate/trace.h"

namespace flextron {

std::vector<TokenId> Trace::ids() const
{
    std::vector<TokenId> result;
    result.reserve(records.size());
    for (const TokenRecord& record : records) result.push_back(record.id);
    return result;
}

} // namespace flextron
