#include <algorithm>
#include <map>
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

static Split sorted(Split split) {
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
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
  return sorted({{cut, order.end()}, {order.begin(), cut}});
}

// How many of `wanted` fall to each class: the whole parts of the proportions, and one more for
// those with the largest fractions, the lower class among equals.
static std::map<std::int32_t, std::int64_t> quotas(
    const std::map<std::int32_t, std::int64_t>& sizes, std::int64_t count, std::int64_t wanted) {
  std::map<std::int32_t, std::int64_t> quota;
  std::vector<std::pair<std::int64_t, std::int32_t>> fractions;
  std::int64_t left = wanted;
  for (const auto& [label, size] : sizes) {
    left -= quota[label] = wanted * size / count;
    fractions.emplace_back(-(wanted * size % count), label);
  }
  std::sort(fractions.begin(), fractions.end());
  for (const auto& [unused, label] : fractions)
    if (left-- > 0) ++quota[label];
  return quota;
}

Split split_stratified(const std::vector<std::int32_t>& labels, std::int64_t validation,
                       std::uint64_t seed, const Place& where) {
  const auto count = static_cast<std::int64_t>(labels.size());
  check(count, validation, where);
  std::map<std::int32_t, std::int64_t> sizes;
  for (const std::int32_t label : labels) ++sizes[label];
  auto left = quotas(sizes, count, validation);
  Split split;
  for (const std::uint32_t i : Rng(seed, "split").permutation(static_cast<std::uint32_t>(count)))
    (left[labels[i]]-- > 0 ? split.validation : split.train).push_back(i);
  return sorted(std::move(split));
}

Split split_fold(const std::vector<std::int32_t>& labels, const Fold& fold, std::uint64_t seed,
                 const Place& where) {
  const auto count = static_cast<std::int64_t>(labels.size());
  if (fold.folds < 2 || fold.folds > count)
    throw config_error(where, fmt::format("{} folds of {} training images", fold.folds, count),
                       fmt::format("2 to {}", count));
  if (fold.fold < 0 || fold.fold >= fold.folds)
    throw config_error(where, fmt::format("fold {} of {}", fold.fold, fold.folds),
                       fmt::format("0 to {}", fold.folds - 1));
  auto order = Rng(seed, "folds", static_cast<std::uint64_t>(fold.repeat))
                   .permutation(static_cast<std::uint32_t>(count));
  if (fold.stratified)
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return labels[a] < labels[b]; });
  Split split;
  for (std::int64_t i = 0; i < count; ++i)
    (i % fold.folds == fold.fold ? split.validation : split.train)
        .push_back(order[static_cast<std::size_t>(i)]);
  return sorted(std::move(split));
}

}  // namespace bitwright
