#include "gradient_check.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <set>

#include <doctest/doctest.h>

namespace bitwright::gradient_check {
namespace {

using naive::to_array;
using naive::to_tensor;

// Loss = sum of weight * y, in double; its gradient is the weights.
class WeightedSum final : public Op {
 public:
  explicit WeightedSum(Tensor weights) : weights_(std::move(weights)) {}
  std::string_view name() const override { return "weighted_sum"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec>) override { return {{Shape{}}}; }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    loss = 0;
    for (std::int64_t i = 0; i < in[0].numel(); ++i)
      loss += static_cast<double>(in[0].f32()[i]) * static_cast<double>(weights_.f32()[i]);
    *out[0].f32() = static_cast<float>(loss);
  }
  void backward(const BackwardArgs& a) override { a.input_gradients[0].copy_from(weights_); }

  double loss = 0;

 private:
  Tensor weights_;
};

// The tensors that an op says it reads; in place of the others, garbage.
template <class Reads>
std::vector<Tensor> only_read(std::span<const Tensor> tensors, const Reads& reads) {
  std::vector<Tensor> seen(tensors.begin(), tensors.end());
  for (std::size_t k = 0; k < seen.size(); ++k) {
    if (reads(k)) continue;
    seen[k] = Tensor::empty(tensors[k].spec());
    if (is_floating(seen[k].type()))
      seen[k].fill(NAN);
    else
      std::memset(seen[k].data(), 0x7f, seen[k].bytes());
  }
  return seen;
}

// An op whose backward can be broken: gradient of `input` <- factor * gradient - term. It sees
// nothing of what it says not to read.
class Breakable final : public Op {
 public:
  explicit Breakable(std::unique_ptr<Op> inner) : inner_(std::move(inner)) {}
  std::string_view name() const override { return inner_->name(); }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    return inner_->outputs(in);
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    inner_->forward(in, out);
  }
  void backward(const BackwardArgs& a) override {
    const auto inputs =
        only_read(a.inputs, [&](std::size_t k) { return inner_->backward_reads_input(k); });
    const auto outputs =
        only_read(a.outputs, [&](std::size_t k) { return inner_->backward_reads_output(k); });
    inner_->backward({inputs, outputs, a.output_gradients, a.input_gradients});
    wanted.clear();
    for (const Tensor& g : a.input_gradients) wanted.push_back(g.defined());
    if (factor == 1 && term.size() == 0) return;
    Array g = to_array(a.input_gradients[input]);
    for (std::int64_t i = 0; i < g.size(); ++i)
      g[i] = factor * g[i] - (term.size() > 0 ? term[i] : 0);
    a.input_gradients[input].copy_from(
        to_tensor(g, Layout::plain, a.input_gradients[input].type()));
  }

  std::size_t input = 0;
  double factor = 1;
  Array term;
  std::vector<bool> wanted;  ///< inputs with a gradient, known after a backward

 private:
  std::unique_ptr<Op> inner_;
};

// A case on a tape of its own.
class Probe {
 public:
  explicit Probe(const Case& c) : case_(c) {
    for (const Input& input : c.inputs) {
      const Tensor own = input.value.clone();  // finite differences write into it
      leaves_.push_back(input.wants_gradient ? tape_.parameter(own) : tape_.constant(own));
      sample.inputs.push_back(to_array(own));
    }
    output_ = c.build(leaves_);
    // No weight near zero: every output counts.
    const Rng rng(7, "weights", hash_name(c.op), hash_name(c.shape));
    sample.dy = naive::random(rng, output_.shape(), 0.5, 1.5);
    for (std::int64_t i = 0; i < sample.dy.size(); ++i)
      if (rng.bits(1000000 + static_cast<std::uint64_t>(i)) & 1) sample.dy[i] = -sample.dy[i];
    auto weighted = std::make_unique<WeightedSum>(to_tensor(sample.dy, output_.value().layout()));
    sum_ = weighted.get();
    loss_ = tape_.record(std::move(weighted), std::array{output_});
  }

