// Direct convolution by oneDNN. Weights are reordered to the form that a primitive prefers before
// each call, from f32 to bf16 where images are bf16.
#include <string>
#include <unordered_map>

#include "kernels/convolution_epilogue.h"
#include "kernels/cpu.h"
#include "kernels/dnnl_api.h"
#include "kernels/emulated_bf16.h"

namespace bitwright::kernels {
namespace {

using Arguments = std::unordered_map<int, dnnl::memory>;
using Tag = dnnl::memory::format_tag;

// How oneDNN sees one layer.
struct Layer {
  api::Desc image, result, plain_weight, any_weight, any_gradient;
  api::Dims stride, padding;
  dnnl::convolution_forward::primitive_desc forward;  // without epilogue

  explicit Layer(const ConvShape& s)
      : image({s.n, s.c, s.h, s.w}, api::type_of(s.type), Tag::nhwc),
        result({s.n, s.out_channels, s.out_h(), s.out_w()}, api::type_of(s.type), Tag::nhwc),
        stride{s.stride, s.stride},
        padding{s.padding, s.padding} {
    const auto f32 = dnnl::memory::data_type::f32;
    const bool grouped = s.groups > 1;
    api::Dims dims{s.out_channels, s.c / s.groups, s.kernel_h, s.kernel_w};
    if (grouped) {
      dims[0] /= s.groups;
      dims.insert(dims.begin(), s.groups);
    }
    plain_weight = {dims, f32, grouped ? Tag::goihw : Tag::oihw};
    any_weight = {dims, api::type_of(s.type), Tag::any};
    any_gradient = {dims, f32, Tag::any};
    forward = with(dnnl::prop_kind::forward_training, {}, {});
  }
  dnnl::convolution_forward::primitive_desc with(dnnl::prop_kind kind, const api::Desc& bias,
                                                 const dnnl::primitive_attr& attributes) const {
    return api::conv_forward(api::engine(), kind, image, any_weight, bias, result, stride, padding,
                             attributes);
  }
};

// Weights on their way into a primitive.
class WeightForm {
 public:
  WeightForm(const api::Desc& plain, const api::Desc& inner)
      : reorder_(plain, inner),
        memory_(reorder_.trivial() ? api::unbound(inner) : api::owned(inner)) {}
  const dnnl::memory& memory() const { return memory_; }
  void load(const float* weight) {
    if (reorder_.trivial())
      api::bind(memory_, weight);
    else
      reorder_.run(weight, memory_.get_data_handle());
  }

 private:
  api::Reorder reorder_;
  dnnl::memory memory_;
};

// The epilogue as oneDNN's bias and post-operations.
class PostOps {
 public:
  PostOps(const ConvShape& s, const Layer& layer) {
    const auto f32 = dnnl::memory::data_type::f32;
    const api::Desc per_channel({1, s.out_channels, 1, 1}, f32, Tag::nchw);
    dnnl::post_ops ops;
    if (s.epilogue.shift && !s.epilogue.scale) {
      bias_ = {{s.out_channels}, f32, Tag::x};
      add(DNNL_ARG_BIAS, bias_, shift_);
    }
    if (s.epilogue.scale) {
      append(ops, dnnl::algorithm::binary_mul, per_channel, scale_);
      if (s.epilogue.shift) append(ops, dnnl::algorithm::binary_add, per_channel, shift_);
    }
    if (s.epilogue.residual) append(ops, dnnl::algorithm::binary_add, layer.result, residual_);
    if (s.epilogue.relu) api::append_relu(ops);
    attributes_.set_post_ops(ops);
  }
  const api::Desc& bias() const { return bias_; }
  const dnnl::primitive_attr& attributes() const { return attributes_; }
  const Arguments& arguments() const { return arguments_; }
  void load(const ConvEpilogueData& more) {
    if (shift_) api::bind(shift_, more.shift);
    if (scale_) api::bind(scale_, more.scale);
    if (residual_) api::bind(residual_, more.residual);
  }

 private:
  void add(int argument, const api::Desc& desc, dnnl::memory& memory) {
    memory = api::unbound(desc);
    arguments_.emplace(argument, memory);
  }
  void append(dnnl::post_ops& ops, dnnl::algorithm algorithm, const api::Desc& desc,
              dnnl::memory& memory) {
    add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(ops.len()) | DNNL_ARG_SRC_1, desc, memory);
    ops.append_binary(algorithm, desc);
  }

  api::Desc bias_;
  dnnl::primitive_attr attributes_;
  Arguments arguments_;
  dnnl::memory scale_, shift_, residual_;
};

class DirectForward final : public ConvForward {
 public:
  explicit DirectForward(const ConvShape& shape)
      : layer_(shape),
        post_ops_(shape, layer_),
        desc_(layer_.with(shape.epilogue.more_than_bias() ? dnnl::prop_kind::forward_inference
                                                          : dnnl::prop_kind::forward_training,
                          post_ops_.bias(), post_ops_.attributes())),
        primitive_(desc_),
        weight_(layer_.plain_weight, desc_.weights_desc()),
        x_(api::unbound(layer_.image)),
        y_(api::unbound(layer_.result)),
        arguments_(post_ops_.arguments()) {
    arguments_.emplace(DNNL_ARG_SRC, x_);
    arguments_.emplace(DNNL_ARG_WEIGHTS, weight_.memory());
    arguments_.emplace(DNNL_ARG_DST, y_);
  }
  /// Where oneDNN has no fast kernel for post-operations it falls back to loops that are slow, or
  /// to gemm, which in 2.6 gets them wrong (binary ones, beyond a multiple of 16 channels).
  bool has_kernel() const {
    const std::string name = desc_.impl_info_str();
    return name.find("ref") == std::string::npos && name.find("gemm") == std::string::npos;
  }
  void run(const void* x, const float* weight, const ConvEpilogueData& more, void* y) override {
    api::bind(x_, x);
    api::bind(y_, y);
    post_ops_.load(more);
    weight_.load(weight);
    primitive_.execute(api::stream(), arguments_);
    api::stream().wait();
  }

