#pragma once
// Appending to the series of a run file, and giving up on one.

#include <string>
#include <vector>

#include "results/hdf5.h"

namespace bitwright::results {

/// Rows of a series after `at` others: [count] and then the shape of a row, which is empty where a
/// row is one number.
struct Block {
  hsize_t at = 0, count = 0;
  std::vector<std::size_t> shape = {};

  std::vector<hsize_t> extents(hsize_t rows) const;  ///< of so many rows
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
