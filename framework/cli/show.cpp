#include <fmt/format.h>

#include "cli/commands.h"
#include "results/show_run.h"

namespace bitwright {

int show(const std::string& run, bool json) {
  const std::string path = run_file_of(run);
  const auto reader = RunReader::open(path);
  fmt::print("{}",
             json ? results::run_as_json(path, *reader) : results::run_as_text(path, *reader));
  return 0;
}

}  // namespace bitwright
