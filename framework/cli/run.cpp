#include <filesystem>
#include <initializer_list>
#include <map>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include <bitwright/core/sha256.h>

#include "cli/commands.h"
#include "experiment/dry_run.h"
#include "experiment/load_experiment.h"
#include "experiment/schema.h"
#include "experiment/signals.h"
#include "experiment/sweep_run.h"

namespace bitwright {

Words split_words(const std::vector<std::string>& words) {
  Words split;
  for (const std::string& word : words) {
    std::error_code longer_than_a_path;  // an override may be: then it is no file
    const bool file =
        word.find('=') == std::string::npos || std::filesystem::exists(word, longer_than_a_path);
    (file ? split.files : split.overrides).push_back(word);
  }
  if (split.files.empty())
    throw config_error(Place{"command line"}, "no experiment file is named", "FILE.yaml",
                       "for example experiments/quickstart.yaml");
  return split;
}

namespace {

// An experiment, or a cell of one, ready to be run.
struct Ready {
  SweepJob job;
  std::optional<Settings> config;  // of the first, and of all that are only tried
};

class Loader {
 public:
  Loader(const Registries& registries, const RunArguments& arguments)
      : registries_(registries), arguments_(arguments) {}

  // All are checked before the first one runs.
  std::vector<Ready> load(const Words& words) {
    for (const std::string& file : words.files) {
      names_.clear();
      load_cells(registries_, read_config(file, words.overrides), arguments_.profile,
                 [&](const SweepCell& cell, LoadedExperiment loaded) {
                   names_.push_back(cell.name);
                   if (arguments_.cell.empty() || cell.name == arguments_.cell)
                     add(file, cell, std::move(loaded));
                 });
      if (ready_.empty()) throw no_such_cell(file);
    }
    return std::move(ready_);
  }

 private:
  void add(const std::string& file, const SweepCell& cell, LoadedExperiment loaded) {
    for (const Finding& warning : loaded.warnings)
      if (arguments_.child_of == 0 && warned_.insert(warning.line()).second)
        fmt::print(stderr, "{}\n", warning.line());
    Ready one;
    const std::string& experiment = loaded.config.text("experiment");
    one.job = {file, cell.name, cell.name.empty() ? experiment : experiment + "/" + cell.name,
               run_path(arguments_.out, loaded.config),
               emit_config(loaded.config, experiment_options(), registries_)};
    if (ready_.empty() || arguments_.dry_run) one.config = std::move(loaded.config);
    ready_.push_back(std::move(one));
  }

  Error no_such_cell(const std::string& file) const {
    const std::string near = nearest_name(arguments_.cell, names_);
    return config_error(
        Place{"command line"}, fmt::format("{} has no cell '{}'", file, arguments_.cell),
        near.empty() ? "a cell of its sweep" : fmt::format("did you mean '{}'?", near),
        fmt::format("see bitwright check {}", file));
  }

  const Registries& registries_;
  const RunArguments& arguments_;
  std::vector<Ready> ready_;
  std::vector<std::string> names_;  // of the cells of one file
  std::set<std::string> warned_;
};

RunRequest::Existing existing(const RunArguments& arguments) {
  return arguments.resume      ? RunRequest::Existing::resume
         : arguments.overwrite ? RunRequest::Existing::overwrite
                               : RunRequest::Existing::refuse;
}

// As the person would have called it: without what only a sweep says to its children.
std::vector<std::string> told_by_people(const std::vector<std::string>& command_line) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < command_line.size(); ++i) {
    if (command_line[i] == "--expect" || command_line[i] == "--child-of")
      ++i;
    else
      words.push_back(command_line[i]);
  }
  return words;
}

int run_one(const Registries& registries, const RunArguments& arguments, Ready one) {
  if (const std::string& text = one.job.config_text;
      !arguments.expected_config.empty() &&
      arguments.expected_config != sha256(text.data(), text.size()))
    throw config_error(Place{one.job.file}, "the file changed since the sweep began",
                       "the same file for all of its cells",
                       "restore it and go on with --resume, or start the sweep anew");
  RunRequest request;
  request.config = std::move(*one.config);
  request.config_text = one.job.config_text;
  request.out = arguments.out;
  request.existing = existing(arguments);
  request.show_finished = arguments.show_finished;
  request.quiet = arguments.quiet;
  request.in_sweep = arguments.child_of != 0;
  request.json = arguments.json;
  request.trace = arguments.trace;
  request.check_numerics = arguments.check_numerics;
  request.command_line = told_by_people(arguments.command_line);
  return run_experiment(registries, request);
}

// Seeds cost the same: of each cell, one is tried.
int try_all(const Registries& registries, const std::vector<Ready>& all, int at_once) {
  std::map<std::string, double> seconds;
  double sum = 0;
  for (const Ready& one : all) {
    const std::string cell = std::filesystem::path(one.job.directory).parent_path();
    if (!seconds.contains(cell)) {
      const DryRun tried = dry_run(registries, *one.config);
      fmt::print("{}: {}\n{}", one.job.name, one.config->text("description"), tried.text);
      std::fflush(stdout);
      seconds[cell] = tried.seconds;
    }
    sum += seconds[cell];
  }
  if (all.size() > 1)
    fmt::print("\n{} runs: about {} one after the other{}\n", all.size(), duration_text(sum),
               at_once == 1 ? ""
                            : fmt::format(", {} with -j {} on as many free cores",
                                          duration_text(sum / at_once), at_once));
  return 0;
}

int run_several(const RunArguments& arguments, const Words& words, std::vector<Ready> all) {
  SweepRequest request;
  request.words = words.overrides;
  const auto pass = [&](bool given, std::initializer_list<std::string> option) {
    if (given) request.words.insert(request.words.end(), option);
  };
  pass(!arguments.profile.empty(), {"--profile", arguments.profile});
  pass(true, {"--out", arguments.out});
  pass(arguments.resume, {"--resume"});
  pass(arguments.trace.has_value(), {"--trace"});
  pass(arguments.check_numerics, {"--check-numerics"});
  request.existing = existing(arguments);
  request.show_finished = arguments.show_finished;
  request.quiet = arguments.quiet;
  request.json = arguments.json;
  request.at_once = arguments.at_once;
  std::vector<SweepJob> jobs;
  for (Ready& one : all) jobs.push_back(std::move(one.job));
  return run_sweep(jobs, request);
}

}  // namespace

int run(const Registries& registries, const RunArguments& arguments) {
  if (arguments.child_of != 0) obey_parent(arguments.child_of);
  const Words words = split_words(arguments.words);
  if (!arguments.cell.empty() && words.files.size() > 1)
    throw config_error(Place{"command line"}, "--cell with several files", "one file",
                       "run them one by one");
  std::vector<Ready> all = Loader(registries, arguments).load(words);
  if (arguments.trace && !arguments.trace->empty() && all.size() > 1)
    throw config_error(Place{"command line"}, "one trace file for several runs",
                       "one run, or --trace without a file",
                       "each run then writes trace.json into its directory");
  if (arguments.dry_run) return try_all(registries, all, arguments.at_once);
  if (all.size() == 1) return run_one(registries, arguments, std::move(all.front()));
  return run_several(arguments, words, std::move(all));
}

}  // namespace bitwright
