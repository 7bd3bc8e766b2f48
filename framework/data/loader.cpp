#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include <bitwright/core/rng.h>
#include <bitwright/data/loader.h>
#include <bitwright/data/normalization.h>

#include "data/prefetch.h"

namespace bitwright {

namespace {

// Copies single images into batches, normalised.
class Gather {
 public:
  Gather(const ImageSet& images, std::vector<std::uint32_t> indices,
         const Normalization& normalization)
      : images_(images), indices_(std::move(indices)), table_(pixel_table(normalization)) {
    require(table_.size() == static_cast<std::size_t>(images.channels) * 256,
            "loader: one mean and sd per channel");
    for (const std::uint32_t index : indices_)
      require(index < images.count(), "loader: indices lie within the image set");
  }

  std::int64_t count() const { return static_cast<std::int64_t>(indices_.size()); }

  // The image that the i-th index names becomes image `slot` of the batch.
  void copy(std::int64_t i, std::int64_t slot, Batch& batch) const {
    const std::uint32_t index = indices_[static_cast<std::size_t>(i)];
    const std::uint8_t* from = images_.image(index);
    float* to = batch.images.data() + slot * images_.image_size();
    const std::int64_t channels = images_.channels, size = images_.image_size();
    for (std::int64_t c = 0; c < channels; ++c) {
      const float* const table = table_.data() + c * 256;
      for (std::int64_t p = c; p < size; p += channels) to[p] = table[from[p]];
    }
    batch.labels[static_cast<std::size_t>(slot)] = images_.labels[index];
  }

 private:
  const ImageSet& images_;
  std::vector<std::uint32_t> indices_;
  PixelTable table_;
};

Batch make_batch(const BatchShape& shape) {
  return {shape, std::vector<float>(static_cast<std::size_t>(shape.size())),
          std::vector<std::int32_t>(static_cast<std::size_t>(shape.n))};
}

Batch make_batch(const ImageSet& images, std::int64_t n) {
  return make_batch(BatchShape{n, images.channels, images.height, images.width, n});
}

void fit(Batch& batch, const BatchShape& shape) {
  batch.shape = shape;
  batch.images.resize(static_cast<std::size_t>(shape.size()));
  batch.labels.resize(static_cast<std::size_t>(shape.n));
}

void check_batch_size(std::int64_t batch_size, std::int64_t group, std::int64_t count,
                      const Place& where) {
  if (batch_size < 1)
    throw config_error(where, fmt::format("batch size {}", batch_size), "at least 1");
  if (batch_size > count / group)
    throw config_error(
        where,
        fmt::format("batch size {}{} with {} training images", batch_size,
                    group == 1 ? "" : fmt::format(", accumulated {} times,", group), count),
        "at most the number of training images", "use a smaller batch or fewer validation images");
}

std::vector<std::uint32_t> all_of(const ImageSet& images) {
  std::vector<std::uint32_t> indices(static_cast<std::size_t>(images.count()));
  std::iota(indices.begin(), indices.end(), 0u);
  return indices;
}

}  // namespace

struct BatchLoader::State {
  Gather gather;
  std::uint64_t seed;
  std::int64_t batch_size, batches_per_epoch;
  std::int64_t epoch = -1;           // the one that `order` belongs to
  std::vector<std::uint32_t> order;  // touched by one fill at a time
  Prefetcher prefetcher;             // last: its destructor waits for the task that uses the rest

  State(const ImageSet& images, std::vector<std::uint32_t> indices, std::int64_t batch,
        std::int64_t group, std::uint64_t seed_, const Normalization& normalization)
      : gather(images, std::move(indices), normalization),
        seed(seed_),
        batch_size(batch),
        batches_per_epoch(gather.count() / (batch * group) * group),
        prefetcher(make_batch(images, batch),
                   [this](std::int64_t step, Batch& into) { fill(step, into); }) {}

