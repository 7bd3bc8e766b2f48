#pragma once
// HDF5 files of named float arrays that users bring, such as weights trained elsewhere, and the
// networks in checkpoints of finished runs. All failures are data errors (exit status 3), but those
// of a damaged checkpoint are storage errors (5).

#include <map>
#include <memory>
#include <string>

#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// Names and shapes of the arrays of a file; contents are read on demand.
class ArrayFile {
 public:
  /// Of a checkpoint, the parameters and running statistics of its network. Throws when the file
  /// cannot be read as HDF5, or holds a data set that is no array of floating-point numbers, and
  /// for the checkpoint of a run on its way, where methods may hold the weights.
  static ArrayFile open(const std::string& path);
  ~ArrayFile();
  ArrayFile(ArrayFile&&) noexcept;

  /// By name. What lies in groups is called "GROUP.NAME", so that conv1/weight and conv1.weight are
  /// the same.
  const std::map<std::string, Shape>& arrays() const;
  /// Overwrites `out`, which has the array's shape, is f32 and lies in plain order.
  void read(const std::string& name, Tensor& out) const;

 private:
  struct State;
  explicit ArrayFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bitwright
