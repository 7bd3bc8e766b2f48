#pragma once
// What chance does to training images. Augmentations are components: `data.augment` in YAML lists
// them in the order in which they act.
//
//   class HorizontalFlip : public Augmentation {
//     void pixels(PixelImage& image, Draw& draw) const override {
//       if (draw.uniform() < probability_) mirror(image);
//     }
//   };

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <bitwright/core/rng.h>

namespace bitwright {

/// Random numbers, taken one after the other from a stream that belongs to one image in one epoch
/// and to one augmentation.
class Draw {
 public:
  Draw(const Rng& rng, std::uint64_t first) : rng_(&rng), next_(first) {}
  double uniform() { return rng_->uniform(next_++); }  ///< [0, 1)
  double uniform(double low, double high) { return rng_->uniform(next_++, low, high); }
  /// [0, n), n > 0
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(rng_->below(next_++, static_cast<std::uint64_t>(n)));
  }
  double normal() { return rng_->normal(next_++); }  ///< mean 0, sd 1
  double beta(double alpha);                         ///< Beta(alpha, alpha), alpha > 0

 private:
  double gamma(double shape);
  const Rng* rng_;
  std::uint64_t next_;
};

/// An image of 8 bits per channel, [height][width][channels]; its size stays.
struct PixelImage {
  std::int64_t height = 0, width = 0, channels = 0;
  std::uint8_t* pixels = nullptr;
  std::uint8_t* spare = nullptr;  ///< as large; for what cannot be done in place

  std::int64_t row() const { return width * channels; }
  void use_spare() { std::swap(pixels, spare); }  ///< the spare memory holds the image now
};

/// The same after normalisation, in float: 0 is the mean.
struct ValueImage {
  std::int64_t height = 0, width = 0, channels = 0;
  float* values = nullptr;
};

/// One augmentation; its functions are called by several threads at once. An image passes through
/// pixels() of all in their order, is normalised, and passes through values() of all; then it may
/// be mixed with another training image that went the same way.
class Augmentation {
 public:
  virtual ~Augmentation() = default;
  virtual void pixels(PixelImage&, Draw&) const {}
  virtual bool changes_values() const { return false; }
  virtual void values(ValueImage&, Draw&) const {}
  virtual bool mixes() const { return false; }
  /// The weight of the image itself, in [0, 1]; the rest is that of a partner drawn uniformly.
  virtual double own_share(Draw&) const { return 1; }
};

using Augmentations = std::vector<std::shared_ptr<const Augmentation>>;

}  // namespace bitwright