  void fill(std::int64_t step, Batch& batch) {
    if (const std::int64_t wanted = step / batches_per_epoch; wanted != epoch) {
      order = Rng(seed, "shuffle", static_cast<std::uint64_t>(wanted))
                  .permutation(static_cast<std::uint32_t>(gather.count()));
      epoch = wanted;
    }
    const std::int64_t first = step % batches_per_epoch * batch_size;
    for (std::int64_t slot = 0; slot < batch_size; ++slot)
      gather.copy(order[static_cast<std::size_t>(first + slot)], slot, batch);
  }
};

BatchLoader::BatchLoader(const ImageSet& images, std::vector<std::uint32_t> indices,
                         std::int64_t batch_size, std::uint64_t seed,
                         const Normalization& normalization, const Place& where,
                         std::int64_t group) {
  check_batch_size(batch_size, group, static_cast<std::int64_t>(indices.size()), where);
  state_ =
      std::make_unique<State>(images, std::move(indices), batch_size, group, seed, normalization);
}

BatchLoader::~BatchLoader() = default;

void BatchLoader::next(float* images, std::int32_t* labels) {
  state_->prefetcher.next(images, labels);
}

void BatchLoader::next(Batch& batch) {
  fit(batch, shape());
  next(batch.images.data(), batch.labels.data());
}

void BatchLoader::seek(std::int64_t step) {
  require(step >= 0, "loader: steps count from 0");
  if (step != this->step()) state_->prefetcher.seek(step);
}

std::int64_t BatchLoader::step() const { return state_->prefetcher.position(); }
std::int64_t BatchLoader::batches_per_epoch() const { return state_->batches_per_epoch; }
BatchShape BatchLoader::shape() const { return state_->prefetcher.shape(); }

struct EvaluationLoader::State {
  Gather gather;
  BatchShape shape;
  std::int64_t batches;
  Prefetcher prefetcher;  // last: see above

  State(const ImageSet& images, std::vector<std::uint32_t> indices, std::int64_t batch,
        const Normalization& normalization)
      : gather(images, std::move(indices), normalization),
        shape{batch, images.channels, images.height, images.width, batch},
        batches((gather.count() + batch - 1) / batch),
        prefetcher(
            make_batch(shape), [this](std::int64_t at, Batch& into) { fill(at, into); }, batches) {}

  void fill(std::int64_t at, Batch& batch) const {
    const std::int64_t first = at * shape.n;
    batch.shape.valid = std::min(shape.n, gather.count() - first);
    for (std::int64_t slot = 0; slot < shape.n; ++slot)
      gather.copy(std::min(first + slot, gather.count() - 1), slot, batch);
  }
};

EvaluationLoader::EvaluationLoader(const ImageSet& images, std::vector<std::uint32_t> indices,
                                   std::int64_t batch_size, const Normalization& normalization,
                                   const Place& where) {
  check_batch_size(batch_size, 1, batch_size, where);
  state_ = std::make_unique<State>(images, std::move(indices), batch_size, normalization);
}

EvaluationLoader::EvaluationLoader(const ImageSet& images, std::int64_t batch_size,
                                   const Normalization& normalization, const Place& where)
    : EvaluationLoader(images, all_of(images), batch_size, normalization, where) {}

EvaluationLoader::~EvaluationLoader() = default;

std::int64_t EvaluationLoader::next(float* images, std::int32_t* labels) {
  if (state_->prefetcher.position() >= state_->batches) return 0;
  std::int64_t valid = 0;
  state_->prefetcher.next(images, labels, &valid);
  return valid;
}

std::int64_t EvaluationLoader::next(Batch& batch) {
  fit(batch, state_->shape);
  return batch.shape.valid = next(batch.images.data(), batch.labels.data());
}

void EvaluationLoader::rewind() { state_->prefetcher.seek(0); }
std::int64_t EvaluationLoader::batches() const { return state_->batches; }
std::int64_t EvaluationLoader::count() const { return state_->gather.count(); }
BatchShape EvaluationLoader::shape() const { return state_->shape; }

}  // namespace bitwright
