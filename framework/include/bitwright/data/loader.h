#pragma once
// Batches for training and for evaluation. The next batch is prepared in the background while the
// caller computes; what a batch holds never depends on threads or timing.

#include <cstdint>
#include <memory>
#include <vector>

#include <bitwright/data/augmentation.h>
#include <bitwright/data/dataset.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

/// Size of a batch: n images of c x h x w, of which the first `valid` count (the others pad).
/// In memory images are channels last, [n][h][w][c], which for c = 1 equals [n][c][h][w].
struct BatchShape {
  std::int64_t n = 0, c = 0, h = 0, w = 0, valid = 0;
  DType type = DType::f32;        ///< of the images: f32 or bf16
  std::int64_t soft_classes = 0;  ///< columns of the soft targets; 0: the labels say all
  std::int64_t size() const { return n * c * h * w; }
};

/// A batch that owns its memory.
struct Batch {
  BatchShape shape;
  std::vector<float> images;         ///< shape.size() normalised values
  std::vector<std::int32_t> labels;  ///< n class indices
};

/// A batch as tensors.
struct BatchTensors {
  explicit BatchTensors(const BatchShape& shape);  ///< zeros of the right types and layouts
  Tensor images;                                   ///< [n, c, h, w], channels last
  Tensor labels;                                   ///< [n], i32
  Tensor targets;                                  ///< [n, soft_classes], f32; else undefined
};

/// How training batches are made.
struct LoaderOptions {
  DType type = DType::f32;  ///< of the images
  Augmentations augmentations = {};
  int workers = 1;         ///< threads that prepare batches, beside those that compute
  std::int64_t group = 1;  ///< an epoch is a multiple of so many batches
  Place where = {};        ///< of the batch size, for messages
};

/// Training batches without end: step s is batch (s mod batches_per_epoch) of epoch
/// e = s / batches_per_epoch, whose order is Rng(seed, "shuffle", e).permutation. The images left
/// over at the end of an epoch (fewer than a batch) are dropped; the next epoch shuffles anew. With
/// groups of g batches, an epoch holds whole groups, so that a group is one batch of g times the
/// size, cut into pieces.
///
/// What chance does to an image depends on (seed, epoch, index of the image) alone. Where images
/// are mixed, the batch has soft targets; the label is then that of the larger share.
///
///   BatchLoader loader(images, split.train, 100, seed, normalization);
///   loader.seek(resumed_step);
///   loader.next(input.data(), labels.data());
class BatchLoader {
 public:
  /// `images` must outlive the loader; `indices` selects from it. Throws a configuration error at
  /// `where` unless 1 <= batch_size and batch_size * group <= indices.size().
  BatchLoader(const ImageSet& images, std::vector<std::uint32_t> indices, std::int64_t batch_size,
              std::uint64_t seed, const Normalization& normalization, LoaderOptions options = {});
  ~BatchLoader();

  /// Returns when the batch of the current step is there: next() then only copies it.
  void wait();
  /// Writes the batch of the current step into tensors made for shape(), and goes on to the next
  /// step. Rethrows what went wrong in the background.
  void next(BatchTensors& batch);
  void next(float* images, std::int32_t* labels);  ///< the same, of type f32 without soft targets
  void next(Batch& batch);                         ///< the same, sizing the batch's own memory

  /// Makes `step` (>= 0) the current one; any step can be reached directly.
  void seek(std::int64_t step);
  std::int64_t step() const;  ///< the step that next() will give
  std::int64_t batches_per_epoch() const;
  const BatchShape& shape() const;  ///< of every batch; valid == n

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Every image once, in the order of `indices`, without shuffling. The last batch is filled up by
/// repeating its last image; those repetitions do not count.
///
///   EvaluationLoader loader(images, split.validation, 500, normalization);
///   while (std::int64_t valid = loader.next(input.data(), labels.data())) ...
class EvaluationLoader {
 public:
  /// `images` must outlive the loader. Of the options, augmentations and group do not apply. Throws
  /// a configuration error at options.where unless batch_size >= 1.
  EvaluationLoader(const ImageSet& images, std::vector<std::uint32_t> indices,
                   std::int64_t batch_size, const Normalization& normalization,
                   const LoaderOptions& options = {});
  /// All images of the set.
  EvaluationLoader(const ImageSet& images, std::int64_t batch_size,
                   const Normalization& normalization, const LoaderOptions& options = {});
  ~EvaluationLoader();

  /// Writes the next batch and returns how many of its images count; 0 at the end, when nothing is
  /// written.
  std::int64_t next(BatchTensors& batch);
  std::int64_t next(float* images, std::int32_t* labels);  ///< the same, of type f32
  std::int64_t next(Batch& batch);  ///< the same, sizing the batch's own memory; sets shape.valid

  void rewind();                    ///< back to the first batch
  std::int64_t batches() const;     ///< in one pass
  std::int64_t count() const;       ///< images in one pass
  const BatchShape& shape() const;  ///< of every batch; valid is n

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitwright
