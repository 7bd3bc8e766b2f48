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
#include <array>
#include <optional>
#include <type_traits>
#include <vector>

#include <bitwright/core/parallel.h>

#include "kernels/convolution_epilogue.h"
#include "kernels/convolution_weights.h"
#include "kernels/dnnl_api.h"
#include "kernels/matmul.h"
#include "kernels/winograd_rows.h"
#include "kernels/workspace.h"

namespace bitwright::kernels {
namespace {

using namespace winograd;

// Tile rows that one member handles at a time: about a megabyte of frequencies, and work for all.
// Large weights, which every block reads as a whole, ask for larger blocks.
std::int64_t rows_of_block(const Tiling& tiling, std::int64_t channels, std::int64_t out_channels) {
  constexpr std::int64_t kFloats = 300'000;
  const std::int64_t tiles = kFloats / (kFrequencies * (channels + out_channels));
  const std::int64_t fewest = kFrequencies * channels * out_channels > 5'000'000 ? 128 : 32;
  const std::int64_t rows = std::clamp<std::int64_t>(tiles, fewest, 512) / tiling.across;
  const std::int64_t share = (tiling.rows() + threads() - 1) / threads();
  return std::clamp<std::int64_t>(rows, 1, share);
}

// Sums over many channels are made of shorter ones, which halves their rounding errors: the inverse
// transform cancels much of what it is given and so enlarges them. Results in bf16 do not show
// that.
std::int64_t run_of_channels(std::int64_t channels, DType type) {
  constexpr std::int64_t kRun = 64;
  return type == DType::bf16 ? channels : std::min(channels, kRun);
}

// Calls f(F*) for frequencies of type F of images of type T.
template <class T, class Function>
void for_frequency_type(DType type, const Function& f) {
  if constexpr (std::is_same_v<T, float>)
    f(static_cast<float*>(nullptr));  // those of f32 images are always f32
  else
    for_float_type(type, f);
}

// A two-dimensional transform of IN x IN arrays of `lanes` elements: along columns, then along
// rows.
template <int IN, int OUT, class Out, class Transform>
void transform_2d(const float* const* in, Out* const* out, float* temporary, std::int64_t lanes,
                  const Transform& one) {
  for (int j = 0; j < IN; ++j) {
    const float* from[IN];
    float* to[OUT];
    for (int i = 0; i < IN; ++i) from[i] = in[i * IN + j];
    for (int k = 0; k < OUT; ++k) to[k] = temporary + (k * IN + j) * lanes;
    one(from, to, lanes);
  }
  for (int k = 0; k < OUT; ++k) {
    const float* from[IN];
    for (int j = 0; j < IN; ++j) from[j] = temporary + (k * IN + j) * lanes;
    one(from, out + k * OUT, lanes);
  }
}

constexpr std::int64_t kLanes = 256;  // weights are transformed in strips that stay in cache

// `each` elements of 9 matrices, which begin `distance` apart, to 36 frequencies. `flipped` turns
// the kernel by half a circle.
template <class F>
void transform_weights(const float* nine, std::int64_t distance, std::int64_t each, bool flipped,
                       F* frequencies) {
  parallel_for((each + kLanes - 1) / kLanes, 4, [=](std::int64_t begin, std::int64_t end) {
    std::array<float, kPatch * kKernel * kLanes> temporary;
    for (std::int64_t strip = begin; strip < end; ++strip) {
      const std::int64_t at = strip * kLanes, lanes = std::min(kLanes, each - at);
      const float* from[kKernel * kKernel];
      F* to[kFrequencies];
      for (int k = 0; k < 9; ++k) from[k] = nine + (flipped ? 8 - k : k) * distance + at;
      for (int f = 0; f < kFrequencies; ++f) to[f] = frequencies + f * each + at;
      transform_2d<kKernel, kPatch>(from, to, temporary.data(), lanes, WeightTransform{});
    }
  });
}

void transform_weight_gradients(const float* frequencies, std::int64_t each, float* nine) {
  parallel_for((each + kLanes - 1) / kLanes, 4, [=](std::int64_t begin, std::int64_t end) {
    std::array<float, kPatch * kKernel * kLanes> temporary;
    for (std::int64_t strip = begin; strip < end; ++strip) {
      const std::int64_t at = strip * kLanes, lanes = std::min(kLanes, each - at);
      const float* from[kFrequencies];
      float* to[kKernel * kKernel];
      for (int f = 0; f < kFrequencies; ++f) from[f] = frequencies + f * each + at;
      for (int k = 0; k < 9; ++k) to[k] = nine + k * each + at;
      transform_2d<kPatch, kKernel>(from, to, temporary.data(), lanes, WeightGradientTransform{});
    }
  });
}

// Scratch that several parts of one call share. Places are in floats, whatever lies there.
class Scratch {
 public:
  std::int64_t add(std::int64_t elements, DType type = DType::f32) {
    constexpr std::int64_t kLine = 64;
    const std::int64_t at = size_, bytes = elements * std::int64_t(size_of(type));
    size_ += (bytes + kLine - 1) / kLine * kLine / std::int64_t(sizeof(float));
    return at;
  }
  float* take() const {
    return reinterpret_cast<float*>(workspace(static_cast<std::size_t>(size_) * sizeof(float)));
  }

