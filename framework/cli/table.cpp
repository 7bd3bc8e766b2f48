#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/table_cells.h"

namespace bitwright {

int table(const Registries& registries, const TableArguments& a) {
  const LoadedTable loaded = load_table(registries, a.file, a.out);
  if (a.keep)
    for (const std::string& path : keep_records(loaded, a.file)) fmt::print(stderr, "{}\n", path);
  const results::PaperTable filled =
      fill_table(loaded, a.records_only ? Sources::records : Sources::runs_and_records);
  fmt::print("{}", a.format == "csv"    ? results::as_csv(filled)
                   : a.format == "tex"  ? results::as_latex(filled)
                   : a.format == "html" ? results::as_html(filled)
                                        : results::as_markdown(filled));
  return 0;
}

}  // namespace bitwright
