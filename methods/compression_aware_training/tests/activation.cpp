// One compressed tensor: the worked numbers, the surrogate gradients, calibration, what is counted.
#include "../activation.h"

#include <cmath>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/autograd/ops.h>
#include <bitwright/core/rng.h>

#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::cat;
using bitwright::test::list;

namespace {

using Values = std::vector<float>;

Compression two_bits(Regularizer regularizer = Regularizer::none) {
  Compression how;
  how.bits = 2;
  how.regularizer = regularizer;
  return how;
}

// A tensor under compression, with dL/dy = g and dL/dR = r.
struct Traced {
  Traced(const Values& a, float c, const Compression& how, const Values& g, float r = 1,
         std::int64_t observed = 1, DType type = DType::f32)
      : state(std::make_shared<Activation>("relu1", static_cast<std::int64_t>(a.size()),
                                           how.levels())) {
    state->observed = observed;
    state->on.set(1);
    state->clip.fill(c);
    const Shape shape{static_cast<std::int64_t>(a.size())};
    x = tape.parameter(Tensor::from(a, shape));
    clip = tape.parameter(state->clip);
    const Compressed compressed =
        compress(cast(x, type), how.clips ? clip : Variable(), state, how);
    y = cast(compressed.y, DType::f32);
    regularizer = compressed.regularizer;
    Variable loss = sum(multiply(y, tape.constant(Tensor::from(g, shape))));
    if (regularizer.defined()) loss = add(loss, scale(regularizer, static_cast<double>(r)));
    tape.backward(loss);
  }
  std::shared_ptr<Activation> state;
  Tape tape;
  Variable x, clip, y, regularizer;
};

void check_near(const Values& got, const Values& want, double tolerance) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i])) < tolerance);
  }
}

Values random_values(std::size_t n, std::uint64_t stream) {
  Values values(n);
  const Rng rng(stream, "activation");
  for (std::size_t i = 0; i < n; ++i) values[i] = std::max(0.0f, static_cast<float>(rng.normal(i)));
  return values;
}

}  // namespace

TEST_CASE("quantized values and the soft entropy's gradient (item 3)") {
  const Values a{0, .2f, .3f, .75f, 1.1f, 1.5f}, nothing(6);
  Compression how = two_bits(Regularizer::entropy);
  how.clips = false;
  how.deployed_range = Range::batch;
  Traced whole(a, 0, how, nothing);
  check_near(list(whole.y.value()), {0, 0, .5f, 1, 1, 1.5f}, 1e-6);
  CHECK(std::abs(whole.regularizer.value().item() - 1.959387f) < 1e-6f);
  check_near(list(whole.x.gradient()),
             {-.488615f, .290454f, .290454f, .003969f, .009523f, -.105786f}, 3e-6);
  how.detach_range = true;
  check_near(list(Traced(a, 0, how, nothing).x.gradient()),
             {.000126f, .290454f, .290454f, .003969f, .009523f, .000175f}, 3e-6);
}

TEST_CASE("the clip: min(a, |c|) of a ReLU, and its surrogate gradient (item 7)") {
  const Values a{-.5f, .3f, .8f, 1.7f}, g{1, 2, 4, 8};
  for (const Range range : {Range::batch, Range::clip})
    for (const float c : {.8f, -.8f}) {
      Compression how = two_bits();
      how.bits = 8;  // fine enough to see the clip: .3 lies within half a step
      how.range = range;
      Traced traced(a, c, how, g);
      check_near(list(traced.y.value()), {0, .3f, .8f, .8f}, .8 / 255 / 2 + 1e-6);
      CHECK(list(traced.x.gradient()) == Values{0, 2, 4, 0});
      CHECK(list(traced.clip.gradient()) == Values{c > 0 ? 8.0f : -8.0f});
    }
}

TEST_CASE("codes round half to even (item 9)") {
  Compression how = two_bits();
  how.range = Range::clip;
  check_near(list(Traced({.5f, 1.5f, 2.5f, 3}, 3, how, Values(4)).y.value()), {0, 2, 2, 3}, 1e-6);
}

TEST_CASE("|v|_1 / |v|_2 (item 8), its gradient by differences") {
  Compression how = two_bits(Regularizer::l1_l2);
  CHECK(Traced({0, 0, 3, 4}, 9, how, Values(4)).regularizer.value().item() == doctest::Approx(1.4));
  const Values a{.25f, .5f, 1, 2};
  Traced traced(a, 9, how, Values(4));
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float h = 1.0f / 64;
    Values up = a, down = a;
    up[i] += h;
    down[i] -= h;
    const float slope = (Traced(up, 9, how, Values(4)).regularizer.value().item() -
                         Traced(down, 9, how, Values(4)).regularizer.value().item()) /
                        (2 * h);
    CHECK(traced.x.gradient().f32()[i] == doctest::Approx(slope).epsilon(1e-3));
  }
}

