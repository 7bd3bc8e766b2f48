// Ops by name, each evaluated with its gradients on a tape of its own.
#include <array>
#include <functional>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include <bitwright/autograd/ops.h>
#include <bitwright/core/error.h>

#include "exchange.h"
#include "kernels/convolution_rule.h"

namespace bitwright::exchange {
namespace {

// A call of an op as the request describes it.
struct Call {
  const json& parameters;
  std::vector<Variable> in;
  std::vector<Tensor> states;  ///< what the op changes beside its outputs

  template <class T = double>
  T get(const char* name) const {
    return parameters.at(name).get<T>();
  }
  Variable optional(std::size_t i) const { return i < in.size() ? in[i] : Variable(); }
  int axis() const { return get<int>("axis"); }
  Axes axes() const { return get<Axes>("axes"); }
  bool keepdim() const { return get<bool>("keepdim"); }
};
using Outputs = std::vector<Variable>;  // gradients are asked for of the first
using Build = std::function<Outputs(const Call&)>;

Build unary(Variable (*op)(const Variable&)) {
  return [op](const Call& c) { return Outputs{op(c.in[0])}; };
}
Build binary(Variable (*op)(const Variable&, const Variable&)) {
  return [op](const Call& c) { return Outputs{op(c.in[0], c.in[1])}; };
}
Build with_number(Variable (*op)(const Variable&, Scalar), const char* name) {
  return [=](const Call& c) { return Outputs{op(c.in[0], c.get(name))}; };
}
Build with_bounds(Variable (*op)(const Variable&, Scalar, Scalar)) {
  return [op](const Call& c) { return Outputs{op(c.in[0], c.get("low"), c.get("high"))}; };
}
Build reduction(Variable (*op)(const Variable&, const Axes&, bool)) {
  return [op](const Call& c) { return Outputs{op(c.in[0], c.axes(), c.keepdim())}; };
}
Build pooling(Variable (*op)(const Variable&, std::int64_t, std::int64_t, std::int64_t)) {
  return [op](const Call& c) {
    return Outputs{op(c.in[0], c.get<int>("size"), c.get<int>("stride"), c.get<int>("padding"))};
  };
}
Build indexing(Variable (*op)(const Variable&, int, const Variable&)) {
  return [op](const Call& c) { return Outputs{op(c.in[0], c.axis(), c.in[1])}; };
}

ConvGeometry geometry_of(const json& parameters) {
  return {parameters.at("stride"), parameters.at("padding"), parameters.at("groups")};
}

Outputs build_batch_norm(const Call& c) {
  const BatchNormState state{c.states[0], c.states[1], c.get("epsilon"), c.get("momentum")};
  return {batch_norm(c.in[0], c.optional(1), c.optional(2), state, c.get<bool>("training"))};
}

Outputs build_pad(const Call& c) {
  std::vector<Padding> padding;
  for (const auto& [before, after] : c.get<std::vector<std::array<std::int64_t, 2>>>("padding"))
    padding.push_back({before, after});
  return {pad(c.in[0], padding, c.get("value"))};
}

Outputs build_quantile(const Call& c) {
  const json& axis = c.parameters.at("axis");
  return {quantile(c.in[0], c.get("q"), axis.is_null() ? std::optional<int>() : axis.get<int>(),
                   c.keepdim())};
}

Outputs build_sort(const Call& c) {
  const auto [values, order] = sort(c.in[0], c.axis());
  return {values, order};
}

const std::map<std::string, Build>& builds() {
  static const std::map<std::string, Build> all{
      {"linear", [](const Call& c) { return Outputs{linear(c.in[0], c.in[1], c.optional(2))}; }},
      {"conv2d",
       [](const Call& c) {
         return Outputs{conv2d(c.in[0], c.in[1], c.optional(2), geometry_of(c.parameters))};
       }},
      {"batch_norm", build_batch_norm},
      {"max_pool2d", pooling(max_pool2d)},
      {"avg_pool2d", pooling(avg_pool2d)},
      {"global_avg_pool", unary(global_avg_pool)},
      {"shortcut_a",
       [](const Call& c) {
         return Outputs{shortcut_a(c.in[0], c.get<int>("stride"), c.get<int>("out_channels"))};
       }},
      {"cast",
       [](const Call& c) {
         const bool narrow = c.get<std::string>("type") == "bf16";
         return Outputs{cast(c.in[0], narrow ? DType::bf16 : DType::f32)};
       }},
      {"relu", unary(relu)},
      {"relu6", unary(relu6)},
      {"leaky_relu", with_number(leaky_relu, "slope")},
      {"tanh", unary(tanh)},
      {"sigmoid", unary(sigmoid)},
      {"hard_tanh", unary(hard_tanh)},
      {"flatten", unary(flatten)},
      {"reshape",
       [](const Call& c) {
         return Outputs{reshape(c.in[0], Shape(c.get<std::vector<std::int64_t>>("shape")))};
       }},
      {"concat", [](const Call& c) { return Outputs{concat(c.in, c.axis())}; }},
      {"pad", build_pad},
      {"slice",
       [](const Call& c) {
         return Outputs{
             slice(c.in[0], c.axis(), c.get<int>("begin"), c.get<int>("end"), c.get<int>("step"))};
       }},
      {"index_select", indexing(index_select)},
      {"gather", indexing(gather)},
      {"sort", build_sort},
      {"cross_entropy",
       [](const Call& c) {
         return Outputs{cross_entropy(c.in[0], c.in[1], c.get("label_smoothing"))};
       }},
      {"soft_cross_entropy", binary(soft_cross_entropy)},
      {"mse", binary(mse)},
      {"kl_divergence", binary(kl_divergence)},
      {"softmax", unary(softmax)},
      {"log_softmax", unary(log_softmax)},
      {"softmax_planes", with_number(softmax_planes, "inverse_temperature")},
      {"add", binary(add)},
      {"subtract", binary(subtract)},
      {"multiply", binary(multiply)},
      {"divide", binary(divide)},
      {"maximum", binary(maximum)},
      {"minimum", binary(minimum)},
      {"scale", with_number(scale, "factor")},
      {"shift", with_number(shift, "term")},
      {"negate", unary(negate)},
      {"pow", with_number(pow, "exponent")},
      {"exp", unary(exp)},
      {"log", unary(log)},
      {"square", unary(square)},
      {"sqrt", unary(sqrt)},
      {"abs", unary(abs)},
      {"clamp", with_bounds(clamp)},
      {"sign_ste", unary(sign_ste)},
      {"sign_ste_identity", unary(sign_ste_identity)},
      {"sign_ste_tanh", with_number(sign_ste_tanh, "steepness")},
      {"round_ste", unary(round_ste)},
      {"floor_ste", unary(floor_ste)},
      {"clamp_ste", with_bounds(clamp_ste)},
      {"sum", reduction(sum)},
      {"mean", reduction(mean)},
      {"max", reduction(max)},
      {"min", reduction(min)},
      {"variance",
       [](const Call& c) {
         return Outputs{variance(c.in[0], c.axes(), c.keepdim(), c.get<int>("correction"))};
       }},
      {"norm", reduction(norm)},
      {"quantile", build_quantile},
  };
  return all;
}

// sum of weights * y: a loss that gives y any gradient.
class WeightedSum final : public Op {
 public:
  explicit WeightedSum(Tensor weights) : weights_(std::move(weights)) {}
  std::string_view name() const override { return "weighted_sum"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec>) override { return {{Shape{}}}; }
  void forward(std::span<const Tensor>, std::span<Tensor> out) override { out[0].fill(0); }
  void backward(const BackwardArgs& a) override { a.input_gradients[0].copy_from(weights_); }