  Array output() const { return to_array(output_.value()); }
  std::size_t nodes() const { return tape_.size() - 1; }
  std::size_t leaves() const { return leaves_.size(); }
  bool wants(std::size_t leaf) const { return leaves_[leaf].requires_gradient(); }

  Array analytic(std::size_t leaf) {
    tape_.backward(loss_);
    return to_array(leaves_[leaf].gradient());
  }

  Array numeric(std::size_t leaf) {
    if (case_.surrogate) return case_.surrogate(sample);
    Tensor x = leaves_[leaf].value(), gradient = Tensor::empty(x.spec());
    const double h = case_.step;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const float centre = x.f32()[i];
      const auto f = [&](double offset) {
        x.f32()[i] = centre + static_cast<float>(offset);
        tape_.forward();
        return sum_->loss;
      };
      gradient.f32()[i] =
          static_cast<float>((8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h));
      x.f32()[i] = centre;
    }
    tape_.forward();
    return to_array(gradient);
  }

  Breakable& breakable(std::size_t node) {
    if (breakables_.size() <= node) breakables_.resize(node + 1);
    if (breakables_[node] == nullptr) {
      auto op = std::make_unique<Breakable>(tape_.take_op(node));
      breakables_[node] = op.get();
      tape_.replace_op(node, std::move(op));
    }
    return *breakables_[node];
  }

  Sample sample;

 private:
  const Case& case_;
  Tape tape_;
  std::vector<Variable> leaves_;
  Variable output_, loss_;
  WeightedSum* sum_ = nullptr;
  std::vector<Breakable*> breakables_;
};

// Largest distance over the inputs that want a gradient.
double worst(Probe& probe, const std::map<std::size_t, Array>& expected) {
  double distance = 0;
  for (const auto& [leaf, gradient] : expected)
    distance = std::max(distance, naive::distance(probe.analytic(leaf), gradient));
  return distance;
}

std::map<std::size_t, Array> numeric_gradients(Probe& probe) {
  std::map<std::size_t, Array> gradients;
  for (std::size_t leaf = 0; leaf < probe.leaves(); ++leaf)
    if (probe.wants(leaf)) gradients[leaf] = probe.numeric(leaf);
  return gradients;
}

std::set<std::string> declared_ops() {
  std::ifstream file(BITWRIGHT_SOURCE "/framework/include/bitwright/autograd/ops.h");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::regex declaration(R"((?:^|\n)(?:Variable|Sorted)\s+(\w+)\()");
  std::set<std::string> names;
  for (std::sregex_iterator i(text.begin(), text.end(), declaration), end; i != end; ++i)
    names.insert((*i)[1]);
  return names;
}

}  // namespace

Case in_bf16(const Case& c) {
  const auto rounded = [](const Array& a) {
    return to_array(to_tensor(a, Layout::plain, DType::bf16));
  };
  Case b = c;
  b.shape += ", bf16";
  b.terms = {};  // the f32 case has them
  b.build = [c](const std::vector<Variable>& in) {
    std::vector<Variable> narrow;
    for (const Variable& v : in)
      narrow.push_back(is_floating(v.value().type()) ? cast(v, DType::bf16) : v);
    return cast(c.build(narrow), DType::f32);
  };
  b.forward = [=](const Sample& s) {
    Sample at{{}, s.dy};
    for (const Array& x : s.inputs) at.inputs.push_back(rounded(x));
    return rounded(c.forward(at));
  };
  b.surrogate = [=](const Sample& s) {
    Tape tape;
    std::vector<Variable> leaves;
    Variable wanted;
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      const Tensor& value = c.inputs[i].value;
      const Tensor own =
          is_floating(value.type()) ? to_tensor(rounded(s.inputs[i]), value.layout()) : value;
      leaves.push_back(c.inputs[i].wants_gradient ? tape.parameter(own) : tape.constant(own));
      if (c.inputs[i].wants_gradient) {
        REQUIRE_FALSE(wanted.defined());
        wanted = leaves.back();
      }
    }
    const Variable y = c.build(leaves);
    tape.backward(
        tape.record(std::make_unique<WeightedSum>(to_tensor(rounded(s.dy), y.value().layout())),
                    std::array{y}));
    return rounded(to_array(wanted.gradient()));
  };
  return b;
}

