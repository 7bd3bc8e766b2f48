#pragma once
// Which file systems a run file cannot be read on while it is written.

#include <optional>
#include <string>

namespace bitwright::results {

/// The name of a file system, by its type as statfs(2) gives it, that does not promise what HDF5's
/// SWMR needs: that a reader sees writes in the order in which they were made. Nothing for others.
std::optional<std::string> without_swmr(long type);

/// Same for the file system that holds `path`; nothing also when the system does not tell.
std::optional<std::string> file_system_without_swmr(const std::string& path);

}  // namespace bitwright::results
