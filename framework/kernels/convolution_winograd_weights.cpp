// Gradients of weights by Winograd's F(4x4, 3x3); see convolution_winograd.cpp.
#include <algorithm>
#include <vector>

#include <bitwright/core/parallel.h>

#include "kernels/convolution_weights.h"
#include "kernels/dnnl_api.h"
#include "kernels/matmul.h"
#include "kernels/winograd_passes.h"
#include "kernels/winograd_weights.h"

namespace bitwright::kernels {
namespace {

using namespace winograd;

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
      transforms_.push_back(scratch_.add(TransformPair<float>::scratch(tiling_, in_, out_)));
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
  template <class T>
  TransformPair<T> transforms(std::int64_t member, float* base) const {
    return {tiling_, in_, out_, base + transforms_[static_cast<std::size_t>(member)]};
  }

  template <class F, class T>
  void sum_by_tile(const T* x, const T* dy, float* base) {
    const std::int64_t size = kFrequencies * in_ * out_;
    for_each_member(members_, [=, this](std::int64_t p) {
      const auto member = static_cast<std::size_t>(p);
      float* const sums = base + sums_[member];
      F *const v = reinterpret_cast<F*>(base + inputs_[member]), *const m = reinterpret_cast<F*>(
                                                                     base + outputs_[member]);
      const auto pair = transforms<T>(p, base);
      std::fill_n(sums, size, 0.f);
      for (std::int64_t b = blocks_ * p / members_; b < blocks_ * (p + 1) / members_; ++b) {
        const Block block{b * rows_, std::min(rows_, tiling_.rows() - b * rows_), capacity_};
        if (block.count < rows_) {  // the tiles that are missing count nothing
          std::fill_n(v, kFrequencies * capacity_ * in_, F(0.f));
          std::fill_n(m, kFrequencies * capacity_ * out_, F(0.f));
        }
        pair.in.inputs(x, block, v);
        pair.out.output_gradients(dy, block, m);
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
      const auto pair = transforms<T>(p, base);
      pair.in.inputs(x, block, v);
      pair.out.output_gradients(dy, block, m);
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

std::unique_ptr<ConvBackwardWeights> winograd_backward_weights(const ConvShape& shape) {
  return std::make_unique<WinogradBackwardWeights>(shape, DType::f32);
}

std::unique_ptr<ConvBackwardWeights> winograd_bf16_backward_weights(const ConvShape& shape) {
  return std::make_unique<WinogradBackwardWeights>(shape, DType::bf16);
}

}  // namespace bitwright::kernels
