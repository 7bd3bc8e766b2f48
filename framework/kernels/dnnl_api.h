#pragma once
// The one place that knows that oneDNN 2.x builds primitive descriptors from operation descriptors
// and 3.x takes the arguments directly.

#include <dnnl.hpp>

namespace bitwright::kernels::api {

using dnnl::memory;
using Desc = memory::desc;
using Dims = memory::dims;

#if DNNL_VERSION_MAJOR >= 3

inline auto matmul(const dnnl::engine& e, const Desc& a, const Desc& b, const Desc& c) {
  return dnnl::matmul::primitive_desc(e, a, b, c);
}
inline auto matmul(const dnnl::engine& e, const Desc& a, const Desc& b, const Desc& bias,
                   const Desc& c) {
  return dnnl::matmul::primitive_desc(e, a, b, bias, c);
}
inline auto conv_forward(const dnnl::engine& e, dnnl::prop_kind kind, const Desc& x, const Desc& w,
                         const Desc& bias, const Desc& y, const Dims& stride, const Dims& pad) {
  using P = dnnl::convolution_forward::primitive_desc;
  const auto direct = dnnl::algorithm::convolution_direct;
  return bias.get_ndims() ? P(e, kind, direct, x, w, bias, y, stride, pad, pad)
                          : P(e, kind, direct, x, w, y, stride, pad, pad);
}
inline auto conv_backward_data(const dnnl::engine& e, const Desc& x, const Desc& w, const Desc& y,
                               const Dims& stride, const Dims& pad,
                               const dnnl::convolution_forward::primitive_desc& hint) {
  return dnnl::convolution_backward_data::primitive_desc(e, dnnl::algorithm::convolution_direct, x,
                                                         w, y, stride, pad, pad, hint);
}
inline auto conv_backward_weights(const dnnl::engine& e, const Desc& x, const Desc& w,
                                  const Desc& bias, const Desc& y, const Dims& stride,
                                  const Dims& pad,
                                  const dnnl::convolution_forward::primitive_desc& hint) {
  using P = dnnl::convolution_backward_weights::primitive_desc;
  const auto direct = dnnl::algorithm::convolution_direct;
  return bias.get_ndims() ? P(e, direct, x, w, bias, y, stride, pad, pad, hint)
                          : P(e, direct, x, w, y, stride, pad, pad, hint);
}

#else

inline auto matmul(const dnnl::engine& e, const Desc& a, const Desc& b, const Desc& c) {
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, c), e);
}
inline auto matmul(const dnnl::engine& e, const Desc& a, const Desc& b, const Desc& bias,
                   const Desc& c) {
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, bias, c), e);
}
inline auto conv_forward(const dnnl::engine& e, dnnl::prop_kind kind, const Desc& x, const Desc& w,
                         const Desc& bias, const Desc& y, const Dims& stride, const Dims& pad) {
  using C = dnnl::convolution_forward;
  const auto direct = dnnl::algorithm::convolution_direct;
  return C::primitive_desc(bias.data.ndims ? C::desc(kind, direct, x, w, bias, y, stride, pad, pad)
                                           : C::desc(kind, direct, x, w, y, stride, pad, pad),
                           e);
}
inline auto conv_backward_data(const dnnl::engine& e, const Desc& x, const Desc& w, const Desc& y,
                               const Dims& stride, const Dims& pad,
                               const dnnl::convolution_forward::primitive_desc& hint) {
  using C = dnnl::convolution_backward_data;
  return C::primitive_desc(C::desc(dnnl::algorithm::convolution_direct, x, w, y, stride, pad, pad),
                           e, hint);
}
inline auto conv_backward_weights(const dnnl::engine& e, const Desc& x, const Desc& w,
                                  const Desc& bias, const Desc& y, const Dims& stride,
                                  const Dims& pad,
                                  const dnnl::convolution_forward::primitive_desc& hint) {
  using C = dnnl::convolution_backward_weights;
  const auto direct = dnnl::algorithm::convolution_direct;
  return C::primitive_desc(bias.data.ndims ? C::desc(direct, x, w, bias, y, stride, pad, pad)
                                           : C::desc(direct, x, w, y, stride, pad, pad),
                           e, hint);
}

#endif

/// The process's CPU engine and in-order stream.
dnnl::engine& engine();
dnnl::stream& stream();

/// A memory object without storage; set_data_handle binds it for each call.
inline dnnl::memory unbound(const Desc& desc) { return {desc, engine(), DNNL_MEMORY_NONE}; }
/// A memory object that owns its storage.
inline dnnl::memory owned(const Desc& desc) { return {desc, engine()}; }

}  // namespace bitwright::kernels::api
