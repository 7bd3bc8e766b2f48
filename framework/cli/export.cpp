#include "experiment/export.h"

#include <fmt/format.h>

#include "cli/commands.h"

namespace bitwright {

int export_command(const Registries& registries, const std::string& run, const std::string& file) {
  const Exported done = export_network(registries, run, file);
  const auto parameters = static_cast<double>(done.parameters);
  fmt::print(
      "{}: {} bytes of the deployed network ({:.4g} bits per parameter) in a file of {} bytes\n",
      file, done.payload_bytes, 8 * static_cast<double>(done.payload_bytes) / parameters,
      done.file_bytes);
  return 0;
}

}  // namespace bitwright
