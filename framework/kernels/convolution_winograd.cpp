// Winograd's F(4x4, 3x3): an image is cut into tiles of 4x4 outputs; each tile's 6x6 inputs are
// transformed to 36 frequencies, at each of which the convolution is a matrix product over channels
// (Lavin and Gray 2016). A quarter of the multiplications of the direct algorithm.
//
// Frequencies are f32 for images of either type; the relative error is about 6e-7 instead of the
// direct algorithm's 2e-7. Gradients of bf16 images may also be computed from frequencies in bf16,
// whose products are twice as fast: the inverse transform enlarges their rounding, so that the
// error is about 1e-2, six times that of rounding a gradient to bf16, and small beside the noise of
// a batch. Forward passes are not: they would blur what a quantizer has made exact.
//
// Rows of tiles are handled in blocks small enough to stay in a core's cache between the transforms
// and the products; the members of the team take blocks in turn, each with products of its own.
#include <algorithm>
#include <optional>
#include <vector>

#include <bitwright/core/parallel.h>

#include "kernels/convolution_epilogue.h"
#include "kernels/convolution_weights.h"
#include "kernels/dnnl_api.h"
#include "kernels/matmul.h"
#include "kernels/winograd_passes.h"
#include "kernels/winograd_weights.h"

namespace bitwright::kernels {
namespace {

using namespace winograd;

// Sums over many channels are made of shorter ones, which halves their rounding errors: the inverse
// transform cancels much of what it is given and so enlarges them. Results in bf16 do not show
// that.
std::int64_t run_of_channels(std::int64_t channels, DType type) {
  constexpr std::int64_t kRun = 64;
  return type == DType::bf16 ? channels : std::min(channels, kRun);
}

// At each of `frequencies` ones, tiles [capacity, from] x weights [from, to], one member's. Both
// lie in runs of channels: [from / run][36][capacity][run] and [from / run][36][run][to].
class ChannelProducts {
 public:
  ChannelProducts(std::int64_t frequencies, std::int64_t capacity, std::int64_t from,
                  std::int64_t to, std::int64_t run, DType type)
      : capacity_(capacity), from_(from), to_(to), run_(run) {
    const auto plan = [=](std::int64_t channels, bool more) {
      return Matmul::Plan{.m = capacity,
                          .n = to,
                          .k = channels,
                          .batch = frequencies,
                          .accumulate = more,
                          .type = type,
                          .single_thread = true};
    };
    first_.emplace(plan(run_, false));
    if (from >= 2 * run_) next_.emplace(plan(run_, true));
    if (from % run_ > 0) last_.emplace(plan(from % run_, true));
  }
  /// From frequency `f` on.
  template <class F>
  void run(const F* tiles, const F* weights, std::int64_t f, float* sums) {
    for (std::int64_t c = 0; c < from_; c += run_) {
      const std::int64_t lanes = std::min(run_, from_ - c);
      auto& product = c == 0 ? first_ : lanes < run_ ? last_ : next_;
      product->run(tiles + (kFrequencies * c + f * lanes) * capacity_,
                   weights + (kFrequencies * c + f * lanes) * to_, nullptr,
                   sums + f * capacity_ * to_);
    }
  }

 private:
  std::int64_t capacity_, from_, to_, run_;
  std::optional<Matmul> first_, next_, last_;
};

// Images [from channels] -> images [to channels] of the same size: the forward pass, and with
// flipped weights the gradient of data. The products are of frequencies of type `frequencies`.
// Where the weights are more than the tiles, it is they that members must not all read: all tiles
// are transformed first, and the members share out the frequencies.
class WinogradImages {
 public:
  WinogradImages(const ConvShape& s, bool flipped, DType frequencies)
      : tiling_(s),
        flipped_(flipped),
        from_(flipped ? s.out_channels : s.c),
        to_(flipped ? s.c : s.out_channels),
        type_(frequencies),
        run_(run_of_channels(from_, s.type)),
        members_(threads()),
        by_frequency_(tiling_.rows() * tiling_.across * (from_ + to_) <= from_ * to_),
        rows_(by_frequency_ ? tiling_.rows() : rows_of_block(tiling_, from_, to_)),
        capacity_(rows_ * tiling_.across),
        blocks_((tiling_.rows() + rows_ - 1) / rows_),
        reorder_(plain_weights(s), tap_matrices(s, flipped, DType::f32)) {
    nine_ = scratch_.add(9 * from_ * to_);
    weights_ = scratch_.add(kFrequencies * from_ * to_, type_);
    for (std::int64_t p = 0; p < members_; ++p) {
      products_.emplace_back(by_frequency_ ? 1 : kFrequencies, capacity_, from_, to_, run_, type_);
      transforms_.push_back(scratch_.add(TransformPair<float>::scratch(tiling_, from_, to_)));
      if (p > 0 && by_frequency_) continue;
      tiles_.push_back(scratch_.add(kFrequencies * capacity_ * from_, type_));
      sums_.push_back(scratch_.add(kFrequencies * capacity_ * to_));
    }
    scratch_.take();
  }

  template <class T>
  void run(const T* x, const float* weight, const RowEpilogue* epilogue, T* y) {
    float* const base = scratch_.take();
    for_frequency_type<T>(type_, [&]<class F>(F*) {
      F* const weights = reinterpret_cast<F*>(base + weights_);
      reorder_.run(weight, base + nine_);
      for (std::int64_t c = 0; c < from_; c += run_)
        transform_weights(base + nine_ + c * to_, from_ * to_, std::min(run_, from_ - c) * to_,
                          flipped_, weights + kFrequencies * c * to_);
      by_frequency_ ? run_by_frequency(x, weights, epilogue, base, y)
                    : run_by_block(x, weights, epilogue, base, y);
    });
  }

 private:
  template <class T>
  TransformPair<T> transforms(std::int64_t member, float* base) const {
    return {tiling_, from_, to_, base + transforms_[static_cast<std::size_t>(member)], run_};
  }

  template <class F, class T>
  void run_by_block(const T* x, const F* weights, const RowEpilogue* epilogue, float* base, T* y) {
    for_each_member(members_, [=, this](std::int64_t p) {
      const auto member = static_cast<std::size_t>(p);
      F* const tiles = reinterpret_cast<F*>(base + tiles_[member]);
      float* const sums = base + sums_[member];
      const auto pair = transforms<T>(p, base);
      for (std::int64_t b = blocks_ * p / members_; b < blocks_ * (p + 1) / members_; ++b) {
        const Block block{b * rows_, std::min(rows_, tiling_.rows() - b * rows_), capacity_};
        pair.in.inputs(x, block, tiles);
        products_[member].run(tiles, weights, 0, sums);
        pair.out.outputs(sums, block, epilogue, y);
      }
    });
  }

  template <class F, class T>
  void run_by_frequency(const T* x, const F* weights, const RowEpilogue* epilogue, float* base,
                        T* y) {
    F* const tiles = reinterpret_cast<F*>(base + tiles_[0]);
    float* const sums = base + sums_[0];
    for_each_member(members_, [=, this](std::int64_t p) {
      transforms<T>(p, base).in.inputs(x, share_of_rows(tiling_, p, members_), tiles);
    });
    for_each_member(members_, [=, this](std::int64_t p) {
      for (std::int64_t f = kFrequencies * p / members_; f < kFrequencies * (p + 1) / members_; ++f)
        products_[static_cast<std::size_t>(p)].run(tiles, weights, f, sums);
    });
    for_each_member(members_, [=, this](std::int64_t p) {
      transforms<T>(p, base).out.outputs(sums, share_of_rows(tiling_, p, members_), epilogue, y);
    });
  }

  Tiling tiling_;
  bool flipped_;
  std::int64_t from_, to_;
  DType type_;
  std::int64_t run_, members_;
  bool by_frequency_;
  std::int64_t rows_, capacity_, blocks_;
  api::Reorder reorder_;
  std::vector<ChannelProducts> products_;
  Scratch scratch_;
  std::int64_t nine_ = 0, weights_ = 0;
  std::vector<std::int64_t> tiles_, sums_, transforms_;  // by member
};

class WinogradForward final : public ConvForward {
 public:
  explicit WinogradForward(const ConvShape& s)
      : shape_(s),
        images_(s, false, DType::f32),
        scale_(static_cast<std::size_t>(s.w * s.out_channels)),
        shift_(scale_.size()) {}
  void run(const void* x, const float* weight, const ConvEpilogueData& more, void* y) override {
    const std::int64_t channels = shape_.out_channels, width = shape_.w * channels;
    repeat_factor(more.scale, 1, channels, width, scale_.data());
    repeat_factor(more.shift, 0, channels, width, shift_.data());
    const RowEpilogue epilogue{shape_.epilogue, scale_.data(), shift_.data(), more.residual};
    const bool needed = shape_.epilogue.shift || shape_.epilogue.more_than_bias();
    for_float_type(shape_.type, [&]<class T>(T*) {
      images_.run(static_cast<const T*>(x), weight, needed ? &epilogue : nullptr,
                  static_cast<T*>(y));
    });
  }

 private:
  ConvShape shape_;
  WinogradImages images_;
  std::vector<float> scale_, shift_;  // along a row of pixels
};

class WinogradBackwardData final : public ConvBackwardData {
 public:
  WinogradBackwardData(const ConvShape& s, DType frequencies)
      : type_(s.type), images_(s, true, frequencies) {}
  void run(const void* dy, const float* weight, void* dx) override {
    for_float_type(type_, [&]<class T>(T*) {
      images_.run(static_cast<const T*>(dy), weight, nullptr, static_cast<T*>(dx));
    });
  }

 private:
  DType type_;
  WinogradImages images_;
};

}  // namespace

bool winograd_fits(const ConvShape& s) {
  return s.kernel_h == kKernel && s.kernel_w == kKernel && s.stride == 1 && s.padding == 1 &&
         s.groups == 1;
}

std::unique_ptr<ConvForward> winograd_forward(const ConvShape& shape) {
  return std::make_unique<WinogradForward>(shape);
}
std::unique_ptr<ConvBackwardData> winograd_backward_data(const ConvShape& shape) {
  return std::make_unique<WinogradBackwardData>(shape, DType::f32);
}

bool winograd_bf16_fits(const ConvShape& s) { return winograd_fits(s) && s.type == DType::bf16; }

std::unique_ptr<ConvBackwardData> winograd_bf16_backward_data(const ConvShape& shape) {
  return std::make_unique<WinogradBackwardData>(shape, DType::bf16);
}

}  // namespace bitwright::kernels
