#pragma once
// The folders below a data root that a layout names.

#include <filesystem>
#include <string>
#include <vector>

#include <bitwright/data/data_files.h>

namespace bitwright {

/// Those that exist, in the layout's order; upper and lower case count as equal. The root is among
/// them when the layout lists "".
std::vector<std::filesystem::path> existing_folders(const std::string& root,
                                                    const DataLayout& layout);

/// Names in a folder, sorted, folders with a "/" behind. Throws a data error when it cannot be
/// read.
std::vector<std::string> names_in(const std::filesystem::path& folder);

bool is_file(const std::filesystem::path& path);

/// The data error for a layout of which there is no whole copy. `nearest` lacks some files; it may
/// be null.
Error missing_files(const DataRoot& root, const DataLayout& layout, const DataCopy* nearest);

/// The files of a layout, the folders and the archives that it may be in.
std::string expected_files(const DataLayout& layout);

/// "a, b and c"
std::string enumerate(const std::vector<std::string>& words, const std::string& last = "and");

}  // namespace bitwright
