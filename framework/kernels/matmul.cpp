#include "kernels/matmul.h"

#include <algorithm>
#include <unordered_map>

#include <bitwright/core/parallel.h>

#include "kernels/dnnl_api.h"

namespace bitwright::kernels {

struct Matmul::Impl {
  dnnl::matmul primitive;
  dnnl::memory a, b, bias, c;
  std::unordered_map<int, dnnl::memory> arguments;
};

static api::Desc matrix(std::int64_t rows, std::int64_t columns, bool transposed) {
  const api::Dims strides = transposed ? api::Dims{1, rows} : api::Dims{columns, 1};
  return {{rows, columns}, dnnl::memory::data_type::f32, strides};
}

Matmul::Matmul(const Plan& plan) : impl_(std::make_unique<Impl>()) {
  const auto a = matrix(plan.m, plan.k, plan.transpose_a);
  const auto b = matrix(plan.k, plan.n, plan.transpose_b);
  const auto c = matrix(plan.m, plan.n, false);
  const auto bias = matrix(1, plan.n, false);
  const auto desc =
      plan.bias ? api::matmul(api::engine(), a, b, bias, c) : api::matmul(api::engine(), a, b, c);
  impl_->primitive = dnnl::matmul(desc);
  impl_->a = api::unbound(a);
  impl_->b = api::unbound(b);
  impl_->c = api::unbound(c);
  impl_->arguments = {
      {DNNL_ARG_SRC, impl_->a}, {DNNL_ARG_WEIGHTS, impl_->b}, {DNNL_ARG_DST, impl_->c}};
  if (plan.bias) {
    impl_->bias = api::unbound(bias);
    impl_->arguments.emplace(DNNL_ARG_BIAS, impl_->bias);
  }
}

Matmul::~Matmul() = default;
Matmul::Matmul(Matmul&&) noexcept = default;
Matmul& Matmul::operator=(Matmul&&) noexcept = default;

void Matmul::run(const float* a, const float* b, const float* bias, float* c) {
  impl_->a.set_data_handle(const_cast<float*>(a));
  impl_->b.set_data_handle(const_cast<float*>(b));
  if (impl_->bias) impl_->bias.set_data_handle(const_cast<float*>(bias));
  impl_->c.set_data_handle(c);
  impl_->primitive.execute(api::stream(), impl_->arguments);
  api::stream().wait();
}

void column_sums(std::int64_t rows, std::int64_t columns, const float* x, float* out) {
  parallel_for(columns, 64, [=](std::int64_t begin, std::int64_t end) {
    std::fill(out + begin, out + end, 0.f);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = begin; c < end; ++c) out[c] += x[r * columns + c];
  });
}

}  // namespace bitwright::kernels
