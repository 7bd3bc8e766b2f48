#include "results/repair.h"

#include <cmath>
#include <filesystem>
#include <limits>

#include <bitwright/results/run_file.h>
#include <bitwright/results/run_lock.h>

namespace bitwright::results {

bool repair_run(const std::string& run) {
  const std::string path = run_file_of(run);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  RunReader::open(path);  // before the lock, which would make a file in a folder of something else
  const RunLock lock(folder.empty() ? "." : folder);
  const auto reader = RunReader::open(path);
  if (reader->status() != static_cast<int>(RunStatus::running)) return false;
  RunHeader header = reader->header();
  Carried carried = carried_until(*reader, std::numeric_limits<std::int64_t>::max());
  const auto wallclock = reader->wallclock();
  std::int64_t step = 0;
  for (const Event& event : carried.events) step = std::max(step, event.step);
  carried.events.push_back({step, "repaired", "the writer was killed; repaired without resuming"});
  const auto writer = RunWriter::create(path, header, carried);
  for (const auto& [name, seconds] : wallclock)
    if (!std::isnan(seconds)) writer->wallclock(name, seconds);
  writer->close(RunStatus::stopped);
  return true;
}

}  // namespace bitwright::results
