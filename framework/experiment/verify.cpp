#include "experiment/verify.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <stdlib.h>

#include <bitwright/core/parallel.h>
#include <bitwright/results/checkpoint.h>

#include "experiment/config.h"
#include "experiment/run.h"
#include "experiment/schema.h"
#include "experiment/signals.h"

namespace bitwright {
namespace {

namespace fs = std::filesystem;

// Where the re-run writes; gone with this object.
class ScratchFolder {
 public:
  ScratchFolder() : path_((fs::temp_directory_path() / "bitwright-verify-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr)
      throw storage_error(path_, fmt::format("cannot be made: {}", std::strerror(errno)), "",
                          "name a writable folder in the environment's TMPDIR");
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::int64_t step_of(const Checkpoint& checkpoint) {
  return checkpoint_step(fs::path(checkpoint.path()).filename().string()).value();
}

std::optional<Checkpoint> first_whole(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    try {
      return Checkpoint::open(path);
    } catch (const Error& damaged) {
      fmt::print(stderr, "{}; another checkpoint is used\n", damaged.what());
    }
  }
  return {};
}

// A run that was rolled back went on with another learning rate, which earlier checkpoints do not
// know.
std::int64_t last_roll_back(const RunReader& record) {
  std::int64_t step = 0;
  for (const Event& event : record.events())
    if (event.kind == "rolled_back") step = event.step;
  return step;
}

// Checkpoints to begin from, the best first: as late as the wanted number of steps allows, else as
// early as there is one.
std::vector<std::string> candidates(const std::string& folder, const RunReader& record,
                                    std::int64_t last, std::int64_t wanted) {
  std::vector<std::string> far, near;
  for (const std::string& path : list_checkpoints(folder)) {
    const std::int64_t step = checkpoint_step(fs::path(path).filename().string()).value();
    if (step >= last || step < last_roll_back(record)) continue;
    (step <= last - wanted ? far : near).push_back(path);
  }
  far.insert(far.end(), near.rbegin(), near.rend());
  return far;
}

struct Span {
  Checkpoint from, to;
};

Span span_of(const std::string& folder, const RunReader& record,
             std::optional<std::int64_t> steps) {
  const char* const remedy =
      "checkpoint.keep of the experiment says how many stay, checkpoint.every how often they are "
      "written";
  auto to = first_whole(list_checkpoints(folder));
  if (!to) throw storage_error(folder, "holds no checkpoint to verify", "two or more", remedy);
  const std::int64_t last = step_of(*to);
  auto from = first_whole(candidates(folder, record, last, steps.value_or(1)));
  if (!from)
    throw storage_error(
        folder,
        fmt::format("holds no checkpoint to begin from before that of step {}, at "
                    "the end{}",
                    last,
                    last_roll_back(record) > 0
                        ? fmt::format(" and after the roll-back to step {}", last_roll_back(record))
                        : ""),
        "two or more", remedy);
  return {std::move(*from), std::move(*to)};
}

Settings settings_of(const Registries& registries, const RunHeader& header,
                     const std::string& file) {
  try {
    return parse_config(header.config, "default", {}, experiment_options(), registries);
  } catch (const Error& error) {
    throw storage_error(file, fmt::format("its configuration is not understood: {}", error.what()),
                        "components that this program has", "use the version that made it");
  }
}

int threads_of(const VerifyRequest& request, const RunHeader& header, const std::string& file) {
  if (request.threads) return *request.threads;
  const auto at = header.provenance.find("threads");
  if (at == header.provenance.end() || std::atoi(at->second.c_str()) < 1)
    throw storage_error(file, "does not say with how many threads it ran",
                        "the provenance of a run", "name them with --threads");
  return std::atoi(at->second.c_str());
}

void compare_results(const RunReader& recorded, const RunReader& here, Verification& result) {
  const auto now = here.results();
  for (const auto& [name, value] : recorded.results()) {
    ++result.numbers;
    const auto at = now.find(name);
    const double other = at == now.end() ? NAN : at->second;
    if (std::bit_cast<std::uint64_t>(value) != std::bit_cast<std::uint64_t>(other))
      result.metrics.push_back({"/results/" + name, result.to, value, other});
  }
}

void compare_checkpoints(const Checkpoint& recorded, const std::string& here,
                         Verification& result) {
  const auto compared = results::compare_states(recorded, Checkpoint::open(here));
  result.entries += compared.entries;
  result.state.insert(result.state.end(), compared.differences.begin(), compared.differences.end());
}

}  // namespace

Verification verify_run(const Registries& registries, const VerifyRequest& request) {
  Verification result;
  result.run_file = run_file_of(request.run);
  const fs::path folder = fs::path(result.run_file).parent_path();
  const RunDirectory recorded(folder.empty() ? "." : folder.string());
  const auto record = RunReader::open(result.run_file);
  const RunHeader header = record->header();
  const Span span = span_of(recorded.path(), *record, request.steps);
  result.from = step_of(span.from);
  result.to = step_of(span.to);
  if (request.steps && result.to - result.from < *request.steps) result.asked = request.steps;

  const bool finished = record->status() == static_cast<int>(RunStatus::finished);
  RunRequest again;
  again.config = settings_of(registries, header, result.run_file);
  again.config_text = header.config;
  again.quiet = true;
  again.replay = true;
  if (!finished) again.stop_after = result.to;
  again.command_line = request.command_line;
  const int threads = threads_of(request, header, result.run_file);
  set_threads(threads);
  catch_stop_signals();
  const ScratchFolder scratch;
  const RunDirectory here(scratch.path());
  {
    Run run(registries, again, here, threads);
    run.resume(span.from, *record);
    try {
      run.train();
    } catch (const Error& error) {
      if (error.status() != ExitStatus::diverged) throw;
      result.diverged = error.what();
    }
  }
  result.signal = stop_signal();
  if (result.signal != 0) return result;

  const auto rerun = RunReader::open(here.run_file());
  result.facts = compare_facts(header.provenance, rerun->header().provenance);
  compare_metrics(*record, *rerun, result);
  if (!result.diverged.empty()) return result;
  compare_checkpoints(span.to, here.path() + "/" + checkpoint_name(result.to), result);
  if (finished) {
    compare_results(*record, *rerun, result);
    compare_checkpoints(Checkpoint::open(recorded.final_checkpoint()), here.final_checkpoint(),
                        result);
  }
  return result;
}

}  // namespace bitwright
