#pragma once
// Appending to the series of a run file, and giving up on one.

#include <string>

#include "results/hdf5.h"

namespace bitwright::results {

/// Rows of a series: [count] numbers, or [count][width] when it is `wide`, after `at` others.
struct Block {
  hsize_t at = 0, count = 0, width = 1;
  bool wide = false;
};

/// Extends a series, writes the rows (`type` in memory) and makes them visible to readers.
void append_rows(const h5::File& file, hid_t set, const Block& rows, hid_t type,
                 const void* values);

/// A text of exactly `bytes` bytes: cut after a whole UTF-8 character, padded with NUL.
std::string fixed_text(std::string text, std::size_t bytes);

/// For a file to which a write failed. What is on the disk is whole, but HDF5 would spoil it at the
/// latest when the process ends, by recording an end that was never written. From now on, what it
/// writes goes nowhere.
void write_no_more(hid_t file);

}  // namespace bitwright::results
