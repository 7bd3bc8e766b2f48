// Quantizers after training: worked numbers of LAPQ, DoReFa and KURE's experiments, ranges by every
// rule, steps that change, levels as grids and code books.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>
#include <bitwright/quant/quantizer.h>

#include "method_fixture.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

std::unique_ptr<Quantizer> make(const std::string& name, const Given& given = {}) {
  return make_component(builtin_registries().quantizers, name, given);
}

std::vector<float> rounded(const Levels& levels, std::vector<float> x) {
  levels.quantize(x, x);
  return x;
}

void check_list(const std::vector<float>& got, const std::vector<double>& wanted) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK(std::abs(static_cast<double>(got[i]) - wanted[i]) < 1e-6);
}

// With a clip at alpha.
std::vector<float> mid_rise(int bits, double alpha, const std::vector<float>& x) {
  return rounded(make("mid_rise")->levels({-alpha, alpha}, {.bits = bits}), x);
}

std::vector<float> normal_numbers(std::int64_t n) {
  const Rng rng(5, "quantizers");
  std::vector<float> x;
  for (std::int64_t i = 0; i < n; ++i)
    x.push_back(static_cast<float>(rng.normal(static_cast<std::uint64_t>(i))));
  return x;
}

const std::vector<std::string> all_names{"symmetric", "asymmetric",   "mid_rise",
                                         "ternary",   "power_of_two", "dorefa"};

}  // namespace

TEST_CASE("LAPQ's weights have an even number of levels, none of them zero") {
  const std::vector<float> x{-1.5f, -.9f, -.34f, -.2f, 0, .1f, .32f, .34f, .7f, 1.2f};
  const double t = 1.0 / 3;
  check_list(mid_rise(2, 1, x), {-1, -1, -t, -t, t, t, t, t, 1, 1});
  check_list(mid_rise(3, .8, x),
             {-.8, -.8, -.342857, -.114286, .114286, .114286, .342857, .342857, .8, .8});
  check_list(mid_rise(2, .6, {-.9f, -.35f, -.05f, .12f, .4f, .7f}), {-.6, -.2, -.2, .2, .2, .6});
  check_list(mid_rise(4, .6, {-.9f, -.35f, -.05f, 0.001f, .12f, .4f, .7f}),
             {-.6, -.36, -.04, .04, .12, .36, .6});
}

TEST_CASE("behind a ReLU the levels are unsigned") {
  const auto quantizer = make("asymmetric");
  check_list(rounded(quantizer->levels({0, 1}, {.bits = 2}), {0, .1f, .17f, .5f, .9f, 1.4f}),
             {0, 0, 1.0 / 3, 2.0 / 3, 1, 1});
  check_list(rounded(quantizer->levels({0, 1.2}, {.bits = 2}), {-.3f, .1f, .3f, .45f, .9f, 1.7f}),
             {0, 0, .4, .4, .8, 1.2});
  // Signed: zero stays a level.
  const Levels both = quantizer->levels({-0.5, 1}, {.bits = 4});
  CHECK(rounded(both, {0})[0] == 0);
  CHECK(both.count() == 16);
  CHECK(both.values().front() == doctest::Approx(-0.5));
  CHECK(both.values().back() == doctest::Approx(1));
}

TEST_CASE("signed levels with zero") {
  check_list(make("symmetric")->levels({-1, 1}, {.bits = 3}).values(),
             {-1, -2. / 3, -1. / 3, 0, 1. / 3, 2. / 3, 1});
  const auto full = make("symmetric", {{"full_range", true}});
  CHECK(full->levels({-1, 1}, {.bits = 3}).values().front() == doctest::Approx(-4. / 3));
  check_list(rounded(make("symmetric")->levels({-.3, .3}, {.bits = 2}), {-5, -.1f, .14f, .16f, 1}),
             {-.3, 0, 0, .3, .3});
}

TEST_CASE("bias correction sets the mean of each output channel back") {
  const auto quantizer = make("mid_rise");
  const Tensor w = Tensor::from({-.9f, .2f, .5f, .1f, .3f, -.7f}, {2, 3});
  Tensor out = Tensor::empty({2, 3});
  quantize_weight(*quantizer, {{-1, 1}}, {.bits = 2}, true, w, out);
  check_list(list(out), {-.955556, .377778, .377778, .344444, .344444, -.988889});
  const Tensor one = Tensor::from({-.9f, -.35f, -.05f, 0.001f, .12f, .4f, .7f}, {1, 7});
  Tensor shifted = Tensor::empty({1, 7});
  quantize_weight(*quantizer, {{-.6, .6}}, {.bits = 2}, true, one, shifted);
  double before = 0, after = 0;
  for (std::size_t i = 0; i < 7; ++i)
    before += static_cast<double>(one.values()[i]),
        after += static_cast<double>(std::as_const(shifted).values()[i]);
  CHECK(after == doctest::Approx(before).epsilon(1e-5));
}

