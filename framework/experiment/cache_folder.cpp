#include "experiment/cache_folder.h"

#include <cstdlib>
#include <utility>

namespace bitwright {

std::string user_cache_folder() {
  for (const auto& [variable, below] : {std::pair{"XDG_CACHE_HOME", ""}, {"HOME", "/.cache"}})
    if (const char* value = std::getenv(variable); value != nullptr && *value != '\0')
      return std::string(value) + below + "/bitwright";
  return ".cache/bitwright";
}

}  // namespace bitwright