TEST_CASE("the entropy's gradient by differences, through the clip and the range") {
  const Values a = random_values(60, 4);
  for (const Range range : {Range::batch, Range::clip}) {
    Compression how = two_bits(Regularizer::entropy);
    how.bits = 3;
    how.temperature = 1;
    how.range = range;
    const float c = 1.375f, h = 1.0f / 128;
    Traced traced(a, c, how, Values(a.size()));
    const auto entropy_at = [&](const Values& values, float clip) {
      return Traced(values, clip, how, Values(a.size())).regularizer.value().item();
    };
    CHECK(traced.clip.gradient().item() ==
          doctest::Approx((entropy_at(a, c + h) - entropy_at(a, c - h)) / (2 * h)).epsilon(2e-2));
    CHECK(std::abs(traced.clip.gradient().item()) > 0.01f);
    for (std::size_t i = 0; i < 12; ++i) {
      if (a[i] == 0 || std::abs(a[i] - c) < 2 * h) continue;
      Values up = a, down = a;
      up[i] += h;
      down[i] -= h;
      const float slope = (entropy_at(up, c) - entropy_at(down, c)) / (2 * h);
      CAPTURE(i);
      CHECK(traced.x.gradient().f32()[i] == doctest::Approx(slope).epsilon(2e-2).scale(0.01));
    }
  }
}

TEST_CASE("gradients of quantizer and regulariser add up, also in bf16") {
  const Values a = random_values(50, 5);
  Values g(a.size());
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = static_cast<float>(i % 5) - 2;
  Compression how = two_bits(Regularizer::entropy);
  how.temperature = 2;
  Traced both(a, 1.5f, how, g, 3), one(a, 1.5f, how, g, 0), other(a, 1.5f, how, Values(50), 3);
  Values sum = list(one.x.gradient());
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += other.x.gradient().f32()[i];
  check_near(list(both.x.gradient()), sum, 1e-6);
  CHECK(both.clip.gradient().item() ==
        doctest::Approx(one.clip.gradient().item() + other.clip.gradient().item()));
  Traced half(a, 1.5f, how, g, 3, 1, DType::bf16);
  check_near(list(half.y.value()), list(both.y.value()), 0.52);  // a code may differ by one
  check_near(list(half.x.gradient()), sum, 0.03);
}

TEST_CASE("the first batches only give the clip its start: mean + 3 std, running by 0.9") {
  const Values a{1, 2, 3, 6}, g{1, 2, 3, 4};
  Compression how = two_bits(Regularizer::entropy);
  how.calibration = 2;
  Traced traced(a, 0, how, g, 1, 0);
  const double deviation = std::sqrt(14.0 / 4);
  CHECK(traced.state->clip.item() == doctest::Approx(3 + 3 * deviation));
  CHECK(list(traced.y.value()) == a);
  CHECK(list(traced.x.gradient()) == g);
  CHECK(traced.clip.gradient().item() == 0);
  CHECK(traced.regularizer.value().item() == 0);
  Tensor x = traced.x.value();
  x.fill(2);
  traced.tape.forward();
  CHECK(traced.state->observed == 2);
  CHECK(traced.state->clip.item() == doctest::Approx(0.9 * 3 + 0.1 * 2 + 3 * 0.9 * deviation));
  traced.tape.forward();
  CHECK(traced.state->observed == 2);  // from now on it is trained
}

TEST_CASE("a layer that is off passes values and gradients as they are") {
  const Values a{0, 1, 2, 9}, g{1, 2, 3, 4};
  Traced traced(a, 1, two_bits(Regularizer::entropy), g);
  traced.state->on.set(0);
  traced.tape.forward();
  CHECK(list(traced.y.value()) == a);
  CHECK(traced.regularizer.value().item() == 0);
  Variable out = traced.tape.constant(traced.x.value());
  CHECK(list(deploy(out, traced.clip, traced.state, two_bits(), true).value()) == a);
  for (const std::int64_t n : traced.state->counts) CHECK(n == 0);
}

TEST_CASE("deployed: the frozen range, codes counted; the range of the batch before any training") {
  auto state = std::make_shared<Activation>("relu1", 4, 4);
  state->on.set(1);
  state->observed = 1;
  state->clip.fill(3);
  Tape tape;
  const Variable clip = tape.constant(state->clip);
  const Variable a = tape.constant(Tensor::from({0, .4f, 1.5f, 2}, {4}));
  CHECK(list(deploy(a, clip, state, two_bits(), true).value()) == Values{0, 0, 2, 2});
  CHECK(state->counts == std::vector<std::int64_t>{2, 0, 2, 0});
  deploy(a, clip, state, two_bits(), false);
  CHECK(state->counts == std::vector<std::int64_t>{2, 0, 2, 0});
  SoftEntropy soft({4, 10, true});
  CHECK(state->soft_entropy == soft.forward(list(a.value()), 0, 3));
  Compression batch = two_bits();
  batch.deployed_range = Range::batch;
  check_near(list(deploy(a, clip, state, batch, false).value()), {0, 2 / 3.0f, 4 / 3.0f, 2}, 1e-6);
  state->observed = 0;
  check_near(list(deploy(a, clip, state, two_bits(), false).value()), {0, 2 / 3.0f, 4 / 3.0f, 2},
             1e-6);
}
