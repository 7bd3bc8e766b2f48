#include <cmath>

#include <bitwright/quant/sign_latent.h>

namespace bitwright {

SignLatent::SignLatent(const Parameter& parameter, bool fresh, std::uint64_t seed)
    : name_(parameter.name), x_(parameter.value.clone()) {
  if (fresh) {
    if (x_.shape().rank() >= 2)
      xavier_uniform(x_, static_cast<double>(parameter.fan_in),
                     static_cast<double>(parameter.fan_out), seed, name_);
    else
      normal(x_, 0.1, seed, name_);
  }
  last_ = Tensor::empty(TensorSpec{x_.shape(), DType::u8});
  for (std::int64_t i = 0; i < x_.numel(); ++i) last_.u8()[i] = x_.f32()[i] > 0;
}

void SignLatent::write_signs(Tensor& out) const {
  const float* x = x_.f32();
  float* w = out.f32();
  for (std::int64_t i = 0; i < x_.numel(); ++i) w[i] = binary_sign(x[i]);
}

void SignLatent::add_to(SignStatistics& total) {
  const float* x = x_.f32();
  std::uint8_t* last = last_.u8();
  for (std::int64_t i = 0; i < x_.numel(); ++i) {
    const std::uint8_t now = x[i] > 0;
    total.positive += now;
    total.flips += now != last[i];
    total.distance += std::abs(std::abs(x[i]) - 1.0f);
    last[i] = now;
  }
  total.elements += x_.numel();
}

void SignLatent::visit(StateVisitor& visitor) { visitor.tensor(name_, last_); }

}  // namespace bitwright
