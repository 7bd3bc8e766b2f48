#include <algorithm>
#include <array>
#include <mutex>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include <bitwright/core/rng.h>
#include <bitwright/data/loader.h>

#include "data/prefetch.h"
#include "data/sample_maker.h"

namespace bitwright {

namespace {

BatchShape shape_of(const ImageSet& images, std::int64_t n, DType type) {
  return {n, images.channels, images.height, images.width, n, type};
}

void fit(Batch& batch, const BatchShape& shape) {
  batch.shape = shape;
  batch.images.resize(static_cast<std::size_t>(shape.size()));
  batch.labels.resize(static_cast<std::size_t>(shape.n));
}

void copy_out(const BatchBuffer& from, float* images, std::int32_t* labels) {
  require(from.shape.type == DType::f32 && from.shape.soft_classes == 0,
          "loader: this batch wants tensors");
  std::copy_n(from.batch.images.f32(), from.shape.size(), images);
  std::copy_n(from.batch.labels.i32(), from.shape.n, labels);
}

void copy_out(const BatchBuffer& from, BatchTensors& to) {
  to.images.copy_from(from.batch.images);
  to.labels.copy_from(from.batch.labels);
  if (from.batch.targets.defined()) to.targets.copy_from(from.batch.targets);
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

BatchTensors::BatchTensors(const BatchShape& b)
    : images(Tensor::empty({Shape{b.n, b.c, b.h, b.w}, b.type, Layout::channels_last})),
      labels(Tensor::empty({Shape{b.n}, DType::i32})) {
  images.fill(0);
  std::fill_n(labels.i32(), b.n, 0);
  if (b.soft_classes > 0) targets = Tensor::zeros(Shape{b.n, b.soft_classes});
}

namespace {

// The orders of the last two epochs: workers may be in two at once.
class EpochOrders {
 public:
  EpochOrders(std::uint64_t seed, std::int64_t count) : seed_(seed), count_(count) {}

  std::shared_ptr<const std::vector<std::uint32_t>> of(std::int64_t epoch) {
    const std::lock_guard lock(mutex_);
    auto& [kept, order] = kept_[static_cast<std::size_t>(epoch % 2)];
    if (kept != epoch) {
      order = std::make_shared<const std::vector<std::uint32_t>>(
          Rng(seed_, "shuffle", static_cast<std::uint64_t>(epoch))
              .permutation(static_cast<std::uint32_t>(count_)));
      kept = epoch;
    }
    return order;
  }

 private:
  std::uint64_t seed_;
  std::int64_t count_;
  std::mutex mutex_;
  std::array<std::pair<std::int64_t, std::shared_ptr<const std::vector<std::uint32_t>>>, 2> kept_{
      {{-1, nullptr}, {-1, nullptr}}};
};

}  // namespace

struct BatchLoader::State {
  SampleMaker samples;
  BatchShape shape;
  std::int64_t batches_per_epoch;
  EpochOrders orders;
  Prefetcher prefetcher;  // last: its destructor waits for tasks that use the rest

  State(const ImageSet& images, std::vector<std::uint32_t> indices, std::int64_t batch,
        std::uint64_t seed, const Normalization& normalization, LoaderOptions& options)
      : samples(images, std::move(indices), normalization, std::move(options.augmentations), seed),
        shape(shape_of(images, batch, options.type)),
        batches_per_epoch(samples.count() / (batch * options.group) * options.group),
        orders(seed, samples.count()),
        prefetcher(
            with_targets(images),
            [this](std::int64_t step, BatchBuffer& into) { fill(step, into); }, options.workers) {}

  const BatchShape& with_targets(const ImageSet& images) {
    if (samples.mixes()) shape.soft_classes = images.classes;
    return shape;
  }

  void fill(std::int64_t step, BatchBuffer& buffer) {
    const std::int64_t epoch = step / batches_per_epoch;
    const std::int64_t first = step % batches_per_epoch * shape.n;
    const auto order = orders.of(epoch);
    for (std::int64_t slot = 0; slot < shape.n; ++slot)
      samples.make((*order)[static_cast<std::size_t>(first + slot)], epoch, slot, buffer);
  }
};

BatchLoader::BatchLoader(const ImageSet& images, std::vector<std::uint32_t> indices,
                         std::int64_t batch_size, std::uint64_t seed,
                         const Normalization& normalization, LoaderOptions options) {
  check_batch_size(batch_size, options.group, static_cast<std::int64_t>(indices.size()),
                   options.where);
  state_ =
      std::make_unique<State>(images, std::move(indices), batch_size, seed, normalization, options);
}

BatchLoader::~BatchLoader() = default;

void BatchLoader::wait() { state_->prefetcher.wait(); }

void BatchLoader::next(BatchTensors& batch) {
  state_->prefetcher.next([&](const BatchBuffer& from) { copy_out(from, batch); });
}

void BatchLoader::next(float* images, std::int32_t* labels) {
  state_->prefetcher.next([&](const BatchBuffer& from) { copy_out(from, images, labels); });
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
const BatchShape& BatchLoader::shape() const { return state_->shape; }

struct EvaluationLoader::State {
  SampleMaker samples;
  BatchShape shape;
  std::int64_t batches;
  Prefetcher prefetcher;  // last: see above

  State(const ImageSet& images, std::vector<std::uint32_t> indices, std::int64_t batch,
        const Normalization& normalization, const LoaderOptions& options)
      : samples(images, std::move(indices), normalization, {}, 0),
        shape(shape_of(images, batch, options.type)),
        batches((samples.count() + batch - 1) / batch),
        prefetcher(
            shape, [this](std::int64_t at, BatchBuffer& into) { fill(at, into); }, options.workers,
            batches) {}

  void fill(std::int64_t at, BatchBuffer& buffer) const {
    const std::int64_t first = at * shape.n;
    buffer.shape.valid = std::min(shape.n, samples.count() - first);
    for (std::int64_t slot = 0; slot < shape.n; ++slot)
      samples.copy(std::min(first + slot, samples.count() - 1), slot, buffer);
  }

  // Whatever `to` is, the batch is copied there; returns how many of its images count.
  template <class... To>
  std::int64_t next(To&&... to) {
    if (prefetcher.position() >= batches) return 0;
    std::int64_t valid = 0;
    prefetcher.next([&](const BatchBuffer& from) {
      copy_out(from, to...);
      valid = from.shape.valid;
    });
    return valid;
  }
};

EvaluationLoader::EvaluationLoader(const ImageSet& images, std::vector<std::uint32_t> indices,
                                   std::int64_t batch_size, const Normalization& normalization,
                                   const LoaderOptions& options) {
  check_batch_size(batch_size, 1, batch_size, options.where);
  state_ = std::make_unique<State>(images, std::move(indices), batch_size, normalization, options);
}

EvaluationLoader::EvaluationLoader(const ImageSet& images, std::int64_t batch_size,
                                   const Normalization& normalization, const LoaderOptions& options)
    : EvaluationLoader(images, all_of(images), batch_size, normalization, options) {}

EvaluationLoader::~EvaluationLoader() = default;

std::int64_t EvaluationLoader::next(BatchTensors& batch) { return state_->next(batch); }

std::int64_t EvaluationLoader::next(float* images, std::int32_t* labels) {
  return state_->next(images, labels);
}

std::int64_t EvaluationLoader::next(Batch& batch) {
  fit(batch, state_->shape);
  return batch.shape.valid = next(batch.images.data(), batch.labels.data());
}

void EvaluationLoader::rewind() { state_->prefetcher.seek(0); }
std::int64_t EvaluationLoader::batches() const { return state_->batches; }
std::int64_t EvaluationLoader::count() const { return state_->samples.count(); }
const BatchShape& EvaluationLoader::shape() const { return state_->shape; }

}  // namespace bitwright
