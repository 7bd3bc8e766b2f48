#include "experiment/table_cells.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include <bitwright/core/error.h>

#include "experiment/check_table.h"
#include "experiment/load_experiment.h"
#include "experiment/run_directory.h"
#include "experiment/run_plan.h"
#include "experiment/runner.h"
#include "experiment/schema.h"
#include "experiment/table_options.h"
#include "results/logged_value.h"

namespace fs = std::filesystem;

namespace bitwright {
namespace {

double shown(const std::string& how, double value) {
  return how == "percent" ? 100 * value : how == "error" ? 100 * (1 - value) : value;
}

std::optional<double> either(const Settings& cell, const Settings& table, const char* name) {
  if (cell.has(name)) return cell.real(name);
  if (table.has(name)) return table.real(name);
  return {};
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw storage_error(path.string(), "cannot be read");
  return text;
}

struct KeptRecord {
  RunRecord record;
  std::string file;
};

std::vector<KeptRecord> read_records(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code none;
  if (!folder.empty())
    for (const auto& entry : fs::directory_iterator(folder, none))
      if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  std::vector<KeptRecord> all;
  for (const std::string& file : files) all.push_back({read_record(read_file(file), file), file});
  return all;
}

// What is known of one run, from its directory or from a record that fits.
struct Found {
  std::optional<RunRecord> record;
  std::string source, problem;
};

Found find_run(const TableRun& run, const std::vector<KeptRecord>& kept, Sources sources) {
  Found found;
  if (auto record =
          sources == Sources::records ? std::nullopt : record_of_run(run.directory, run.logged)) {
    const auto keys = conflicts(*record, run.config);
    if (keys.empty()) {
      found.record = std::move(record);
      found.source = RunDirectory(run.directory).run_file();
      return found;
    }
    found.problem =
        fmt::format("{} was run with other settings: {}", run.directory,
                    fmt::join(keys.begin(),
                              keys.begin() + std::min<std::ptrdiff_t>(3, std::ssize(keys)), ", "));
  }
  for (const KeptRecord& k : kept)
    if (k.record.seed == run.seed && k.record.config.contains("experiment") &&
        conflicts(k.record, run.config).empty()) {
      found.record = k.record;
      found.source = k.file;
      found.problem.clear();
      return found;
    }
  return found;
}

std::string selection_text(const Settings& table) {
  std::string text;
  std::set<std::string> said;
  for (const Settings& cell : table.sections("cells"))
    for (const ResultSlot& slot : RunPlan::results())
      if (slot.name == cell.text("metric") && said.insert(slot.name).second)
        text += fmt::format("{}{}: {}.", text.empty() ? "" : " ", slot.name, slot.description);
  return text;
}

// A page beside the table file can then link to its records.
std::string seen_from(const std::string& folder, const std::string& path) {
  const std::string relative = fs::path(path).lexically_proximate(folder).string();
  return folder.empty() || relative.starts_with("..") ? path : relative;
}

results::TableCell empty_cell(const Settings& cell, const Settings& table) {
  results::TableCell c;
  c.name = cell.text("name");
  c.row = cell.text("row");
  c.column = cell.text("column");
  c.metric = cell.text("metric");
  c.unit = shown_as(cell, table) == "value" ? "" : "%";
  c.digits = static_cast<int>((cell.has("digits") ? cell : table).integer("digits"));
  c.paper_text = cell.text("value");
  c.paper = paper_value(cell);
  c.tolerance = either(cell, table, "tolerance");
  return c;
}

// The cell that says what is run for cell i.
std::size_t runs_of(const std::vector<Settings>& cells, std::size_t i) {
  while (cells[i].has("of"))
    i = static_cast<std::size_t>(
        std::ranges::find(cells, cells[i].text("of"),
                          [](const Settings& cell) { return cell.text("name"); }) -
        cells.begin());
  return i;
}

std::vector<std::int64_t> seeds_of(const Settings& cell) {
  const auto& seeds = cell.integers("seeds");
  return seeds.empty() ? std::vector<std::int64_t>{1} : seeds;
}

// Several cells may show one run: its record holds what all of them show.
void share_metrics(std::vector<TableRun>& runs, const std::vector<Settings>& cells) {
  std::map<std::string, std::set<std::string>> logged;  // by directory
  for (const TableRun& run : runs)
    if (const std::string& metric = cells[run.cell].text("metric"); results::is_logged(metric))
      logged[run.directory].insert(metric);
  for (TableRun& run : runs) run.logged = logged[run.directory];
}

}  // namespace

std::vector<std::string> TableRun::words() const {
  std::vector<std::string> all = set;
  if (out != "runs") all.insert(all.begin(), {"--out", out});
  return all;
}

std::string TableRun::command() const {
  std::string text = "bitwright run " + file;
  for (const std::string& word : words())
    text += word.find_first_of(" {}[]*?'\"$&;|<>()") == std::string::npos ? " " + word
                                                                          : " '" + word + "'";
  return text + " seed=N";
}

LoadedTable load_table(const Registries& registries, const std::string& file,
                       const std::vector<std::string>& changes, const std::string& out) {
  LoadedTable table{load_config(file, {}, table_options(), registries), "", "", {}};
  check_table(table.settings);
  const fs::path here = fs::path(file).parent_path();
  table.folder = here.string();
  if (const std::string& records = table.settings.text("records"); !records.empty())
    table.records = (here / records).lexically_normal().string();
  const auto& cells = table.settings.sections("cells");
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t own = runs_of(cells, i);
    for (const std::int64_t seed : seeds_of(cells[own])) {
      TableRun run;
      run.cell = i;
      run.settings = own;
      run.seed = seed;
      run.file = (here / cells[own].text("experiment")).lexically_normal().string();
      run.set = cells[own].texts("set");
      run.out = run.set.empty() ? out : out + "/" + cells[own].text("name");
      run.set.insert(run.set.end(), changes.begin(), changes.end());
      std::vector<std::string> overrides = run.set;
      overrides.push_back(fmt::format("seed={}", seed));
      const LoadedExperiment loaded =
          load_experiment(registries, read_config(run.file, overrides), "");
      run.directory = run_path(run.out, loaded.config);
      run.config_text = emit_config(loaded.config, experiment_options(), registries);
      run.config = deciding_values(run.config_text);
      table.runs.push_back(std::move(run));
    }
  }
  share_metrics(table.runs, cells);
  return table;
}

