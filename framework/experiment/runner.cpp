#include "experiment/runner.h"

#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include <bitwright/core/parallel.h>
#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_file.h>
#include <bitwright/results/run_lock.h>

#include "experiment/algorithms.h"
#include "experiment/assembly.h"
#include "experiment/run.h"
#include "experiment/run_directory.h"
#include "experiment/signals.h"
#include "experiment/summary.h"
#include "results/repair.h"

namespace bitwright {

namespace fs = std::filesystem;

namespace {

// `threads: auto` is resolved once; a resumed run keeps what its record says.
int threads_of(const RunRequest& request, const RunDirectory& directory) {
  if (request.existing == RunRequest::Existing::resume &&
      request.config.text("threads") == "auto") {
    try {
      const auto header = RunReader::open(directory.run_file())->header();
      return std::stoi(header.provenance.at("threads"));
    } catch (const std::exception&) {
      // No readable record: the run starts over.
    }
  }
  return resolve_threads(request.config);
}

/// The newest checkpoint that is whole. Says which newer ones are not, and sets them aside.
std::optional<Checkpoint> usable_checkpoint(const RunDirectory& directory,
                                            std::vector<std::string>& warnings) {
  std::vector<Error> unusable;
  auto checkpoint =
      newest_checkpoint(directory.path(), [&](const Error& error) { unusable.push_back(error); });
  const std::string instead = checkpoint
                                  ? fs::path(checkpoint->path()).filename().string() + " is used"
                                  : "no checkpoint is whole, and the run starts over";
  for (const Error& error : unusable) {
    warnings.push_back(fmt::format("{}; {}", error.what(), instead));
    fmt::print(stderr, "{}\n", warnings.back());
    set_aside(error.place().file);
  }
  return checkpoint;
}

// What the checkpoints belong to.
std::unique_ptr<RunReader> open_record(const RunDirectory& directory) {
  if (!fs::exists(directory.run_file()))
    throw storage_error(directory.run_file(), "the run file is missing beside the checkpoints",
                        "the record up to the last of them",
                        "restore it, or start anew with --overwrite");
  return RunReader::open(directory.run_file());
}

std::string recorded_subset(const std::map<std::string, std::string>& provenance) {
  const auto at = provenance.find("data.subset");
  return at == provenance.end() ? "" : at->second;
}

void print_results(const RunRequest& request, const std::map<std::string, double>& results,
                   const std::string& run_file, const std::string& subset) {
  if (request.json) {
    fmt::print("{}\n", summary_json(results, run_file, subset));
  } else if (request.quiet) {
    fmt::print("{}\n", run_file);
  } else {
    fmt::print("{}", summary_table(results, run_file, subset));
  }
}

}  // namespace

std::string run_path(const std::string& out, const Settings& config) {
  const std::string cell = config.has("cell") ? config.text("cell") + "/" : "";
  return fmt::format("{}/{}/{}seed-{}", out, config.text("experiment"), cell,
                     config.integer("seed"));
}

int run_experiment(const Registries& registries, const RunRequest& request) {
  // What the machine cannot do is refused before anything is written.
  resolve_precision(request.config);
  const RunDirectory directory(run_path(request.out, request.config));
  const bool resume = request.existing == RunRequest::Existing::resume;
  const bool show = request.show_finished && request.existing == RunRequest::Existing::refuse &&
                    directory.finished();
  if (directory.exists() && request.existing == RunRequest::Existing::refuse && !show)
    directory.refuse_existing();
  if (resume || show) directory.refuse_changes(request.config_text);
  if (!resume && !show) set_algorithms(request.config, resolve_threads(request.config), {});
  directory.create();
  // The cell of a sweep that was killed a moment ago may still be saving.
  const RunLock lock(directory.path(), request.in_sweep && resume ? 60 : 0);
  if (show || (resume && directory.finished())) {
    if (!request.quiet) fmt::print(stderr, "{} is finished already\n", directory.path());
    results::repair_run_file(directory.run_file());  // if it was killed before it closed the file
    const auto reader = RunReader::open(directory.run_file());
    print_results(request, reader->results(), directory.run_file(),
                  recorded_subset(reader->header().provenance));
    return 0;
  }
  const int threads = threads_of(request, directory);
  set_threads(threads);
  catch_stop_signals();

  std::optional<Checkpoint> checkpoint;
  std::vector<std::string> warnings;
  if (resume) checkpoint = usable_checkpoint(directory, warnings);
  Run run(registries, request, directory, threads);
  if (checkpoint) {
    run.resume(*checkpoint, *open_record(directory), warnings);
  } else {
    set_algorithms(request.config, threads, {});
    // A run that starts over replaces its file when the new one is readable, not before.
    if (!resume) directory.clear();
    write_atomically(directory.config_file(), request.config_text);
  }
  run.train();
  if (run.stopped()) return 128 + stop_signal();
  print_results(request, run.results(), directory.run_file(), run.subset());
  return 0;
}

}  // namespace bitwright
