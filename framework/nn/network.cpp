#include <bitwright/core/error.h>
#include <bitwright/nn/network.h>

namespace bitwright {

std::string_view name_of(ParameterKind kind) {
  switch (kind) {
    case ParameterKind::conv_weight:
      return "conv_weight";
    case ParameterKind::linear_weight:
      return "linear_weight";
    case ParameterKind::bias:
      return "bias";
    case ParameterKind::norm_scale:
      return "norm_scale";
    case ParameterKind::norm_shift:
      return "norm_shift";
  }
  return "unknown";
}

Variable ForwardHooks::parameter(Forward& forward, const Parameter& parameter) {
  return forward.tape.parameter(parameter.value);
}

Variable ForwardHooks::trained(Forward& forward, const Tensor& value) {
  return forward.tape.parameter(value);
}

Variable Forward::trained(const Tensor& value) { return hooks_.trained(*this, value); }

Variable Forward::parameter(const Parameter* parameter) {
  return parameter == nullptr ? Variable{} : hooks_.parameter(*this, *parameter);
}

Variable Forward::through(const Layer& layer, const Variable& x) {
  const LabelScope label(tape, layer.name());
  const Variable input = hooks_.layer_input(*this, layer, x);
  return hooks_.layer_output(*this, layer, layer.forward(*this, input));
}

Variable Forward::through(const Layers& layers, const Variable& x) {
  Variable y = x;
  for (const auto& layer : layers) y = through(*layer, y);
  return y;
}

std::int64_t Network::parameter_count() const {
  std::int64_t n = 0;
  for (const Parameter& p : parameters_) n += p.value.numel();
  return n;
}

Variable Network::forward(Forward& forward, const Variable& images) const {
  return forward.through(layers_, images);
}

void Network::visit(StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "parameters");
    for (Parameter& p : parameters_) visitor.tensor(p.name, p.value);
  }
  const StateScope scope(visitor, "buffers");
  for (Buffer& b : buffers_) visitor.tensor(b.name, b.value);
}

}  // namespace bitwright