 private:
  Tensor weights_;
};

// A wrong op, for the test of the comparison: all that one of its passes computes is scaled, or the
// last eighth of it is lost.
class Faulty final : public Op {
 public:
  Faulty(std::unique_ptr<Op> inner, const json& fault)
      : inner_(std::move(inner)),
        in_forward_(fault.at("pass") == "forward"),
        factor_(fault.at("factor")),
        lost_(fault.at("lost")) {}
  std::string_view name() const override { return inner_->name(); }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    return inner_->outputs(in);
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    inner_->forward(in, out);
    if (in_forward_)
      for (Tensor& t : out) spoil(t);
  }
  void backward(const BackwardArgs& a) override {
    inner_->backward(a);
    if (in_forward_) return;
    for (Tensor& t : a.input_gradients)
      if (t.defined()) spoil(t);
  }

 private:
  void spoil(Tensor& t) const {
    if (!is_floating(t.type())) return;
    const std::int64_t n = t.numel(), kept = lost_ ? n - (n + 7) / 8 : n;
    for_float_type(t.type(), [&]<class T>(T*) {
      for (std::int64_t i = 0; i < n; ++i)
        t.as<T>()[i] = i < kept ? T(factor_ * static_cast<float>(t.as<T>()[i])) : T(0.f);
    });
  }

