// The page's own text, from the files in page/. Not a public header.
#pragma once

#include <string_view>

namespace flextron::page {

extern const std::string_view kStyle;
extern const std::string_view kBody;
extern const std::string_view kScript;

} // namespace flextron::page
