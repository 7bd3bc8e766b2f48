#pragma once
// HDF5 files that live in memory.

#include <string>

#include "results/hdf5.h"

namespace bitwright::results {

/// A new file in memory. Equal content gives equal bytes.
class MemoryFile {
 public:
  /// `file` names it in errors and outlives it.
  explicit MemoryFile(const h5::File& file);
  h5::Handle root() const;
  /// Closes the file and gives its bytes; all handles into it must be closed before.
  std::string close();

 private:
  const h5::File& file_;
  std::string bytes_;  ///< filled when HDF5 gives its buffer back
  std::size_t size_ = 0;
  h5::Handle handle_;

  friend struct MemoryCallbacks;
};

/// Opens the bytes of a file for reading.
h5::Handle open_image(const h5::File& file, const std::string& image);

}  // namespace bitwright::results
