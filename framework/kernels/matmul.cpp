#include "kernels/matmul.h"

#include <optional>
#include <unordered_map>

#include "kernels/cpu.h"
#include "kernels/dnnl_api.h"
#include "kernels/emulated_bf16.h"

namespace bitwright::kernels {

struct Matmul::Impl {
  dnnl::matmul primitive;
  dnnl::memory a, b, bias, c;
  std::unordered_map<int, dnnl::memory> arguments;
  std::optional<Widened> wide_a, wide_b, wide_c;  // where bf16 is emulated
};

// Where the CPU has no bf16, the product of the same numbers in f32.
static Matmul::Plan computable(Matmul::Plan plan) {
  if (!has_native_bf16()) plan.type = plan.result = DType::f32;
  return plan;
}

static api::Desc matrix(const Matmul::Plan& plan, std::int64_t rows, std::int64_t columns,
                        bool transposed, DType type) {
  api::Dims dims{rows, columns}, strides = transposed ? api::Dims{1, rows} : api::Dims{columns, 1};
  if (plan.batch > 1) {
    dims.insert(dims.begin(), plan.batch);
    strides.insert(strides.begin(), rows * columns);
  }
  return {dims, api::type_of(type), strides};
}

static api::Desc row(const Matmul::Plan& plan) {
  return {plan.batch > 1 ? api::Dims{1, 1, plan.n} : api::Dims{1, plan.n}, api::type_of(DType::f32),
          plan.batch > 1 ? api::Dims{plan.n, plan.n, 1} : api::Dims{plan.n, 1}};
}

Matmul::Matmul(const Plan& asked) : impl_(std::make_unique<Impl>()) {
  const Plan plan = computable(asked);
  if (plan.type != asked.type) {
    impl_->wide_a.emplace(plan.batch * plan.m * plan.k);
    impl_->wide_b.emplace(plan.batch * plan.k * plan.n);
  }
  if (plan.result != asked.result) impl_->wide_c.emplace(plan.batch * plan.m * plan.n);
  std::optional<api::SingleThread> alone;
  if (plan.single_thread) alone.emplace();
  const auto a = matrix(plan, plan.m, plan.k, plan.transpose_a, plan.type);
  const auto b = matrix(plan, plan.k, plan.n, plan.transpose_b, plan.type);
  const auto c = matrix(plan, plan.m, plan.n, false, plan.result);
  dnnl::primitive_attr attributes;
  if (plan.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum();
    attributes.set_post_ops(sum);
  }
  const auto bias = plan.bias ? row(plan) : api::Desc();
  const auto desc = api::matmul(api::engine(), a, b, bias, c, attributes);
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

void Matmul::run(const void* a, const void* b, const float* bias, void* c) {
  api::bind(impl_->a, impl_->wide_a ? impl_->wide_a->from(a) : a);
  api::bind(impl_->b, impl_->wide_b ? impl_->wide_b->from(b) : b);
  if (impl_->bias) api::bind(impl_->bias, bias);
  api::bind(impl_->c, impl_->wide_c ? impl_->wide_c->place() : c);
  impl_->primitive.execute(api::stream(), impl_->arguments);
  api::stream().wait();
  if (impl_->wide_c) impl_->wide_c->round_to(c);
}

}  // namespace bitwright::kernels