Tensor distinct_values(const Shape& shape, Layout layout) {
  Array x(shape);
  const auto order = Rng(static_cast<std::uint64_t>(x.size()), "distinct")
                         .permutation(static_cast<std::uint32_t>(x.size()));
  for (std::int64_t i = 0; i < x.size(); ++i) x[i] = order[static_cast<std::size_t>(i)] / 16.0 - 3;
  return to_tensor(x, layout);
}

void check_gradients(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.op);
    CAPTURE(c.shape);
    Probe probe(c);
    CHECK(naive::distance(probe.output(), c.forward(probe.sample)) < 1e-5);
    const auto expected = numeric_gradients(probe);
    REQUIRE_FALSE(expected.empty());
    for (std::size_t node = 0; node < probe.nodes(); ++node) probe.breakable(node);
    for (const auto& [leaf, gradient] : expected) {
      CAPTURE(leaf);
      CHECK(gradient.norm() > 1e-2);  // comparing nothing with nothing proves nothing
      CHECK(naive::distance(probe.analytic(leaf), gradient) < kMargin);
    }
  }
}

void check_mutations(const std::vector<Case>& cases) {
  std::map<std::string, bool> terms;  // "op: term", and whether it mattered in some case
  int mutations = 0;
  for (const Case& c : cases) {
    CAPTURE(c.op);
    CAPTURE(c.shape);
    Probe probe(c);
    const auto expected = numeric_gradients(probe);
    for (std::size_t node = 0; node < probe.nodes(); ++node) {
      Breakable& op = probe.breakable(node);
      REQUIRE(worst(probe, expected) < kTolerance);
      const std::vector<bool> wanted = op.wanted;
      for (op.input = 0; op.input < wanted.size(); ++op.input) {
        if (!wanted[op.input]) continue;
        for (double factor : {1.01, 0.99, 0.0}) {
          op.factor = factor;
          CAPTURE(node);
          CAPTURE(op.input);
          CAPTURE(factor);
          CHECK(worst(probe, expected) > kTolerance);
          ++mutations;
        }
        op.factor = 1;
      }
    }
    for (const Term& t : c.terms) {
      if (!c.inputs[t.input].wants_gradient) continue;
      CAPTURE(t.name);
      Breakable& op = probe.breakable(0);
      op.input = t.input;
      op.term = t.formula(probe.sample);
      const bool matters = op.term.norm() > 1e-2 * expected.at(t.input).norm();
      if (matters) {
        CHECK(worst(probe, expected) > kTolerance);
        ++mutations;
      }
      terms[c.op + ": " + t.name] |= matters;
      op.term = {};
    }
  }
  for (const auto& [name, mattered] : terms) {
    CAPTURE(name);
    CHECK(mattered);
  }
  MESSAGE(mutations, " mutations caught, ", terms.size(), " kinds of terms");
}

TEST_CASE("every op of ops.h has gradient checks, and nothing else pretends to be an op") {
  std::set<std::string> covered;
  for (const auto& cases : {layer_cases(), normalization_cases(), pooling_cases(),
                            elementwise_cases(), activation_cases(), broadcast_cases(),
                            reduction_cases(), loss_cases(), shape_cases(), indexing_cases()})
    for (const Case& c : cases)
      if (c.op != "fan-out") covered.insert(c.op);
  const std::set<std::string> declared = declared_ops();
  CHECK(declared.size() >= 59);  // the header was found and understood
  for (const std::string& name : declared) {
    CAPTURE(name);
    CHECK(covered.contains(name));
  }
  CHECK(covered == declared);
}

}  // namespace bitwright::gradient_check