results::PaperTable fill_table(const LoadedTable& loaded, Sources sources) {
  const Settings& table = loaded.settings;
  results::PaperTable filled;
  filled.number = table.text("table");
  filled.paper = table.text("paper");
  filled.description = table.text("description");
  filled.selection = selection_text(table);
  const auto& cells = table.sections("cells");
  for (const Settings& cell : cells) filled.cells.push_back(empty_cell(cell, table));
  const auto kept = read_records(loaded.records);
  for (const TableRun& run : loaded.runs) {
    results::TableCell& cell = filled.cells[run.cell];
    cell.command = run.command();
    const Found found = find_run(run, kept, sources);
    if (!found.problem.empty()) cell.problems.push_back(found.problem);
    const auto value = found.record ? found.record->results.find(cell.metric)
                                    : std::map<std::string, double>::const_iterator{};
    if (found.record && value == found.record->results.end())
      cell.problems.push_back(fmt::format("{} does not hold {}", found.source, cell.metric));
    if (!found.record || value == found.record->results.end() || std::isnan(value->second)) {
      cell.missing.push_back(run.seed);
      continue;
    }
    cell.runs.push_back({run.seed, shown(shown_as(cells[run.cell], table), value->second),
                         seen_from(loaded.folder, found.source), found.record->revision()});
    cell.config_hash = found.record->config_hash();
    if (const auto whole = either(cells[run.cell], table, "paper_images"))
      cell.budget = found.record->images / *whole;
  }
  for (const Settings& pair : table.sections("compare")) {
    const auto named = [&](const char* which) -> const results::TableCell& {
      return *std::ranges::find(filled.cells, pair.text(which), &results::TableCell::name);
    };
    filled.comparisons.push_back(results::compare(named("first"), named("second")));
  }
  return filled;
}

std::vector<TableRun> missing_runs(const LoadedTable& table) {
  const auto kept = read_records(table.records);
  std::vector<TableRun> missing;
  std::set<std::string> seen;
  for (const TableRun& run : table.runs)
    if (seen.insert(run.directory).second && !find_run(run, kept, Sources::runs_and_records).record)
      missing.push_back(run);
  return missing;
}

std::vector<std::string> keep_records(const LoadedTable& table, const std::string& file) {
  if (table.records.empty())
    throw config_error(Place{file}, "the table has no folder for records", "records: FOLDER",
                       "add the key");
  std::error_code failed;
  fs::create_directories(table.records, failed);
  if (failed) throw storage_error(table.records, "cannot be made: " + failed.message());
  std::vector<std::string> written;
  for (const TableRun& run : table.runs) {
    const auto record = record_of_run(run.directory, run.logged);
    if (!record || !conflicts(*record, run.config).empty()) continue;
    const Settings& settings = table.settings.sections("cells")[run.settings];
    const std::string& cell = settings.text("name");
    const bool own_folder = !settings.texts("set").empty();
    const std::string path = fmt::format("{}/{}-seed-{}.json", table.records,
                                         own_folder ? cell : record->experiment, run.seed);
    if (std::ranges::count(written, path) > 0) continue;  // several cells may share a run
    std::ofstream out(path, std::ios::binary);
    out << record_text(*record);
    if (!out.flush()) throw storage_error(path, "cannot be written");
    written.push_back(path);
  }
  return written;
}

}  // namespace bitwright
