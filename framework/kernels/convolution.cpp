#include "kernels/convolution.h"

#include <optional>
#include <unordered_map>

#include "kernels/dnnl_api.h"

namespace bitwright::kernels {
namespace {

using Arguments = std::unordered_map<int, dnnl::memory>;
using Tag = dnnl::memory::format_tag;
constexpr auto kF32 = dnnl::memory::data_type::f32;

void bind(dnnl::memory& memory, const float* data) {
  memory.set_data_handle(const_cast<float*>(data));
}

// Weights between the plain form that the rest of the program knows and a primitive's own.
struct WeightReorder {
  dnnl::memory plain, inner;
  dnnl::reorder primitive;
  bool same = false;

  WeightReorder(const api::Desc& plain_desc, const api::Desc& inner_desc, bool to_inner)
      : plain(api::unbound(plain_desc)), same(plain_desc == inner_desc) {
    inner = same ? plain : api::owned(inner_desc);
    if (!same) primitive = to_inner ? dnnl::reorder(plain, inner) : dnnl::reorder(inner, plain);
  }
  void load(const float* weight) {
    bind(plain, weight);
    if (!same) primitive.execute(api::stream(), plain, inner);
  }
  void store() {
    if (!same) primitive.execute(api::stream(), inner, plain);
  }
};

struct Pass {
  dnnl::primitive primitive;
  WeightReorder weight;
  Arguments arguments;
};

}  // namespace

struct Convolution::Impl {
  api::Desc image, plain_weight, any_weight, bias_desc, result;
  api::Dims stride, padding;
  dnnl::convolution_forward::primitive_desc forward_desc;
  dnnl::memory x, y, bias;
  std::optional<Pass> forward, data, weights;

  explicit Impl(const Plan& p);
  Pass& data_pass();
  Pass& weights_pass();
};

Convolution::Impl::Impl(const Plan& p)
    : image({p.n, p.c, p.h, p.w}, kF32, Tag::nhwc),
      plain_weight({p.out_channels, p.c, p.kernel_h, p.kernel_w}, kF32, Tag::oihw),
      any_weight({p.out_channels, p.c, p.kernel_h, p.kernel_w}, kF32, Tag::any),
      result({p.n, p.out_channels, p.out_h(), p.out_w()}, kF32, Tag::nhwc),
      stride{p.stride, p.stride},
      padding{p.padding, p.padding} {
  if (p.bias) bias_desc = api::Desc({p.out_channels}, kF32, Tag::x);
  forward_desc = api::conv_forward(api::engine(), dnnl::prop_kind::forward_training, image,
                                   any_weight, bias_desc, result, stride, padding);
  x = api::unbound(image);
  y = api::unbound(result);
  WeightReorder weight(plain_weight, forward_desc.weights_desc(), true);
  Arguments arguments{{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, weight.inner}, {DNNL_ARG_DST, y}};
  if (p.bias) {
    bias = api::unbound(bias_desc);
    arguments.emplace(DNNL_ARG_BIAS, bias);
  }
  forward.emplace(Pass{dnnl::convolution_forward(forward_desc), weight, arguments});
}

Pass& Convolution::Impl::data_pass() {
  if (!data) {
    const auto desc = api::conv_backward_data(api::engine(), image, any_weight, result, stride,
                                              padding, forward_desc);
    WeightReorder weight(plain_weight, desc.weights_desc(), true);
    data.emplace(
        Pass{dnnl::convolution_backward_data(desc),
             weight,
             {{DNNL_ARG_DIFF_DST, y}, {DNNL_ARG_WEIGHTS, weight.inner}, {DNNL_ARG_DIFF_SRC, x}}});
  }
  return *data;
}

Pass& Convolution::Impl::weights_pass() {
  if (!weights) {
    const auto desc = api::conv_backward_weights(api::engine(), image, any_weight, bias_desc,
                                                 result, stride, padding, forward_desc);
    WeightReorder weight(plain_weight, desc.diff_weights_desc(), false);
    Arguments arguments{
        {DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, y}, {DNNL_ARG_DIFF_WEIGHTS, weight.inner}};
    if (bias) arguments.emplace(DNNL_ARG_DIFF_BIAS, bias);
    weights.emplace(Pass{dnnl::convolution_backward_weights(desc), weight, arguments});
  }
  return *weights;
}

Convolution::Convolution(const Plan& plan) : impl_(std::make_unique<Impl>(plan)) {}
Convolution::~Convolution() = default;

void Convolution::forward(const float* x, const float* weight, const float* bias, float* y) {
  bind(impl_->x, x);
  bind(impl_->y, y);
  if (impl_->bias) bind(impl_->bias, bias);
  impl_->forward->weight.load(weight);
  impl_->forward->primitive.execute(api::stream(), impl_->forward->arguments);
  api::stream().wait();
}

void Convolution::backward_data(const float* dy, const float* weight, float* dx) {
  Pass& pass = impl_->data_pass();
  bind(impl_->x, dx);
  bind(impl_->y, dy);
  pass.weight.load(weight);
  pass.primitive.execute(api::stream(), pass.arguments);
  api::stream().wait();
}

void Convolution::backward_weights(const float* x, const float* dy, float* dw, float* dbias) {
  Pass& pass = impl_->weights_pass();
  bind(impl_->x, x);
  bind(impl_->y, dy);
  if (impl_->bias) bind(impl_->bias, dbias);
  bind(pass.weight.plain, dw);
  pass.primitive.execute(api::stream(), pass.arguments);
  pass.weight.store();
  api::stream().wait();
}

}  // namespace bitwright::kernels
