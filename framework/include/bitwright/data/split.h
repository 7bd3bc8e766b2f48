#pragma once
// Division of the official training part into images to learn from and images to select on.

#include <cstdint>
#include <vector>

#include <bitwright/core/error.h>

namespace bitwright {

/// Indices into the official training part; every index occurs in exactly one of the two lists,
/// and both are in ascending order.
struct Split {
  std::vector<std::uint32_t> train, validation;
};

/// The last `validation` images are for validation. Proximal mean-field on MNIST: 50,000 / 10,000.
/// Throws a configuration error at `where` unless 0 <= validation < count.
Split split_last(std::int64_t count, std::int64_t validation, const Place& where = {});

/// `validation` images are drawn without replacement by Rng(seed, "split"). Errors as above.
Split split_seeded(std::int64_t count, std::int64_t validation, std::uint64_t seed,
                   const Place& where = {});

}  // namespace bitwright
