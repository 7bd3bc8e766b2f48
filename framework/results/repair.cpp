#include "results/repair.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include <bitwright/results/run_lock.h>

namespace bitwright::results {

std::optional<RunStatus> repair_run_file(const std::string& path) {
  const auto reader = RunReader::open(path);
  const auto before = static_cast<RunStatus>(reader->status());
  if (reader->closed() && before != RunStatus::running) return std::nullopt;
  const RunHeader header = reader->header();
  Carried carried = carried_until(*reader, std::numeric_limits<std::int64_t>::max());
  const auto wallclock = reader->wallclock();
  std::int64_t step = 0;
  for (const Event& event : carried.events) step = std::max(step, event.step);
  carried.events.push_back({step, "repaired", "the writer was killed; repaired without resuming"});
  const auto writer = RunWriter::create(path, header, carried);
  for (const auto& [name, seconds] : wallclock)
    if (!std::isnan(seconds)) writer->wallclock(name, seconds);
  const RunStatus status = before == RunStatus::running ? RunStatus::stopped : before;
  writer->close(status);
  return status;
}

std::optional<RunStatus> repair_run(const std::string& run) {
  const std::string path = run_file_of(run);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  RunReader::open(path);  // before the lock, which would make a file in a folder of something else
  const RunLock lock(folder.empty() ? "." : folder);
  return repair_run_file(path);
}

}  // namespace bitwright::results
