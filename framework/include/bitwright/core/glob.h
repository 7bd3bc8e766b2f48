#pragma once

#include <string_view>

namespace bitwright {

/// Whole-name match with shell wildcards: `*` stands for any run of characters, `?` for one.
bool glob_match(std::string_view pattern, std::string_view name);

}  // namespace bitwright
