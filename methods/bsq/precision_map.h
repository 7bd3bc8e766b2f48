#pragma once
// Bits by tensor, as an experiment gives them or an earlier run has found them.

#include <string>
#include <vector>

#include <bitwright/core/options.h>

#include "planes.h"

namespace bitwright::bsq {

/// Entries "PATTERN=BITS" in order; of those that match a tensor the last one holds.
class PrecisionMap {
 public:
  /// From `bits_from`, a file, and then `bits`, a list. A file that ends in .h5 is the run.h5 of a
  /// run with a per-layer series `bits`, whose last row counts; every other one holds an entry per
  /// line, and comments behind '#'. Errors stand at the option, or in the file.
  explicit PrecisionMap(const Settings& settings);

  bool given() const { return !entries_.empty(); }
  /// Bits of every tensor, in order. Refuses tensors without an entry and entries without a tensor.
  std::vector<int> bits_of(const std::vector<std::string>& tensors) const;

 private:
  struct Entry {
    std::string pattern;
    int bits;
    Place where;
    bool may_match_nothing;  ///< of a run whose network had other layers
  };
  void add(const std::string& text, const Place& where);
  void add_run(const std::string& path, const Place& where);
  void add_file(const std::string& path, const Place& where);

  Place where_;
  std::vector<Entry> entries_;
};

}  // namespace bitwright::bsq
