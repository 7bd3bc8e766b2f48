#pragma once
// The one place that knows that oneDNN 2.x builds primitive descriptors from operation descriptors
// and 3.x takes the arguments directly.

#include <limits>

#include <dnnl.hpp>

#include <bitwright/tensor/tensor.h>

namespace bitwright::kernels::api {

using dnnl::memory;
using Desc = memory::desc;
using Dims = memory::dims;

inline memory::data_type type_of(DType type) {
  return type == DType::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
}

/// oneDNN's ReLU turns NaN into 0; its leaky form does not, and this slope leaves of other negative
/// numbers less than any sum can show (a smaller one counts as 0 where denormals are flushed).
inline constexpr float kReluSlope = std::numeric_limits<float>::min();

// Descriptions may be empty for the bias: none then.
#if DNNL_VERSION_MAJOR >= 3

inline bool empty(const Desc& desc) { return desc.get_ndims() == 0; }

inline auto matmul(const dnnl::engine& e, const Desc& a, const Desc& b, const Desc& bias,
                   const Desc& c, const dnnl::primitive_attr& attributes) {
  using P = dnnl::matmul::primitive_desc;
  return empty(bias) ? P(e, a, b, c, attributes) : P(e, a, b, bias, c, attributes);
}
inline auto conv_forward(const dnnl::engine& e, dnnl::prop_kind kind, const Desc& x, const Desc& w,
                         const Desc& bias, const Desc& y, const Dims& stride, const Dims& pad,
                         const dnnl::primitive_attr& attributes) {
  using P = dnnl::convolution_forward::primitive_desc;
  const auto direct = dnnl::algorithm::convolution_direct;
  return empty(bias) ? P(e, kind, direct, x, w, y, stride, pad, pad, attributes)
                     : P(e, kind, direct, x, w, bias, y, stride, pad, pad, attributes);
}
inline void append_relu(dnnl::post_ops& ops) {
  ops.append_eltwise(dnnl::algorithm::eltwise_relu, kReluSlope, 0.f);
}
inline auto conv_backward_data(const dnnl::engine& e, const Desc& x, const Desc& w, const Desc& y,
                               const Dims& stride, const Dims& pad,
                               const dnnl::convolution_forward::primitive_desc& hint) {
  return dnnl::convolution_backward_data::primitive_desc(e, dnnl::algorithm::convolution_direct, x,
                                                         w, y, stride, pad, pad, hint);
}
inline auto conv_backward_weights(const dnnl::engine& e, const Desc& x, const Desc& w,
                                  const Desc& y, const Dims& stride, const Dims& pad,
                                  const dnnl::convolution_forward::primitive_desc& hint) {
  return dnnl::convolution_backward_weights::primitive_desc(e, dnnl::algorithm::convolution_direct,
                                                            x, w, y, stride, pad, pad, hint);
}

#else

inline bool empty(const Desc& desc) { return desc.data.ndims == 0; }

inline auto matmul(const dnnl::engine& e, const Desc& a, const Desc& b, const Desc& bias,
                   const Desc& c, const dnnl::primitive_attr& attributes) {
  return dnnl::matmul::primitive_desc(
      empty(bias) ? dnnl::matmul::desc(a, b, c) : dnnl::matmul::desc(a, b, bias, c), attributes, e);
}
inline auto conv_forward(const dnnl::engine& e, dnnl::prop_kind kind, const Desc& x, const Desc& w,
                         const Desc& bias, const Desc& y, const Dims& stride, const Dims& pad,
                         const dnnl::primitive_attr& attributes) {
  using C = dnnl::convolution_forward;
  const auto direct = dnnl::algorithm::convolution_direct;
  return C::primitive_desc(empty(bias) ? C::desc(kind, direct, x, w, y, stride, pad, pad)
                                       : C::desc(kind, direct, x, w, bias, y, stride, pad, pad),
                           attributes, e);
}
inline void append_relu(dnnl::post_ops& ops) {
  ops.append_eltwise(1.f, dnnl::algorithm::eltwise_relu, kReluSlope, 0.f);
}
inline auto conv_backward_data(const dnnl::engine& e, const Desc& x, const Desc& w, const Desc& y,
                               const Dims& stride, const Dims& pad,
                               const dnnl::convolution_forward::primitive_desc& hint) {
  using C = dnnl::convolution_backward_data;
  return C::primitive_desc(C::desc(dnnl::algorithm::convolution_direct, x, w, y, stride, pad, pad),
                           e, hint);
}
inline auto conv_backward_weights(const dnnl::engine& e, const Desc& x, const Desc& w,
                                  const Desc& y, const Dims& stride, const Dims& pad,
                                  const dnnl::convolution_forward::primitive_desc& hint) {
  using C = dnnl::convolution_backward_weights;
  return C::primitive_desc(C::desc(dnnl::algorithm::convolution_direct, x, w, y, stride, pad, pad),
                           e, hint);
}

#endif

/// The process's CPU engine, and an in-order stream of the calling thread.
dnnl::engine& engine();
dnnl::stream& stream();

/// While it lives, primitives are made to run on one thread: inside a parallel loop of ours.
class SingleThread {
 public:
  SingleThread();
  ~SingleThread();
  SingleThread(const SingleThread&) = delete;
  SingleThread& operator=(const SingleThread&) = delete;

 private:
  int threads_;
};

/// A memory object without storage; bind() gives it some for each call.
inline dnnl::memory unbound(const Desc& desc) { return {desc, engine(), DNNL_MEMORY_NONE}; }
/// A memory object that owns its storage.
inline dnnl::memory owned(const Desc& desc) { return {desc, engine()}; }
inline void bind(dnnl::memory& memory, const void* data) {
  memory.set_data_handle(const_cast<void*>(data));
}

/// Converts between two descriptions of the same array (layout, element type). Where they are equal
/// it is trivial: callers may use the source as it is, run() copies.
class Reorder {
 public:
  Reorder(const Desc& from, const Desc& to) : from_(unbound(from)), to_(unbound(to)) {
    trivial_ = from == to;
    primitive_ = dnnl::reorder(from_, to_);
  }
  bool trivial() const { return trivial_; }
  void run(const void* from, void* to) {
    bind(from_, from);
    bind(to_, to);
    primitive_.execute(stream(), from_, to_);
  }

 private:
  dnnl::memory from_, to_;
  dnnl::reorder primitive_;
  bool trivial_ = false;
};

}  // namespace bitwright::kernels::api
