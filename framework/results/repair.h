#pragma once
// Run files of killed writers.

#include <optional>
#include <string>

#include <bitwright/results/run_file.h>

namespace bitwright::results {

/// Makes the run file of a killed writer open plainly again (its writer left it marked as open for
/// writing), with every row, event and result that was flushed. A status that says how the run
/// ended stays; "running" becomes "stopped". Returns the status, or nothing, and changes nothing,
/// when nothing is wrong with the file. Throws a storage error when it cannot be read or written.
/// The caller holds the RunLock of the folder.
std::optional<RunStatus> repair_run_file(const std::string& path);

/// The same, taking the lock: throws a storage error when the writer still lives.
///   `run`: a run directory or its run.h5
std::optional<RunStatus> repair_run(const std::string& run);

}  // namespace bitwright::results