 private:
  Layer layer_;
  PostOps post_ops_;
  dnnl::convolution_forward::primitive_desc desc_;
  dnnl::convolution_forward primitive_;
  WeightForm weight_;
  dnnl::memory x_, y_;
  Arguments arguments_;
};

ConvShape without_epilogue(ConvShape shape) {
  shape.epilogue = {};
  return shape;
}

class DirectThenEpilogue final : public ConvForward {
 public:
  explicit DirectThenEpilogue(const ConvShape& shape)
      : shape_(shape), inner_(without_epilogue(shape)) {}
  void run(const void* x, const float* weight, const ConvEpilogueData& more, void* y) override {
    inner_.run(x, weight, {}, y);
    for_float_type(shape_.type, [&]<class T>(T*) {
      finish_outputs(shape_, more, static_cast<const T*>(y), static_cast<T*>(y));
    });
  }

 private:
  ConvShape shape_;
  DirectForward inner_;
};

class DirectBackwardData final : public ConvBackwardData {
 public:
  explicit DirectBackwardData(const ConvShape& shape)
      : layer_(shape),
        desc_(api::conv_backward_data(api::engine(), layer_.image, layer_.any_weight, layer_.result,
                                      layer_.stride, layer_.padding, layer_.forward)),
        primitive_(desc_),
        weight_(layer_.plain_weight, desc_.weights_desc()),
        dx_(api::unbound(layer_.image)),
        dy_(api::unbound(layer_.result)),
        arguments_{{DNNL_ARG_DIFF_DST, dy_},
                   {DNNL_ARG_WEIGHTS, weight_.memory()},
                   {DNNL_ARG_DIFF_SRC, dx_}} {}
  void run(const void* dy, const float* weight, void* dx) override {
    api::bind(dy_, dy);
    api::bind(dx_, dx);
    weight_.load(weight);
    primitive_.execute(api::stream(), arguments_);
    api::stream().wait();
  }

 private:
  Layer layer_;
  dnnl::convolution_backward_data::primitive_desc desc_;
  dnnl::convolution_backward_data primitive_;
  WeightForm weight_;
  dnnl::memory dx_, dy_;
  Arguments arguments_;
};

class DirectBackwardWeights final : public ConvBackwardWeights {
 public:
  explicit DirectBackwardWeights(const ConvShape& shape)
      : layer_(shape),
        desc_(api::conv_backward_weights(api::engine(), layer_.image, layer_.any_gradient,
                                         layer_.result, layer_.stride, layer_.padding,
                                         layer_.forward)),
        primitive_(desc_),
        reorder_(desc_.diff_weights_desc(), layer_.plain_weight),
        x_(api::unbound(layer_.image)),
        dy_(api::unbound(layer_.result)),
        dw_(reorder_.trivial() ? api::unbound(desc_.diff_weights_desc())
                               : api::owned(desc_.diff_weights_desc())),
        arguments_{{DNNL_ARG_SRC, x_}, {DNNL_ARG_DIFF_DST, dy_}, {DNNL_ARG_DIFF_WEIGHTS, dw_}} {}
  void run(const void* x, const void* dy, float* dw) override {
    api::bind(x_, x);
    api::bind(dy_, dy);
    if (reorder_.trivial()) api::bind(dw_, dw);
    primitive_.execute(api::stream(), arguments_);
    if (!reorder_.trivial()) reorder_.run(dw_.get_data_handle(), dw);
    api::stream().wait();
  }

 private:
  Layer layer_;
  dnnl::convolution_backward_weights::primitive_desc desc_;
  dnnl::convolution_backward_weights primitive_;
  api::Reorder reorder_;
  dnnl::memory x_, dy_, dw_;
  Arguments arguments_;
};

bool emulates(const ConvShape& shape) { return shape.type == DType::bf16 && !has_native_bf16(); }

}  // namespace

std::unique_ptr<ConvForward> direct_forward(const ConvShape& shape) {
  if (emulates(shape)) return emulated_forward(shape);
  auto fused = std::make_unique<DirectForward>(shape);
  if (!shape.epilogue.more_than_bias() || fused->has_kernel()) return fused;
  return std::make_unique<DirectThenEpilogue>(shape);
}
std::unique_ptr<ConvBackwardData> direct_backward_data(const ConvShape& shape) {
  if (emulates(shape)) return emulated_backward_data(shape);
  return std::make_unique<DirectBackwardData>(shape);
}
std::unique_ptr<ConvBackwardWeights> direct_backward_weights(const ConvShape& shape) {
  if (emulates(shape)) return emulated_backward_weights(shape);
  return std::make_unique<DirectBackwardWeights>(shape);
}

}  // namespace bitwright::kernels
