#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/diff_runs.h"

namespace bitwright {

int diff(const std::string& first, const std::string& second, bool json) {
  const std::string a = run_file_of(first), b = run_file_of(second);
  const RunDifferences d = diff_runs(*RunReader::open(a), *RunReader::open(b));
  fmt::print("{}", json ? differences_json(d) : differences_text(d, a, b));
  return 0;
}

}  // namespace bitwright
