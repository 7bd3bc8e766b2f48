#pragma once
// Run files of killed writers.

#include <string>

namespace bitwright::results {

/// Makes the run file of a killed writer open plainly again (its writer left it marked as open for
/// writing), with every row, event and result that was flushed; its status becomes "stopped".
/// Returns false, and changes nothing, when nothing is wrong with it. Throws a storage error when
/// its writer still lives or when it cannot be read.
///   `run`: a run directory or its run.h5
bool repair_run(const std::string& run);

}  // namespace bitwright::results
