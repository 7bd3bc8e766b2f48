#pragma once
// The objects of a run file (FORMAT.md): their names, and how they are made before SWMR starts.

#include <string>

#include <bitwright/results/run_file.h>

#include "results/hdf5.h"

namespace bitwright::results {

inline constexpr const char* run_format = "bitwright run";
inline constexpr const char* run_format_version = "1.3";
inline constexpr int run_format_major = 1;

/// Attribute of a group that marks it as a table and names its scale.
inline constexpr const char* scale_attribute = "scale";

/// Attribute of a group that marks it as a grid and names its axes, in order, apart by spaces.
inline constexpr const char* axes_attribute = "axes";

/// Access properties that fix the format to HDF5 1.10's, whatever library writes: newer defaults
/// could not be read by it, older formats have no SWMR. Objects are placed so that a kill in the
/// middle of a write leaves a readable file.
h5::Handle run_access();

/// Makes every group, dataset and attribute of `header` in an empty file; tables have no rows,
/// results and wall-clock scalars are NaN, the status is 0.
void make_layout(const h5::File& file, hid_t root, const RunHeader& header);

}  // namespace bitwright::results
