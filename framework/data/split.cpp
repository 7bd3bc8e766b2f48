#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include <bitwright/core/rng.h>
#include <bitwright/data/split.h>

namespace bitwright {

static void check(std::int64_t count, std::int64_t validation, const Place& where) {
  if (validation < 0 || validation >= count)
    throw config_error(where,
                       fmt::format("{} validation images of {} training images", validation, count),
                       count > 0 ? fmt::format("0 to {}", count - 1) : "a data set with images",
                       "at least one image must remain for training");
}

Split split_last(std::int64_t count, std::int64_t validation, const Place& where) {
  check(count, validation, where);
  Split split;
  split.train.resize(static_cast<std::size_t>(count - validation));
  split.validation.resize(static_cast<std::size_t>(validation));
  std::iota(split.train.begin(), split.train.end(), 0u);
  std::iota(split.validation.begin(), split.validation.end(),
            static_cast<std::uint32_t>(count - validation));
  return split;
}

Split split_seeded(std::int64_t count, std::int64_t validation, std::uint64_t seed,
                   const Place& where) {
  check(count, validation, where);
  const auto order = Rng(seed, "split").permutation(static_cast<std::uint32_t>(count));
  const auto cut = order.begin() + validation;
  Split split{{cut, order.end()}, {order.begin(), cut}};
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
}

}  // namespace bitwright
