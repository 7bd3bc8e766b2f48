// The tape: recording, replay, gradients of values used several times or not at all.
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "small_net.h"

using namespace bitwright;
using testing::same_bits;
using testing::SmallNet;

TEST_CASE("a replay on new contents has the bits of a fresh recording") {
  SmallNet replayed(8, 1), fresh(8, 2);
  CHECK_FALSE(same_bits(replayed.loss.value(), fresh.loss.value()));
  fresh.tape.backward(fresh.loss);
  for (int earlier = 0; earlier < 3; ++earlier) {
    replayed.load(40 + static_cast<std::uint64_t>(earlier));
    replayed.tape.forward();
    replayed.tape.backward(replayed.loss);
  }
  replayed.load(2);
  replayed.tape.forward();
  replayed.tape.backward(replayed.loss);
  CHECK(same_bits(replayed.loss.value(), fresh.loss.value()));
  CHECK(same_bits(replayed.logits.value(), fresh.logits.value()));
  for (std::size_t i = 0; i < fresh.parameters.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bits(replayed.parameters[i].gradient(), fresh.parameters[i].gradient()));
  }
}

TEST_CASE("backward again gives the same bits: gradients are written, not added up") {
  SmallNet net;
  net.tape.backward(net.loss);
  std::vector<Tensor> first;
  for (const Variable& p : net.parameters) first.push_back(p.gradient().clone());
  for (const Variable& p : net.parameters) {
    Tensor handle = p.gradient();
    handle.fill(99);
  }
  net.tape.backward(net.loss);
  for (std::size_t i = 0; i < first.size(); ++i)
    CHECK(same_bits(first[i], net.parameters[i].gradient()));
}

TEST_CASE("training by replay lowers the loss") {
  SmallNet net;
  net.step(0.05f);
  const float before = net.loss.value().item();
  for (int i = 0; i < 30; ++i) net.step(0.05f);
  CHECK(net.loss.value().item() < 0.5f * before);
}

TEST_CASE("running statistics: a moving average of mean and unbiased variance, in training only") {
  Tape tape;
  const Variable x = tape.constant(Tensor::from({1, 10, 3, 10, 5, 10, 7, 10}, {4, 2}));
  BatchNormState state{Tensor::from({2, 0}, {2}), Tensor::from({1, 4}, {2}), 1e-5, 0.1};
  batch_norm(x, {}, {}, state, true);
  tape.forward();
  // Column 0: mean 4, variance 20 / 3 (biased 5); column 1: mean 10, variance 0. Two updates.
  const auto moved = [](double from, double to) { return to + 0.81 * (from - to); };
  CHECK(state.running_mean.values()[0] == doctest::Approx(moved(2, 4)));
  CHECK(state.running_mean.values()[1] == doctest::Approx(moved(0, 10)));
  CHECK(state.running_variance.values()[0] == doctest::Approx(moved(1, 20.0 / 3)));
  CHECK(state.running_variance.values()[1] == doctest::Approx(moved(4, 0)));

  const Tensor mean = state.running_mean.clone(), variance = state.running_variance.clone();
  batch_norm(x, {}, {}, state, false);
  CHECK(same_bits(mean, state.running_mean));
  CHECK(same_bits(variance, state.running_variance));
}

TEST_CASE("a value used several times collects all contributions") {
  Tape tape;
  const Variable x = tape.parameter(Tensor::from({2, -3}, {2}));
  // x^2 + 3x + x x: gradient 2x + 3 + 2x
  const Variable loss = sum(add(add(square(x), scale(x, 3)), multiply(x, x)));
  for (int pass = 0; pass < 2; ++pass) {
    tape.backward(loss);
    CHECK(x.gradient().values()[0] == 11);
    CHECK(x.gradient().values()[1] == -9);
  }
}

TEST_CASE("without a path to the loss the gradient is zero, also after a loss that had one") {
  Tape tape;
  const Variable a = tape.parameter(Tensor::from({2}, {1}));
  const Variable b = tape.parameter(Tensor::from({5}, {1}));
  const Variable c = tape.constant(Tensor::from({3}, {1}));
  const Variable both = sum(multiply(a, b)), one = sum(multiply(a, c));
  CHECK(a.gradient().values()[0] == 0);  // before any backward
  tape.backward(both);
  CHECK(a.gradient().values()[0] == 5);
  CHECK(b.gradient().values()[0] == 2);
  CHECK_FALSE(c.gradient().defined());
  tape.backward(one);
  CHECK(a.gradient().values()[0] == 3);
  CHECK(b.gradient().values()[0] == 0);
  tape.backward(both);
  CHECK(a.gradient().values()[0] == 5);
  CHECK(b.gradient().values()[0] == 2);
  CHECK(a.requires_gradient());
  CHECK_FALSE(c.requires_gradient());
  CHECK(both.requires_gradient());
}

TEST_CASE("ops recorded after a backward take part in the next one") {
  Tape tape;
  const Variable x = tape.parameter(Tensor::from({3}, {1}));
  const Variable first = sum(x);
  tape.backward(first);
  const Variable second = add(first, sum(square(x)));
  tape.backward(second);
  CHECK(x.gradient().values()[0] == 7);
  tape.backward(first);
  CHECK(x.gradient().values()[0] == 1);
}

TEST_CASE("a scalar is read at every replay, by forward and backward") {
  Tape tape;
  Scalar factor(2);
  const Variable x = tape.parameter(Tensor::from({3}, {1}));
  const Variable loss = sum(scale(x, factor));
  CHECK(loss.value().item() == 6);
  factor.set(-4);
  tape.forward();
  tape.backward(loss);
  CHECK(loss.value().item() == -12);
  CHECK(x.gradient().values()[0] == -4);
}

namespace {
// Outputs of several types, of which only the first one is used: (3x, 5x, round(x) as i32).
class Several final : public Op {
 public:
  std::string_view name() const override { return "several"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    return {in[0], in[0], {in[0].shape, DType::i32, Layout::plain}};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    for (std::int64_t i = 0; i < in[0].numel(); ++i) {
      out[0].f32()[i] = 3 * in[0].f32()[i];
      out[1].f32()[i] = 5 * in[0].f32()[i];
      out[2].i32()[i] = static_cast<std::int32_t>(in[0].f32()[i]);
    }
  }
  void backward(const BackwardArgs& a) override {
    CHECK_FALSE(a.output_gradients[2].defined());
    for (std::int64_t i = 0; i < a.inputs[0].numel(); ++i)
      a.input_gradients[0].f32()[i] =
          3 * a.output_gradients[0].f32()[i] + 5 * a.output_gradients[1].f32()[i];
  }
};
}  // namespace

TEST_CASE("ops with several outputs: unused ones have gradient zero, integers have none") {
  Tape tape;
  const Variable x = tape.parameter(Tensor::from({2, 4}, {2}));
  const auto y = tape.record_many(std::make_unique<Several>(), std::array{x});
  REQUIRE(y.size() == 3);
  CHECK_FALSE(y[2].requires_gradient());
  const Variable one = sum(y[0]), two = add(one, sum(y[1]));
  tape.backward(two);
  CHECK(x.gradient().values()[1] == 8);
  tape.backward(one);
  CHECK(x.gradient().values()[1] == 3);
  CHECK_THROWS_AS(tape.record(std::make_unique<Several>(), std::array{x}), std::logic_error);
}

namespace {
// What happened, one line each, and the first element of everything that was written.
class Protocol final : public TapeObserver {
 public:
  void before(const Event& e) override { note("before ", e); }
  void after(const Event& e) override {
    note("after ", e);
    for (const Tensor& t : e.results) written.push_back(t.defined() ? t.values()[0] : -1);
  }
  std::vector<std::string> lines;
  std::vector<float> written;

 private:
  void note(const std::string& when, const Event& e) {
    lines.push_back(when + std::string(e.tape.op(e.node).name()) + " of '" + e.tape.label(e.node) +
                    "'" + (e.pass == Pass::forward ? "" : " backward"));
  }
};
}  // namespace

TEST_CASE("an observer sees each op of a replay with its label and what it wrote") {
  Tape tape;
  const Variable x = tape.parameter(Tensor::from({3}, {1}));
  const Variable c = tape.constant(Tensor::from({5}, {1}));
  Variable loss;
  {
    const LabelScope outer(tape, "outer");
    Variable product;
    {
      const LabelScope inner(tape, "inner");
      product = multiply(c, x);
    }
    loss = sum(product);
  }
  CHECK(tape.label() == "");
  Protocol protocol;
  tape.forward();  // nobody looks
  tape.observe(&protocol);
  tape.forward();
  tape.backward(loss);
  tape.observe(nullptr);
  tape.forward();
  CHECK(protocol.lines ==
        std::vector<std::string>{"before multiply of 'inner'", "after multiply of 'inner'",
                                 "before sum of 'outer'", "after sum of 'outer'",
                                 "before sum of 'outer' backward", "after sum of 'outer' backward",
                                 "before multiply of 'inner' backward",
                                 "after multiply of 'inner' backward"});
  // Outputs, then the gradients: of the sum's input; none of the constant's; the parameter's.
  CHECK(protocol.written == std::vector<float>{15, 15, 1, -1, 5});
}

TEST_CASE("misuse of a tape is refused") {
  Tape tape, other;
  const Variable x = tape.parameter(Tensor::zeros({2})), y = other.parameter(Tensor::zeros({2}));
  CHECK_THROWS_AS(add(x, y), std::logic_error);
  CHECK_THROWS_AS(add(x, Variable()), std::logic_error);
  CHECK_THROWS_AS(tape.backward(x), std::logic_error);
  CHECK_THROWS_AS(tape.backward(sum(y)), std::logic_error);
  const Variable loss = sum(square(x));  // and the tape still works
  tape.backward(loss);
  CHECK(loss.value().item() == 0);
}

