#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <bitwright/core/error.h>

#include "autograd/tape_impl.h"
#include "kernels/elementwise.h"

namespace bitwright {

Tape::Tape(Execution execution) : impl_(std::make_unique<Impl>()) { impl_->execution = execution; }
Tape::~Tape() = default;

const Tensor& Variable::value() const { return tape_->impl_->at(index_).value; }
const TensorSpec& Variable::spec() const { return tape_->impl_->at(index_).spec; }
const Tensor& Variable::gradient() const { return tape_->impl_->at(index_).gradient; }
bool Variable::requires_gradient() const { return tape_->impl_->at(index_).wants_gradient; }

Variable Tape::constant(Tensor value) {
  const TensorSpec spec = value.spec();
  return {this, impl_->add(spec, std::move(value), false, true)};
}

Variable Tape::parameter(Tensor value) {
  const TensorSpec spec = value.spec();
  const int id = impl_->add(spec, std::move(value), true, true);
  impl_->gradient(id).fill(0);
  return {this, id};
}

Variable Tape::record(std::unique_ptr<Op> op, std::span<const Variable> inputs) {
  auto outputs = record_many(std::move(op), inputs);
  require(outputs.size() == 1, "record() of an op with several outputs");
  return outputs.front();
}

std::vector<Variable> Tape::record_many(std::unique_ptr<Op> op, std::span<const Variable> inputs) {
  require(!impl_->planned, "a tape that was planned records nothing more");
  TapeNode node;
  std::vector<TensorSpec> specs;
  bool wants_gradient = false;
  for (const Variable& v : inputs) {
    require(v.tape_ == this, fmt::format("{}: input belongs to another tape", op->name()));
    node.input_ids.push_back(v.index_);
    node.inputs.push_back(v.value());
    specs.push_back(v.spec());
    wants_gradient |= v.requires_gradient();
  }
  const bool eager = impl_->execution == Execution::eager;
  std::vector<Variable> results;
  for (const TensorSpec& spec : op->outputs(specs)) {
    node.outputs.push_back(eager ? Tensor::empty(spec) : Tensor());
    node.output_ids.push_back(
        impl_->add(spec, node.outputs.back(), wants_gradient && is_floating(spec.type), false));
    results.push_back({this, node.output_ids.back()});
  }
  if (eager) op->forward(node.inputs, node.outputs);
  node.op = std::move(op);
  node.label = impl_->label;
  impl_->nodes.push_back(std::move(node));
  impl_->plan.loss = -1;
  return results;
}

void Tape::plan(std::span<const Variable> kept, Variable loss) {
  require(impl_->execution == Execution::planned && !impl_->planned, "plan() comes once");
  std::vector<int> ids;
  for (const Variable& v : kept) ids.push_back(v.index_);
  if (loss.defined()) ids.push_back(loss.index_);
  fuse_ops(*impl_, ids, loss.defined());
  if (loss.defined()) impl_->plan_backward(loss.index_);
  place_values(*impl_, ids);
  if (loss.defined()) impl_->bind_backward();
  impl_->planned = true;
}

void Tape::forward() {
  require(impl_->execution == Execution::eager || impl_->planned, "forward() comes after plan()");
  TapeObserver* const observer = impl_->observer;
  for (std::size_t i = 0; i < impl_->nodes.size(); ++i) {
    TapeNode& node = impl_->nodes[i];
    if (observer) observer->before({*this, i, Pass::forward, node.outputs});
    node.op->forward(node.inputs, node.outputs);
    if (observer) observer->after({*this, i, Pass::forward, node.outputs});
  }
}

std::vector<TensorSpec> Tape::Impl::specs(const std::vector<int>& ids) const {
  std::vector<TensorSpec> all;
  for (int id : ids) all.push_back(values[static_cast<std::size_t>(id)].spec);
  return all;
}

void Tape::Impl::plan_backward(int loss) {
  plan = BackwardPlan{loss, {}, {}, false};
  std::vector<bool> reached(values.size());
  reached[static_cast<std::size_t>(loss)] = true;
  for (int i = static_cast<int>(nodes.size()) - 1; i >= 0; --i) {
    const auto on_path = [&](int id) {
      return reached[static_cast<std::size_t>(id)] && at(id).wants_gradient;
    };
    const TapeNode& n = node(i);
    if (std::none_of(n.output_ids.begin(), n.output_ids.end(), on_path)) continue;
    BackwardStep step;
    step.node = i;
    for (int id : n.output_ids)
      if (at(id).wants_gradient && !reached[static_cast<std::size_t>(id)])
        plan.zeroed.push_back(id);
    for (int id : n.input_ids) {
      step.contributes.push_back(at(id).wants_gradient ? id : -1);
      step.first.push_back(at(id).wants_gradient && !reached[static_cast<std::size_t>(id)]);
      if (at(id).wants_gradient) reached[static_cast<std::size_t>(id)] = true;
    }
    plan.steps.push_back(std::move(step));
  }
  for (std::size_t id = 0; id < values.size(); ++id)
    if (values[id].gradient.defined() && !reached[id]) plan.zeroed.push_back(static_cast<int>(id));
}

// The tensors that backward may read; what the op does not declare has a shape only.
static std::vector<Tensor> readable(const std::vector<Tensor>& tensors, const auto& reads) {
  std::vector<Tensor> visible;
  for (std::size_t k = 0; k < tensors.size(); ++k)
    visible.push_back(reads(k) ? tensors[k] : Tensor::described(tensors[k].spec()));
  return visible;
}

void Tape::Impl::bind_backward() {
  gradient(plan.loss).fill(1);
  for (BackwardStep& step : plan.steps) {
    const TapeNode& n = node(step.node);
    step.inputs = readable(n.inputs, [&](std::size_t k) { return n.op->backward_reads_input(k); });
    step.outputs =
        readable(n.outputs, [&](std::size_t k) { return n.op->backward_reads_output(k); });
    for (int id : n.output_ids)
      step.output_gradients.push_back(at(id).wants_gradient ? gradient(id) : Tensor());
    step.input_gradients.resize(step.contributes.size());
    for (std::size_t k = 0; k < step.contributes.size(); ++k) {
      const int id = step.contributes[k];
      if (id < 0) continue;
      Tensor& place = step.input_gradients[k];
      if (step.first[k]) {
        place = gradient(id);
      } else {
        if (!place.defined()) place = Tensor::empty(at(id).spec);
        step.additions.emplace_back(place, gradient(id));
      }
    }
  }
  for (int id : plan.zeroed) gradient(id);
  plan.bound = true;
}

static void add_to(Tensor& gradient, const Tensor& term) {
  for_float_type(gradient.type(), [&]<class T>(T*) {
    kernels::accumulate(gradient.numel(), term.as<T>(), gradient.as<T>());
  });
}

void Tape::backward(Variable scalar) {
  require(scalar.tape_ == this && scalar.shape().numel() == 1,
          "backward needs a one-element value of this tape");
  if (impl_->plan.loss != scalar.index_) {
    require(!impl_->planned, "backward of another value than the tape was planned for");
    impl_->plan_backward(scalar.index_);
    impl_->bind_backward();
  }
  for (int id : impl_->plan.zeroed) impl_->gradient(id).fill(0);
  TapeObserver* const observer = impl_->observer;
  for (BackwardStep& step : impl_->plan.steps) {
    const auto index = static_cast<std::size_t>(step.node);
    if (observer) observer->before({*this, index, Pass::backward, step.input_gradients});
    impl_->nodes[index].op->backward(
        {step.inputs, step.outputs, step.output_gradients, step.input_gradients});
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
