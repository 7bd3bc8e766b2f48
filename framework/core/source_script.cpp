#include "core/source_script.h"

#include <filesystem>

#include <fmt/format.h>

#include <bitwright/core/error.h>

namespace bitwright {

namespace fs = std::filesystem;

std::string source_script(const std::string& name) {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  for (fs::path folder = program.parent_path(); folder.has_relative_path();
       folder = folder.parent_path())
    if (const fs::path script = folder / "scripts" / name; fs::exists(script, failed))
      return script.string();
  throw config_error(Place{program.string()}, fmt::format("scripts/{} is not found", name),
                     "the script in a folder above the program",
                     "run the program where it was built");
}

}  // namespace bitwright
