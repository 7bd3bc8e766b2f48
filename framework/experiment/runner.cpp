#include "experiment/runner.h"

#include <fstream>
#include <iterator>
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

namespace bitwright {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void refuse_existing(const RunDirectory& directory) {
  throw config_error(
      Place{directory.path()},
      fmt::format("the directory already holds {} run",
                  directory.finished() ? "a finished" : "an unfinished"),
      "a new directory, or a word on what to do",
      "continue with --resume, start anew with --overwrite, or choose another folder with --out");
}

void refuse_changes(const RunDirectory& directory, const std::string& config) {
  const std::string before = read_text(directory.config_file());
  if (before.empty()) return;
  const auto keys = differing_keys(before, config);
  if (keys.empty()) return;
  throw config_error(
      Place{directory.config_file()},
      fmt::format("the configuration changed since this run began: {}", fmt::join(keys, ", ")),
      "the same values", "restore them, or start anew with --overwrite or --out");
}

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

int run_experiment(const Registries& registries, const RunRequest& request) {
  // What the machine cannot do is refused before anything is written.
  resolve_precision(request.config);
  const RunDirectory directory(fmt::format("{}/{}/seed-{}", request.out,
                                           request.config.text("experiment"),
                                           request.config.integer("seed")));
  const bool resume = request.existing == RunRequest::Existing::resume;
  const bool show = request.show_finished && request.existing == RunRequest::Existing::refuse &&
                    directory.finished();
  if (directory.exists() && request.existing == RunRequest::Existing::refuse && !show)
    refuse_existing(directory);
  if (resume || show) refuse_changes(directory, request.config_text);
  if (!resume && !show) set_algorithms(request.config, resolve_threads(request.config), {});
  directory.create();
  const RunLock lock(directory.path());
  if (show || (resume && directory.finished())) {
    if (!request.quiet) fmt::print(stderr, "{} is finished already\n", directory.path());
    const auto reader = RunReader::open(directory.run_file());
    print_results(request, reader->results(), directory.run_file(),
                  recorded_subset(reader->header().provenance));
    return 0;
  }
  const int threads = threads_of(request, directory);
  set_threads(threads);
  catch_stop_signals();

  std::optional<Checkpoint> checkpoint;
  if (resume)
    checkpoint = newest_checkpoint(directory.path(), [](const Error& error) {
      fmt::print(stderr, "{}; an earlier checkpoint is used\n", error.what());
    });
  Run run(registries, request, directory, threads);
  if (checkpoint) {
    run.resume(*checkpoint);
  } else {
    set_algorithms(request.config, threads, {});
    directory.clear();
    write_atomically(directory.config_file(), request.config_text);
  }
  run.train();
  if (run.stopped()) return 128 + stop_signal();
  print_results(request, run.results(), directory.run_file(), run.subset());
  return 0;
}

}  // namespace bitwright
