#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/json_schema.h"

namespace bitwright {

int schema(const Registries& registries) {
  fmt::print("{}\n", json_schema(registries));
  return 0;
}

}  // namespace bitwright