 private:
  std::int64_t size_ = 0;
};

// part(p) for every member p of the team.
template <class Part>
void for_each_member(std::int64_t members, const Part& part) {
  parallel_for(members, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) part(p);
  });
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
      transforms_.push_back(scratch_.add(RowTransforms<float>::scratch(tiling_, from_) +
                                         RowTransforms<float>::scratch(tiling_, to_)));
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
  // A member's transforms of what it reads and of what it writes.
  template <class T>
  struct Transforms {
    RowTransforms<T> from, to;
    Transforms(const WinogradImages& self, std::size_t member, float* base)
        : from(self.tiling_, self.from_, base + self.transforms_[member], self.run_),
          to(self.tiling_, self.to_,
             base + self.transforms_[member] +
                 RowTransforms<T>::scratch(self.tiling_, self.from_)) {}
  };

  template <class F, class T>
  void run_by_block(const T* x, const F* weights, const RowEpilogue* epilogue, float* base, T* y) {
    for_each_member(members_, [=, this](std::int64_t p) {
      const auto member = static_cast<std::size_t>(p);
      F* const tiles = reinterpret_cast<F*>(base + tiles_[member]);
      float* const sums = base + sums_[member];
      const Transforms<T> transforms(*this, member, base);
      for (std::int64_t b = blocks_ * p / members_; b < blocks_ * (p + 1) / members_; ++b) {
        const Block block{b * rows_, std::min(rows_, tiling_.rows() - b * rows_), capacity_};
        transforms.from.inputs(x, block, tiles);
        products_[member].run(tiles, weights, 0, sums);
        transforms.to.outputs(sums, block, epilogue, y);
      }
    });
  }

