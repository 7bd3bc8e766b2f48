#include <fmt/format.h>

#include "cli/commands.h"
#include "results/series_csv.h"

namespace bitwright {

int export_metrics(const std::string& run, const std::string& table) {
  const auto reader = RunReader::open(run_file_of(run));
  fmt::print("{}", table.empty() ? results::series_as_csv(*reader)
                                 : results::table_as_csv(*reader, table));
  return 0;
}

}  // namespace bitwright