TEST_CASE("ops refuse shapes and layouts that do not fit") {
  Tape tape;
  const auto plain = [&](Shape s) { return tape.parameter(Tensor::zeros(std::move(s))); };
  const auto image = [&](Shape s) {
    Tensor t = Tensor::empty({std::move(s), DType::f32, Layout::channels_last});
    t.fill(0);
    return tape.parameter(t);
  };
  Tensor labels = Tensor::empty({Shape{2}, DType::i32, Layout::plain});
  labels.i32()[0] = labels.i32()[1] = 2;
  const Variable vector = plain({3}), matrix = plain({2, 3}), picture = image({1, 2, 4, 4});
  const Variable none, target = tape.constant(labels);
  const BatchNormState state{Tensor::zeros({3}), Tensor::full({3}, 1), 1e-5, 0.1};
#define REFUSED(expression) CHECK_THROWS_AS(expression, std::logic_error)
  REFUSED(linear(matrix, plain({4, 2}), none));
  REFUSED(linear(matrix, plain({4, 3}), vector));
  REFUSED(linear(vector, plain({4, 3}), none));
  REFUSED(conv2d(plain({1, 2, 4, 4}), plain({1, 2, 3, 3}), none, {}));
  REFUSED(conv2d(picture, plain({1, 3, 3, 3}), none, {}));
  REFUSED(conv2d(picture, plain({1, 2, 5, 5}), none, {}));
  REFUSED(conv2d(picture, plain({1, 2, 3, 3}), vector, {}));
  REFUSED(conv2d(picture, plain({1, 2, 3, 3}), none, {.stride = 0}));
  REFUSED(conv2d(picture, plain({1, 2, 3, 3}), none, {.padding = -1}));
  REFUSED(batch_norm(plain({2, 4}), none, none, state, true));
  REFUSED(batch_norm(vector, none, none, state, true));
  REFUSED(batch_norm(plain({1, 3, 2, 2}), none, none, state, true));
  REFUSED(batch_norm(matrix, vector, none, state, true));
  REFUSED(batch_norm(matrix, plain({2}), plain({2}), state, true));
  REFUSED(batch_norm(matrix, none, none, {}, true));
  REFUSED(max_pool2d(picture, 5, 1));
  REFUSED(max_pool2d(picture, 2, 0));
  REFUSED(max_pool2d(picture, 0, 1));
  REFUSED(max_pool2d(plain({1, 2, 4, 4}), 2, 2));
  REFUSED(reshape(matrix, {7}));
  REFUSED(cross_entropy(vector, target));
  REFUSED(cross_entropy(matrix, matrix));
  REFUSED(cross_entropy(plain({3, 3}), target));
  REFUSED(cross_entropy(plain({2, 2}), target));  // label 2 of two classes
  REFUSED(add(plain({2}), matrix));
  REFUSED(add(picture, plain({1, 2, 4, 4})));
  REFUSED(add(picture, plain({3})));
  REFUSED(add(target, target));
  REFUSED(max_pool2d(picture, 3, 1, 2));
  REFUSED(avg_pool2d(picture, 5, 1));
  REFUSED(avg_pool2d(plain({1, 2, 4, 4}), 2, 2));
  REFUSED(global_avg_pool(matrix));
  REFUSED(shortcut_a(picture, 2, 1));
  REFUSED(dropout(matrix, 1, {}, true));
  REFUSED(dropout(matrix, -0.5, {}, true));
  REFUSED(concat({}, 0));
  REFUSED(concat({matrix, vector}, 0));
  REFUSED(concat({matrix, plain({3, 4})}, 0));
  REFUSED(concat({matrix, matrix}, 2));
  REFUSED(concat({picture, plain({1, 2, 4, 4})}, 1));
  REFUSED(pad(matrix, {{1, 1}}));
  REFUSED(pad(matrix, {{-1, 0}, {0, 0}}));
  REFUSED(slice(matrix, 1, 2, 2));
  REFUSED(slice(matrix, 1, 0, 4));
  REFUSED(slice(matrix, 1, 0, 3, 0));
  REFUSED(slice(matrix, -3, 0, 1));
  REFUSED(sum(matrix, {2}));
  REFUSED(mean(target));
  REFUSED(variance(plain({1}), {}, false, 1));
  REFUSED(quantile(matrix, 1.25));
  REFUSED(quantile(picture, 0.5, 1));
  REFUSED(sort(picture));
  REFUSED(index_select(matrix, 0, vector));
  REFUSED(index_select(matrix, 1, plain({2})));
  REFUSED(gather(matrix, 0, target));
  REFUSED(relu(target));
  REFUSED(softmax(vector));
  REFUSED(cross_entropy(matrix, target, 1.5));
  REFUSED(soft_cross_entropy(matrix, vector));
  REFUSED(mse(matrix, vector));
  REFUSED(kl_divergence(matrix, plain({3, 2})));
  REFUSED(softmax_planes(picture, 1));
  REFUSED(softmax_planes(plain({}), 1));
#undef REFUSED
  CHECK_NOTHROW(cross_entropy(matrix, target));
}
