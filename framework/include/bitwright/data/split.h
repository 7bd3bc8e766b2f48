#pragma once
// Division of the training part into images to learn from and images to select on.

#include <cstdint>
#include <vector>

#include <bitwright/core/error.h>

namespace bitwright {

/// Indices into the training part; every index occurs in exactly one of the two lists, and both are
/// in ascending order.
struct Split {
  std::vector<std::uint32_t> train, validation;
};

/// The last `validation` images are for validation. Proximal mean-field on MNIST: 50,000 / 10,000.
/// Throws a configuration error at `where` unless 0 <= validation < count.
Split split_last(std::int64_t count, std::int64_t validation, const Place& where = {});

/// `validation` images are drawn without replacement by Rng(seed, "split"). Errors as above.
Split split_seeded(std::int64_t count, std::int64_t validation, std::uint64_t seed,
                   const Place& where = {});

/// The same, from each class in proportion to its size, as near as whole numbers can be.
Split split_stratified(const std::vector<std::int32_t>& labels, std::int64_t validation,
                       std::uint64_t seed, const Place& where = {});

/// One of the parts of a k-fold cross-validation.
struct Fold {
  std::int64_t folds = 5, fold = 0;  ///< which of how many is for validation, from 0
  std::int64_t repeat = 0;           ///< each has a partition of its own
  bool stratified = false;           ///< every fold has its share of each class
};

/// The images, one per label, in the order of Rng(seed, "folds", repeat) (stratified: sorted by
/// class), are dealt out to the folds in turn. Throws a configuration error at `where` unless
/// 0 <= fold < folds and 2 <= folds <= number of images.
Split split_fold(const std::vector<std::int32_t>& labels, const Fold& fold, std::uint64_t seed,
                 const Place& where = {});

}  // namespace bitwright