TEST_CASE("DoReFa's weights, and what a changed step does to them") {
  const std::vector<float> w{-.8f, -.3f, -.05f, .1f, .4f, 1.2f};
  const auto published = make("dorefa", {{"step_change", "published"}});
  const auto at = [&](const Quantizer& quantizer, int bits, double r) {
    const Range range = quantizer.range(Observed::all_of(w), bits);
    return rounded(quantizer.levels(range, {.bits = bits, .step_ratio = r}), w);
  };
  const double t = 1.0 / 3;
  check_list(at(*published, 2, 1), {-1, -t, -t, t, t, 1});
  // The published code multiplies n where the step is divided: its 0.9 is a step ratio of 1 / 0.9.
  check_list(at(*published, 2, 1 / .9), {-1, -.259259, -.259259, .481481, .481481, 1.222222});
  check_list(at(*published, 2, 1 / 1.1), {-1, -.393939, .212121, .212121, .212121, .818182});
  check_list(at(*published, 4, 1), {-.733333, -.333333, -.066667, .066667, .466667, 1});
  const auto ours = make("dorefa");
  CHECK(at(*ours, 4, 1) == at(*published, 4, 1));
  check_list(at(*ours, 2, 0.9), {-.9, -.3, -.3, .3, .3, .9});
  const auto moved = at(*ours, 2, 1.1);
  CHECK(moved.back() == doctest::Approx(1.1));
}

TEST_CASE("steps become the nearest power of two, and clips follow") {
  CHECK(power_of_two_step(.1138) == .125);
  CHECK(power_of_two_step(.0449) == .0625);
  CHECK(power_of_two_step(.0565) == .0625);
  CHECK(power_of_two_step(.75) == 1);
  const std::vector<float> x = normal_numbers(1000);
  for (const std::string& name : all_names) {
    CAPTURE(name);
    const auto quantizer = make(name);
    const int bits = std::min(4, quantizer->widths().most);
    const Range range = quantizer->range(Observed::all_of(x), bits);
    const Levels exact = quantizer->levels(range, {.bits = bits}),
                 snapped = quantizer->levels(range, {.bits = bits, .power_of_two = true}),
                 wider = quantizer->levels(range, {.bits = bits, .step_ratio = 1.5});
    CHECK(static_cast<float>(snapped.step) == static_cast<float>(power_of_two_step(exact.step)));
    CHECK(wider.step == doctest::Approx(1.5 * exact.step));
    CHECK(wider.values().back() == doctest::Approx(1.5f * exact.values().back()).epsilon(1e-3));
    const auto change = static_cast<float>(snapped.step / exact.step);
    CHECK(snapped.values().front() ==
          doctest::Approx(change * exact.values().front()).epsilon(0.1));
    CHECK(snapped.count() == exact.count());
  }
}

TEST_CASE("the range with the least |error|^p is LAPQ's") {
  const std::vector<float> t{-2, -1.1f, -.6f, -.3f, -.1f, .05f, .2f, .4f, .8f, 1.5f};
  struct Row {
    double p, alpha, error;
  };
  for (const Row& row :
       {Row{1, 1.100, .268333}, {2, 1.434, .099596}, {3, 1.480, .040681}, {4, 1.505, .017265}}) {
    const auto quantizer = make("mid_rise", {{"range", "lp"}, {"p", row.p}});
    const Range range = quantizer->range(Observed::all_of(t), 2);
    CHECK(range.high == doctest::Approx(row.alpha).epsilon(2e-3));
    CHECK(range.low == -range.high);
    CHECK(quantizer->levels(range, {.bits = 2}).error(t, row.p) ==
          doctest::Approx(row.error).epsilon(1e-3));
  }
  const Range four = make("mid_rise", {{"range", "lp"}, {"p", 2.0}})->range(Observed::all_of(t), 4);
  CHECK(four.high == doctest::Approx(1.938).epsilon(2e-3));
  CHECK(make("mid_rise")->range(Observed::all_of(t), 2).high ==
        doctest::Approx(1.434).epsilon(2e-3));
}

