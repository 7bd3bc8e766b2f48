#include <deque>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <bitwright/autograd/variable.h>
#include <bitwright/core/error.h>

#include "kernels/elementwise.h"

namespace bitwright {

struct Value {
  Tensor value;
  Tensor gradient;
  bool wants_gradient = false;
};

struct Node {
  std::unique_ptr<Op> op;
  std::string label;
  std::vector<int> input_ids, output_ids;
  std::vector<Tensor> inputs, outputs;  // handles, so that a replay builds nothing
};

// One node's part of a backward pass. A gradient's first contribution is written in place; later
// ones go to scratch and are added.
struct BackwardStep {
  int node = 0;
  std::vector<Tensor> output_gradients;
  std::vector<Tensor> input_gradients;
  std::vector<std::pair<Tensor, Tensor>> additions;  // (scratch, gradient)
};

struct BackwardPlan {
  int loss = -1;
  std::vector<Tensor> zeroed;  // gradients that nothing contributes to
  std::vector<BackwardStep> steps;
};

struct Tape::Impl {
  std::deque<Value> values;
  std::vector<Node> nodes;
  BackwardPlan plan;
  std::string label;
  TapeObserver* observer = nullptr;

  int add(Tensor value, bool wants_gradient) {
    values.push_back({std::move(value), {}, wants_gradient});
    return static_cast<int>(values.size()) - 1;
  }
  Value& at(int id) { return values[static_cast<std::size_t>(id)]; }
  Tensor& gradient(int id) {
    Value& v = at(id);
    if (!v.gradient.defined()) v.gradient = Tensor::empty(v.value.spec());
    return v.gradient;
  }
  void make_plan(int loss);
  BackwardStep plan_step(int node, std::vector<bool>& reached);
};

Tape::Tape() : impl_(std::make_unique<Impl>()) {}
Tape::~Tape() = default;

const Tensor& Variable::value() const { return tape_->impl_->at(index_).value; }
const Tensor& Variable::gradient() const { return tape_->impl_->at(index_).gradient; }
bool Variable::requires_gradient() const { return tape_->impl_->at(index_).wants_gradient; }

Variable Tape::constant(Tensor value) { return {this, impl_->add(std::move(value), false)}; }

Variable Tape::parameter(Tensor value) {
  const int id = impl_->add(std::move(value), true);
  impl_->gradient(id).fill(0);
  return {this, id};
}

Variable Tape::record(std::unique_ptr<Op> op, std::span<const Variable> inputs) {
  auto outputs = record_many(std::move(op), inputs);
  require(outputs.size() == 1, "record() of an op with several outputs");
  return outputs.front();
}

std::vector<Variable> Tape::record_many(std::unique_ptr<Op> op, std::span<const Variable> inputs) {
  Node node;
  std::vector<TensorSpec> specs;
  bool wants_gradient = false;
  for (const Variable& v : inputs) {
    require(v.tape_ == this, fmt::format("{}: input belongs to another tape", op->name()));
    node.input_ids.push_back(v.index_);
    node.inputs.push_back(v.value());
    specs.push_back(v.value().spec());
    wants_gradient |= v.requires_gradient();
  }
  std::vector<Variable> results;
  for (const TensorSpec& spec : op->outputs(specs)) {
    node.outputs.push_back(Tensor::empty(spec));
    node.output_ids.push_back(
        impl_->add(node.outputs.back(), wants_gradient && is_floating(spec.type)));
    results.push_back({this, node.output_ids.back()});
  }
  op->forward(node.inputs, node.outputs);
  node.op = std::move(op);
  node.label = impl_->label;
  impl_->nodes.push_back(std::move(node));
  impl_->plan.loss = -1;
  return results;
}

void Tape::forward() {
  TapeObserver* const observer = impl_->observer;
  for (std::size_t i = 0; i < impl_->nodes.size(); ++i) {
    Node& node = impl_->nodes[i];
    if (observer) observer->before({*this, i, Pass::forward, node.outputs});
    node.op->forward(node.inputs, node.outputs);
    if (observer) observer->after({*this, i, Pass::forward, node.outputs});
  }
}

BackwardStep Tape::Impl::plan_step(int index, std::vector<bool>& reached) {
  Node& node = nodes[static_cast<std::size_t>(index)];
  BackwardStep step{index, {}, {}, {}};
  for (int id : node.output_ids) {
    if (!at(id).wants_gradient) {
      step.output_gradients.emplace_back();
      continue;
    }
    step.output_gradients.push_back(gradient(id));
    if (!reached[static_cast<std::size_t>(id)]) plan.zeroed.push_back(gradient(id));
  }
  for (int id : node.input_ids) {
    if (!at(id).wants_gradient) {
      step.input_gradients.emplace_back();
    } else if (!reached[static_cast<std::size_t>(id)]) {
      reached[static_cast<std::size_t>(id)] = true;
      step.input_gradients.push_back(gradient(id));
    } else {
      step.input_gradients.push_back(Tensor::empty(at(id).value.spec()));
      step.additions.emplace_back(step.input_gradients.back(), gradient(id));
    }
  }
  return step;
}

void Tape::Impl::make_plan(int loss) {
  plan = BackwardPlan{loss, {}, {}};
  std::vector<bool> reached(values.size());
  reached[static_cast<std::size_t>(loss)] = true;
  gradient(loss).fill(1);
  for (int i = static_cast<int>(nodes.size()) - 1; i >= 0; --i) {
    bool on_path = false;
    for (int id : nodes[static_cast<std::size_t>(i)].output_ids)
      on_path |= reached[static_cast<std::size_t>(id)] && at(id).wants_gradient;
    if (on_path) plan.steps.push_back(plan_step(i, reached));
  }
  for (std::size_t id = 0; id < values.size(); ++id)
    if (values[id].gradient.defined() && !reached[id]) plan.zeroed.push_back(values[id].gradient);
}

static void add_to(Tensor& gradient, const Tensor& term) {
  for_float_type(gradient.type(), [&]<class T>(T*) {
    kernels::accumulate(gradient.numel(), term.as<T>(), gradient.as<T>());
  });
}

void Tape::backward(Variable scalar) {
  require(scalar.tape_ == this && scalar.value().numel() == 1,
          "backward needs a one-element value of this tape");
  if (impl_->plan.loss != scalar.index_) impl_->make_plan(scalar.index_);
  for (Tensor& gradient : impl_->plan.zeroed) gradient.fill(0);
  TapeObserver* const observer = impl_->observer;
  for (BackwardStep& step : impl_->plan.steps) {
    const auto index = static_cast<std::size_t>(step.node);
    Node& node = impl_->nodes[index];
    if (observer) observer->before({*this, index, Pass::backward, step.input_gradients});
    node.op->backward({node.inputs, node.outputs, step.output_gradients, step.input_gradients});
    for (auto& [scratch, gradient] : step.additions) add_to(gradient, scratch);
    if (observer) observer->after({*this, index, Pass::backward, step.input_gradients});
  }
}

void Tape::observe(TapeObserver* observer) { impl_->observer = observer; }
void Tape::set_label(std::string label) { impl_->label = std::move(label); }
const std::string& Tape::label() const { return impl_->label; }
const std::string& Tape::label(std::size_t i) const { return impl_->nodes[i].label; }
std::size_t Tape::size() const { return impl_->nodes.size(); }
const Op& Tape::op(std::size_t i) const { return *impl_->nodes[i].op; }
void Tape::replace_op(std::size_t i, std::unique_ptr<Op> op) { impl_->nodes[i].op = std::move(op); }
std::unique_ptr<Op> Tape::take_op(std::size_t i) { return std::move(impl_->nodes[i].op); }

}  // namespace bitwright
