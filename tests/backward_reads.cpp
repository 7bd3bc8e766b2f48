// What ops declare that their backward reads, on the cases of the gradient checks: all of it
// matters, and nothing else is missed where a planned tape gives its memory to others.
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "gradient_check.h"
#include "small_net.h"

namespace bitwright::gradient_check {
namespace {

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (auto& cases : {layer_cases(), normalization_cases(), pooling_cases(), elementwise_cases(),
                      activation_cases(), broadcast_cases(), reduction_cases(), loss_cases(),
                      shape_cases(), indexing_cases()})
    all.insert(all.end(), cases.begin(), cases.end());
  return all;
}

// A case between two ops that give its inputs and take its outputs, so that all these are values
// of the tape, whose memory a plan may share out.
struct Sandwich {
  Tape tape;
  std::vector<Variable> leaves;
  Variable loss;

  Sandwich(const Case& c, Execution execution) : tape(execution) {
    std::vector<Variable> inputs;
    for (const Input& input : c.inputs) {
      const Tensor own = input.value.clone();
      leaves.push_back(input.wants_gradient ? tape.parameter(own) : tape.constant(own));
      const bool floating = is_floating(own.type());
      inputs.push_back(floating ? scale(leaves.back(), 1) : leaves.back());
    }
    const Variable y = c.build(inputs);
    const Rng rng(3, "sandwich", hash_name(c.op), hash_name(c.shape));
    const Tensor weights =
        naive::to_tensor(naive::random(rng, y.shape(), 0.5, 1.5), y.spec().layout, y.spec().type);
    loss = sum(multiply(scale(y, 1), tape.constant(weights)));
  }
  std::vector<Tensor> gradients() const {
    std::vector<Tensor> all;
    for (const Variable& leaf : leaves)
      if (leaf.requires_gradient()) all.push_back(leaf.gradient().clone());
    return all;
  }
};

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!testing::same_bits(a[i], b[i])) return false;
  return a.size() == b.size();
}

// Which of an op's tensors its backward is shown garbage of.
struct Place {
  bool output = false;
  std::size_t index = 0;
};

class Blindfold final : public Op {
 public:
  Blindfold(std::unique_ptr<Op> inner, Place place) : inner_(std::move(inner)), place_(place) {}
  std::string_view name() const override { return inner_->name(); }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    return inner_->outputs(in);
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    inner_->forward(in, out);
  }
  void backward(const BackwardArgs& a) override {
    std::vector<Tensor> in(a.inputs.begin(), a.inputs.end()),
        out(a.outputs.begin(), a.outputs.end());
    hide((place_.output ? out : in)[place_.index]);
    inner_->backward({in, out, a.output_gradients, a.input_gradients});
  }
  bool backward_reads_input(std::size_t k) const override {
    return inner_->backward_reads_input(k);
  }
  bool backward_reads_output(std::size_t k) const override {
    return inner_->backward_reads_output(k);
  }

 private:
  // Other numbers of the kind: indices stay valid, and no comparison with them is true by chance.
  static void hide(Tensor& tensor) {
    Tensor garbage = Tensor::empty(tensor.spec());
    if (is_floating(tensor.type())) {
      garbage.fill(NAN);
    } else {
      for (std::int64_t i = 0; i < garbage.numel(); ++i)
        garbage.i32()[i] = tensor.i32()[garbage.numel() - 1 - i];
    }
    tensor = garbage;
  }

  std::unique_ptr<Op> inner_;
  Place place_;
};

std::vector<Place> declared_places(const Op& op, std::size_t inputs) {
  std::vector<Place> places;
  for (std::size_t k = 0; k < inputs; ++k)
    if (op.backward_reads_input(k)) places.push_back({false, k});
  for (std::size_t k = 0; k < (op.name() == "sort" ? 2 : 1); ++k)
    if (op.backward_reads_output(k)) places.push_back({true, k});
  return places;
}

}  // namespace

TEST_CASE("backward reads all that ops declare") {
  std::map<std::string, bool> matters;  // "op: input 1", and whether a gradient depends on it
  for (const Case& c : all_cases()) {
    Sandwich plain(c, Execution::eager);
    plain.tape.backward(plain.loss);
    for (std::size_t node = 0; node < plain.tape.size(); ++node) {
      const Op& op = plain.tape.op(node);
      if (op.name() != c.op) continue;
      for (const Place& place : declared_places(op, c.inputs.size())) {
        Sandwich blind(c, Execution::eager);
        blind.tape.replace_op(node, std::make_unique<Blindfold>(blind.tape.take_op(node), place));
        blind.tape.backward(blind.loss);
        matters[c.op + (place.output ? ": output " : ": input ") + std::to_string(place.index)] |=
            !same(plain.gradients(), blind.gradients());
      }
    }
  }
  CHECK(matters.size() > 40);
  for (const auto& [what, read] : matters) {
    CAPTURE(what);
    CHECK(read);
  }
}

TEST_CASE("a planned tape gives every op the gradients of an eager one, replay after replay") {
  for (const Case& c : all_cases()) {
    CAPTURE(c.op);
    CAPTURE(c.shape);
    Sandwich eager(c, Execution::eager), planned(c, Execution::planned);
    eager.tape.backward(eager.loss);
    planned.tape.plan({}, planned.loss);
    for (int replay = 0; replay < 2; ++replay) {
      planned.tape.forward();
      planned.tape.backward(planned.loss);
      CHECK(planned.loss.value().item() == eager.loss.value().item());
      CHECK(same(eager.gradients(), planned.gradients()));
    }
  }
}

}  // namespace bitwright::gradient_check