  template <class F, class T>
  void run_by_frequency(const T* x, const F* weights, const RowEpilogue* epilogue, float* base,
                        T* y) {
    F* const tiles = reinterpret_cast<F*>(base + tiles_[0]);
    float* const sums = base + sums_[0];
    for_each_member(members_, [=, this](std::int64_t p) {
      Transforms<T>(*this, static_cast<std::size_t>(p), base)
          .from.inputs(x, share_of_rows(tiling_, p, members_), tiles);
    });
    for_each_member(members_, [=, this](std::int64_t p) {
      for (std::int64_t f = kFrequencies * p / members_; f < kFrequencies * (p + 1) / members_; ++f)
        products_[static_cast<std::size_t>(p)].run(tiles, weights, f, sums);
    });
    for_each_member(members_, [=, this](std::int64_t p) {
      Transforms<T>(*this, static_cast<std::size_t>(p), base)
          .to.outputs(sums, share_of_rows(tiling_, p, members_), epilogue, y);
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

// At each frequency, dU = sum over tiles of V^T dM. With few channels every member sums the tiles
// of its blocks and the sums are added at the end; with many the sums would outgrow the caches, so
// all tiles are transformed first and the members share out the frequencies.
class WinogradBackwardWeights final : public ConvBackwardWeights {
 public:
  WinogradBackwardWeights(const ConvShape& s, DType frequencies)
      : type_(s.type),
        frequency_(frequencies),
        tiling_(s),
        in_(s.c),
        out_(s.out_channels),
        members_(threads()),
        by_frequency_(s.c * s.out_channels > 128 * 128),
        rows_(by_frequency_ ? tiling_.rows() : rows_of_block(tiling_, in_, out_)),
        capacity_(rows_ * tiling_.across),
        blocks_((tiling_.rows() + rows_ - 1) / rows_),
        reorder_(tap_matrices(s, false, DType::f32), plain_weights(s)) {
    for (std::int64_t p = 0; p < members_; ++p)
      products_.emplace_back(Matmul::Plan{.m = in_,
                                          .n = out_,
                                          .k = capacity_,
                                          .batch = by_frequency_ ? 1 : kFrequencies,
                                          .transpose_a = true,
                                          .accumulate = !by_frequency_,
                                          .type = frequency_,
                                          .single_thread = true});
    nine_ = scratch_.add(9 * in_ * out_);
    for (std::int64_t p = 0; p < members_; ++p) {
      transforms_.push_back(scratch_.add(RowTransforms<float>::scratch(tiling_, in_) +
                                         RowTransforms<float>::scratch(tiling_, out_)));
      if (p > 0 && by_frequency_) continue;
      sums_.push_back(scratch_.add(kFrequencies * in_ * out_));
      inputs_.push_back(scratch_.add(kFrequencies * capacity_ * in_, frequency_));
      outputs_.push_back(scratch_.add(kFrequencies * capacity_ * out_, frequency_));
    }
    scratch_.take();
  }

  void run(const void* x, const void* dy, float* dw) override {
    float* const base = scratch_.take();
    for_float_type(type_, [&]<class T>(T*) {
      const T *images = static_cast<const T*>(x), *gradients = static_cast<const T*>(dy);
      for_frequency_type<T>(frequency_, [&]<class F>(F*) {
        by_frequency_ ? sum_by_frequency<F>(images, gradients, base)
                      : sum_by_tile<F>(images, gradients, base);
      });
    });
    transform_weight_gradients(base + sums_[0], in_ * out_, base + nine_);
    reorder_.run(base + nine_, dw);
  }

 private:
  // A member's transforms of inputs and of gradients.
  template <class T>
  struct Transforms {
    RowTransforms<T> in, out;
    Transforms(const WinogradBackwardWeights& self, std::size_t member, float* base)
        : in(self.tiling_, self.in_, base + self.transforms_[member]),
          out(self.tiling_, self.out_,
              base + self.transforms_[member] + RowTransforms<T>::scratch(self.tiling_, self.in_)) {
    }
  };

  template <class F, class T>
  void sum_by_tile(const T* x, const T* dy, float* base) {
    const std::int64_t size = kFrequencies * in_ * out_;
    for_each_member(members_, [=, this](std::int64_t p) {
      const auto member = static_cast<std::size_t>(p);
      float* const sums = base + sums_[member];
      F *const v = reinterpret_cast<F*>(base + inputs_[member]), *const m = reinterpret_cast<F*>(
                                                                     base + outputs_[member]);
      const Transforms<T> transforms(*this, member, base);
      std::fill_n(sums, size, 0.f);
      for (std::int64_t b = blocks_ * p / members_; b < blocks_ * (p + 1) / members_; ++b) {
        const Block block{b * rows_, std::min(rows_, tiling_.rows() - b * rows_), capacity_};
        if (block.count < rows_) {  // the tiles that are missing count nothing
          std::fill_n(v, kFrequencies * capacity_ * in_, F(0.f));
          std::fill_n(m, kFrequencies * capacity_ * out_, F(0.f));
        }
        transforms.in.inputs(x, block, v);
        transforms.out.output_gradients(dy, block, m);
        products_[member].run(v, m, nullptr, sums);
      }
    });
    float* const total = base + sums_[0];
    for (std::size_t p = 1; p < sums_.size(); ++p) {
      const float* const more = base + sums_[p];
      parallel_for(size, 16384, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) total[i] += more[i];
      });
    }
  }

  template <class F, class T>
  void sum_by_frequency(const T* x, const T* dy, float* base) {
    F *const v = reinterpret_cast<F*>(base + inputs_[0]), *const m = reinterpret_cast<F*>(
                                                              base + outputs_[0]);
    for_each_member(members_, [=, this](std::int64_t p) {
      const Block block = share_of_rows(tiling_, p, members_);
      const Transforms<T> transforms(*this, static_cast<std::size_t>(p), base);
      transforms.in.inputs(x, block, v);
      transforms.out.output_gradients(dy, block, m);
    });
    for_each_member(members_, [=, this](std::int64_t p) {
      for (std::int64_t f = kFrequencies * p / members_; f < kFrequencies * (p + 1) / members_; ++f)
        products_[static_cast<std::size_t>(p)].run(v + f * capacity_ * in_,
                                                   m + f * capacity_ * out_, nullptr,
                                                   base + sums_[0] + f * in_ * out_);
    });
  }

  DType type_, frequency_;
  Tiling tiling_;
  std::int64_t in_, out_, members_;
  bool by_frequency_;
  std::int64_t rows_, capacity_, blocks_;
  api::Reorder reorder_;
  std::vector<Matmul> products_;
  Scratch scratch_;
  std::int64_t nine_ = 0;
  std::vector<std::int64_t> transforms_, sums_, inputs_, outputs_;
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
std::unique_ptr<ConvBackwardWeights> winograd_backward_weights(const ConvShape& shape) {
  return std::make_unique<WinogradBackwardWeights>(shape, DType::f32);
}

bool winograd_bf16_fits(const ConvShape& s) { return winograd_fits(s) && s.type == DType::bf16; }

std::unique_ptr<ConvBackwardData> winograd_bf16_backward_data(const ConvShape& shape) {
  return std::make_unique<WinogradBackwardData>(shape, DType::bf16);
}
std::unique_ptr<ConvBackwardWeights> winograd_bf16_backward_weights(const ConvShape& shape) {
  return std::make_unique<WinogradBackwardWeights>(shape, DType::bf16);
}

}  // namespace bitwright::kernels
