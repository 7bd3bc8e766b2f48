#pragma once

#include <string>

namespace bitwright {

/// The user's folder for what can be made again: bitwright in $XDG_CACHE_HOME, else in ~/.cache,
/// else in .cache here.
std::string user_cache_folder();

}  // namespace bitwright