TEST_CASE("ranges by the other rules") {
  const std::vector<float> x = normal_numbers(10000);
  const Observed seen = Observed::all_of(x);
  const auto range = [&](const Given& given, const std::string& name = "asymmetric") {
    return make(name, given)->range(seen, 4);
  };
  const auto [low, high] = std::ranges::minmax(x);
  CHECK(range({{"range", "min_max"}}).low == static_cast<double>(low));
  CHECK(range({{"range", "min_max"}}).high == static_cast<double>(high));
  CHECK(range({{"range", "min_max"}}, "symmetric").low ==
        -static_cast<double>(std::max(-low, high)));
  // Half of the numbers lie within 0.6745 deviations.
  const Range half = range({{"range", "percentile"}, {"percentile", 50.0}});
  CHECK(half.low == doctest::Approx(-0.6745).epsilon(0.05));
  CHECK(half.high == doctest::Approx(0.6745).epsilon(0.05));
  CHECK(range({{"range", "percentile"}, {"percentile", 50.0}}, "symmetric").high ==
        doctest::Approx(0.6745).epsilon(0.05));
  CHECK(range({{"range", "percentile"}, {"percentile", 100.0}}).high == static_cast<double>(high));
  CHECK(range({}).high < static_cast<double>(high));  // mse clips outliers at 4 bits

  Observed batches = seen;
  batches.batch_low = {-1, -2, -4}, batches.batch_high = {1, 3, 5};
  const Range ema = make("asymmetric", {{"range", "ema"}, {"decay", 0.5}})->range(batches, 8);
  CHECK(ema.low == doctest::Approx(-2.75));
  CHECK(ema.high == doctest::Approx(3.5));
}

TEST_CASE("ternary levels by threshold, powers of two to the nearest") {
  const std::vector<float> x{-1, -.1f, .05f, .5f, .6f, .02f};
  const auto ternary = make("ternary");
  const Range range = ternary->range(Observed::all_of(x), 2);
  CHECK(range.threshold == doctest::Approx(0.7 * 2.27 / 6));
  CHECK(range.high == doctest::Approx(.7));
  check_list(rounded(ternary->levels(range, {.bits = 2}), x), {-.7, 0, 0, .7, .7, 0});
  const Levels powers = make("power_of_two")->levels({-1, 1}, {.bits = 3});
  check_list(powers.values(), {-1, -.5, -.25, 0, .25, .5, 1});
  check_list(rounded(powers, {.1f, .13f, .37f, .38f, -.8f, 7}), {0, .25, .25, .5, -1, 1});
}

TEST_CASE("codes name the levels, at every width, in every form") {
  const std::vector<float> x = normal_numbers(300);
  for (const std::string& name : all_names) {
    CAPTURE(name);
    const auto quantizer = make(name);
    for (int bits = quantizer->widths().least; bits <= std::min(8, quantizer->widths().most);
         ++bits) {
      const Levels levels =
          quantizer->levels(quantizer->range(Observed::all_of(x), bits), {.bits = bits});
      CHECK(levels.count() <= (std::int64_t{1} << bits));
      const std::vector<float> q = rounded(levels, x), values = levels.values();
      CHECK(std::ranges::is_sorted(values));
      for (std::size_t i = 0; i < x.size(); ++i)
        CHECK(std::abs(levels.value(levels.code(x[i])) - q[i]) <= 1e-6f);
    }
  }
}

TEST_CASE("levels for each output channel") {
  const std::vector<float> w{-.1f, .04f, .1f, -.02f, 10, -10, 3, 1};
  const Tensor weight = Tensor::from(w, {2, 4});
  const auto quantizer = make("symmetric", {{"granularity", "channel"}, {"range", "min_max"}});
  const auto ranges = weight_ranges(*quantizer, weight, 4);
  REQUIRE(ranges.size() == 2);
  CHECK(ranges[0].high == doctest::Approx(.1));
  CHECK(ranges[1].high == doctest::Approx(10));
  Tensor out = Tensor::empty({2, 4});
  quantize_weight(*quantizer, ranges, {.bits = 4}, false, weight, out);
  check_list(list(out), {-.1, .042857, .1, -.014286, 10, -10, 2.857143, 1.428571});
}

TEST_CASE("activations in bf16 are rounded to the levels, then to bf16") {
  const Levels levels = make("asymmetric")->levels({0, 1}, {.bits = 2});
  Tensor x = Tensor::empty(TensorSpec{Shape{4}, DType::bf16}), y = Tensor::empty(x.spec());
  for (std::int64_t i = 0; i < 4; ++i) x.bf16()[i] = bfloat16(0.3f * static_cast<float>(i));
  levels.quantize(x, y);
  const std::vector<float> wanted{0, 1.0f / 3, 2.0f / 3, 1};
  for (std::int64_t i = 0; i < 4; ++i)
    CHECK(float(y.bf16()[i]) == float(bfloat16(wanted[static_cast<std::size_t>(i)])));
}

TEST_CASE("a tensor of zeros stays finite") {
  const std::vector<float> zeros(10, 0);
  for (const std::string& name : all_names) {
    CAPTURE(name);
    const auto quantizer = make(name);
    const Range range = quantizer->range(Observed::all_of(zeros), 2);
    for (const bool snapped : {false, true})
      for (float q : rounded(quantizer->levels(range, {.bits = 2, .power_of_two = snapped}), zeros))
        CHECK(std::abs(q) <= (name == "dorefa" ? 1 : 1e-6f));
  }
}
