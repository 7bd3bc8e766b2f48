#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "experiment/export.h"

namespace bitwright {

int evaluate_command(const Registries& registries, const std::string& path, bool json) {
  const TestedNetwork tested = evaluate_network(registries, path);
  if (json) {
    const nlohmann::ordered_json object = {
        {"file", path}, {tested.result, tested.accuracy}, {"recorded", tested.recorded}};
    fmt::print("{}\n", object.dump());
  } else {
    fmt::print("{} {} ({})\n", tested.result, tested.accuracy,
               tested.accuracy == tested.recorded
                   ? "as the run recorded"
                   : fmt::format("the run recorded {}", tested.recorded));
  }
  return 0;
}

}  // namespace bitwright
