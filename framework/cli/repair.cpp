#include "results/repair.h"

#include <fmt/format.h>

#include <bitwright/results/run_file.h>

#include "cli/commands.h"

namespace bitwright {

int repair(const std::string& run) {
  const std::string path = run_file_of(run);
  const auto status = results::repair_run(run);
  fmt::print("{}: {}\n", path,
             status
                 ? fmt::format("repaired; it opens plainly, its status is '{}'", name_of(*status))
                 : "nothing to repair");
  return 0;
}

}  // namespace bitwright
