#pragma once

#include <vector>

#include <bitwright/core/error.h>

namespace bitwright {

/// Everything that is wrong with a configuration, as far as it can be seen at once; as an Error it
/// is the first of them.
class Problems : public Error {
 public:
  explicit Problems(std::vector<Error> all) : Error(all.front()), all_(std::move(all)) {}
  const std::vector<Error>& all() const { return all_; }

 private:
  std::vector<Error> all_;
};

}  // namespace bitwright
