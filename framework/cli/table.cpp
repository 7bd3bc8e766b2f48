#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/sweep_run.h"
#include "experiment/table_cells.h"

namespace bitwright {
namespace {

// 0, or the exit status of the first run that failed; the others have run all the same.
int run_missing(const LoadedTable& table, int at_once) {
  SweepRequest request;
  request.words = {"--resume"};
  request.existing = RunRequest::Existing::resume;
  request.at_once = at_once;
  request.results = false;
  std::vector<SweepJob> jobs;
  for (const TableRun& run : missing_runs(table)) {
    const std::string& cell = table.settings.sections("cells")[run.cell].text("name");
    SweepJob job{
        run.file,        "",         fmt::format("{}/seed-{}", cell, run.seed), run.directory,
        run.config_text, run.words()};
    job.words.push_back(fmt::format("seed={}", run.seed));
    jobs.push_back(std::move(job));
  }
  return jobs.empty() ? 0 : run_sweep(jobs, request);
}

}  // namespace

int table(const Registries& registries, const TableArguments& a) {
  const Words words = split_words(a.words);
  if (words.files.size() != 1)
    throw config_error(Place{"command line"}, fmt::format("{} table files", words.files.size()),
                       "one", "one after the other");
  const std::string& file = words.files.front();
  const LoadedTable loaded = load_table(registries, file, words.overrides, a.out);
  const int status = a.run ? run_missing(loaded, a.at_once) : 0;
  if (a.keep)
    for (const std::string& path : keep_records(loaded, file)) fmt::print(stderr, "{}\n", path);
  const results::PaperTable filled =
      fill_table(loaded, a.records_only ? Sources::records : Sources::runs_and_records);
  fmt::print("{}", a.format == "csv"    ? results::as_csv(filled)
                   : a.format == "tex"  ? results::as_latex(filled)
                   : a.format == "html" ? results::as_html(filled)
                                        : results::as_markdown(filled));
  return status;
}

}  // namespace bitwright