  std::unique_ptr<Op> inner_;
  bool in_forward_;
  float factor_;
  bool lost_;
};

// Which results Winograd's algorithm computed: they are allowed larger errors.
json winograd_results(const json& c, const std::vector<Variable>& in, const Variable& y) {
  using kernels::ConvPass;
  if (c.at("op") != "conv2d") return json::array();
  const ConvGeometry g = geometry_of(c.at("parameters"));
  const Shape &x = in[0].shape(), &w = in[1].shape();
  const kernels::ConvShape shape{.n = x[0],
                                 .c = x[1],
                                 .h = x[2],
                                 .w = x[3],
                                 .out_channels = w[0],
                                 .kernel_h = w[2],
                                 .kernel_w = w[3],
                                 .stride = g.stride,
                                 .padding = g.padding,
                                 .groups = g.groups,
                                 .type = in[0].spec().type};
  require(shape.out_h() == y.shape()[2], "the shape of a convolution");
  json results = json::array();
  for (const auto& [pass, result] :
       {std::pair{ConvPass::forward, "output.0"}, std::pair{ConvPass::backward_data, "gradient.0"},
        std::pair{ConvPass::backward_weights, "gradient.1"}})
    if (kernels::choose_algorithm(shape, pass) == kernels::ConvAlgorithm::winograd)
      results.push_back(result);
  return results;
}

// Puts NAME.output.K, NAME.gradient.K (of input K) and NAME.state.K into the answer.
json evaluate(const std::string& name, const json& c, const Request& request, const json& fault,
              Answer& answer) {
  Tape tape;
  Call call{c.at("parameters"), {}, {}};
  for (const json& state : c.at("states")) call.states.push_back(request.described_array(state));
  for (const json& input : c.at("inputs")) {
    const Tensor value = request.described_array(input);
    call.in.push_back(input.at("gradient").get<bool>() ? tape.parameter(value)
                                                       : tape.constant(value));
  }
  const Outputs outputs = builds().at(c.at("op"))(call);
  const TensorSpec spec = outputs[0].spec();
  const Variable loss = tape.record(
      std::make_unique<WeightedSum>(request.array(name + ".dy", spec.type, spec.layout)),
      std::array{outputs[0]});
  if (!fault.is_null()) {
    for (std::size_t node = 0; node + 1 < tape.size(); ++node)
      tape.replace_op(node, std::make_unique<Faulty>(tape.take_op(node), fault));
    tape.forward();
  }
  tape.backward(loss);

  for (std::size_t k = 0; k < outputs.size(); ++k)
    answer.put(fmt::format("{}.output.{}", name, k), outputs[k].value());
  for (std::size_t k = 0; k < call.in.size(); ++k)
    if (call.in[k].requires_gradient())
      answer.put(fmt::format("{}.gradient.{}", name, k), call.in[k].gradient());
  for (std::size_t k = 0; k < call.states.size(); ++k)
    answer.put(fmt::format("{}.state.{}", name, k), call.states[k]);
  return winograd_results(c, call.in, outputs[0]);
}

}  // namespace

void evaluate_ops(const Request& request, Answer& answer) {
  const json& description = request.description();
  for (const auto& [name, c] : description.at("cases").items()) {
    try {
      answer.description[name] = {
          {"winograd", evaluate(name, c, request, description.value("fault", json()), answer)}};
    } catch (const std::exception& e) {
      throw std::runtime_error(fmt::format("case {}: {}: {}", name, c.dump(), e.what()));
    }
  }
}

}  // namespace bitwright::exchange
