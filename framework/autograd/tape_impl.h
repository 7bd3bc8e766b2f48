#pragma once
// What a tape consists of. tape.cpp records and replays; fusion.cpp joins ops that follow each
// other; memory_plan.cpp places values and gradients in one block.

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <bitwright/autograd/variable.h>

namespace bitwright {

struct TapeValue {
  TensorSpec spec;
  Tensor value;     // undefined on a planned tape until the plan is made
  Tensor gradient;  // made when first wanted
  bool wants_gradient = false;
  bool leaf = false;
};

struct TapeNode {
  std::unique_ptr<Op> op;
  std::string label;
  std::vector<int> input_ids, output_ids;
  std::vector<Tensor> inputs, outputs;  // handles, so that a replay builds nothing
};

/// One node's part of a backward pass. A gradient's first contribution is written in place; later
/// ones go to scratch and are added.
struct BackwardStep {
  int node = 0;
  std::vector<Tensor> inputs, outputs;  // what the op declares to read; the rest has no storage
  std::vector<Tensor> output_gradients, input_gradients;
  /// For each input, the value whose gradient it contributes to, or -1.
  std::vector<int> contributes;
  std::vector<bool> first;                           // that contribution is the first one
  std::vector<std::pair<Tensor, Tensor>> additions;  // (scratch, gradient)
};

struct BackwardPlan {
  int loss = -1;
  std::vector<int> zeroed;  // values whose gradient nothing contributes to
  std::vector<BackwardStep> steps;
  bool bound = false;  // tensors are filled in
};

struct Tape::Impl {
  Execution execution = Execution::eager;
  bool planned = false;
  std::deque<TapeValue> values;
  std::vector<TapeNode> nodes;
  BackwardPlan plan;
  std::string label;
  TapeObserver* observer = nullptr;

  int add(TensorSpec spec, Tensor value, bool wants_gradient, bool leaf) {
    values.push_back({std::move(spec), std::move(value), {}, wants_gradient, leaf});
    return static_cast<int>(values.size()) - 1;
  }
  TapeValue& at(int id) { return values[static_cast<std::size_t>(id)]; }
  TapeNode& node(int index) { return nodes[static_cast<std::size_t>(index)]; }
  /// A value's gradient, made of its own memory unless a memory plan has placed it.
  Tensor& gradient(int id) {
    TapeValue& v = at(id);
    if (!v.gradient.defined()) v.gradient = Tensor::empty(v.spec);
    return v.gradient;
  }
  std::vector<TensorSpec> specs(const std::vector<int>& ids) const;

  void plan_backward(int loss);  ///< which ops run, and where each writes; no tensors yet
  void bind_backward();          ///< fills in the tensors
};

/// Replaces pairs of ops by the one that the first of them offers (Op::fuse). Values in `kept` stay
/// readable.
void fuse_ops(Tape::Impl& tape, const std::vector<int>& kept, bool backward);

/// Gives every value and gradient a place in one block; what is never needed at the same time may
/// share it. Leaves, their gradients, and `kept` have memory of their own.
void place_values(Tape::Impl& tape, const std::vector<int>& kept);

}  // namespace bitwright
