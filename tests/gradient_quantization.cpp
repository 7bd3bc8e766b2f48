// Values and gradients of the fake-quantization ops: each against its formula in double, and
// against the stated surrogate of its straight-through estimator.
#include <algorithm>
#include <cmath>
#include <memory>
#include <tuple>

#include <doctest/doctest.h>

#include <bitwright/core/parallel.h>
#include <bitwright/quant/fake_quantize.h>
#include <bitwright/quant/row_statistics.h>

#include "gradient_check.h"

using namespace bitwright;
using namespace bitwright::gradient_check;

namespace {

using naive::to_tensor;

double code_in_double(const Codes& c, double v) {
  if (c.rounding == Rounding::sign) return v > 0 ? 1 : -1;
  const double t = static_cast<double>(c.threshold);
  if (c.rounding == Rounding::ternary) return v > t ? 1 : v < -t ? -1 : 0;
  return std::nearbyint(std::clamp(v, static_cast<double>(c.low), static_cast<double>(c.high)));
}

std::size_t row_of(std::int64_t i, std::int64_t size, std::size_t rows) {
  return static_cast<std::size_t>(i / (size / static_cast<std::int64_t>(rows)));
}

// f(v, row, element of x, of dy) for every element, v = x / scale.
template <class F>
Array each(const Sample& s, const std::vector<double>& scales, const F& f) {
  Array out = s.inputs[0];
  for (std::int64_t i = 0; i < out.size(); ++i) {
    const std::size_t row = row_of(i, out.size(), scales.size());
    out[i] = f(s.inputs[0][i] / scales[row], row, s.dy[i]);
  }
  return out;
}

// Grids --------------------------------------------------------------------------------------

void add_grid(std::vector<Case>& cases, const std::string& what, const Input& x, const Grid& grid,
              Estimator estimator) {
  Case c{"fake_quantize", what, {x}};
  std::vector<double> scales;
  for (const Grid::Row& row : grid.rows) scales.push_back(static_cast<double>(row.scale));
  c.build = [shared = std::make_shared<const Grid>(grid), estimator](const auto& in) {
    return fake_quantize(in[0], shared, estimator);
  };
  c.forward = [=](const Sample& s) {
    return each(s, scales, [&](double v, std::size_t r, double) {
      return scales[r] * code_in_double(grid.rows[r].codes, v);
    });
  };
  c.surrogate = [=](const Sample& s) {
    return each(s, scales, [&](double v, std::size_t r, double g) {
      const Codes& codes = grid.rows[r].codes;
      switch (estimator) {
        case Estimator::identity:
          return g;
        case Estimator::clipped:
          return v >= static_cast<double>(codes.low) && v <= static_cast<double>(codes.high) ? g
                                                                                             : 0.0;
        case Estimator::polynomial:
          return g * std::max(0.0, 2 - 2 * std::abs(v));
      }
      return 0.0;
    });
  };
  cases.push_back(std::move(c));
}

std::vector<Case> grid_cases() {
  std::vector<Case> cases;
  const Input x = random_input(1, {3, 5}, Layout::plain, -2, 2);
  const Input image = random_input(2, {2, 3, 4, 5}, Layout::channels_last, -2, 2);
  for (int bits : {1, 2, 4, 8, 16})
    for (Estimator e : {Estimator::identity, Estimator::clipped}) {
      const std::string what =
          std::to_string(bits) + " bits, " + estimator_names()[static_cast<std::size_t>(e)];
      add_grid(cases, what, x, {{{0.3f, Codes::symmetric(bits)}}}, e);
      add_grid(cases, what + ", image", image, {{{0.17f, Codes::natural(bits)}}}, e);
    }
  const Codes shifted{Rounding::nearest, -2, 5};
  add_grid(cases, "zero point, per channel", x,
           {{{0.2f, shifted}, {0.4f, shifted}, {0.7f, {Rounding::nearest, 0, 7}}}},
           Estimator::clipped);
  add_grid(cases, "ternary", x, {{{0.8f, {Rounding::ternary, -1, 1, 0.6f}}}}, Estimator::clipped);
  add_grid(cases, "sign, polynomial", x, {{{0.9f, Codes::symmetric(1)}}}, Estimator::polynomial);
  std::vector<Case> narrow;
  for (const Case& c : cases)
    if (c.shape.find("16 bits") == std::string::npos) narrow.push_back(in_bf16(c));
  cases.insert(cases.end(), narrow.begin(), narrow.end());
  return cases;
}

// Learned steps and clips --------------------------------------------------------------------

constexpr double kGradientScale = 0.25;

void add_learned(std::vector<Case>& cases, const std::string& what, const Input& x,
                 const std::vector<float>& steps, const Codes& codes) {
  const Input s{Tensor::from(steps, Shape{static_cast<std::int64_t>(steps.size())})};
  const double low = static_cast<double>(codes.low), high = static_cast<double>(codes.high);
  Case c{"learned_step", what};
  c.build = [codes](const auto& in) { return learned_step(in[0], in[1], codes, kGradientScale); };
  c.forward = [=](const Sample& sample) {
    return each(sample, sample.inputs[1].values, [&](double v, std::size_t r, double) {
      return sample.inputs[1].values[r] * code_in_double(codes, v);
    });
  };
  Case of_x = c;
  of_x.inputs = {x, constant(s)};
  of_x.surrogate = [=](const Sample& sample) {
    return each(sample, sample.inputs[1].values,
                [&](double v, std::size_t, double g) { return v > low && v < high ? g : 0; });
  };
  cases.push_back(std::move(of_x));
  c.shape += ", step";
  c.inputs = {constant(x), s};
  c.surrogate = [=](const Sample& sample) {
    Array ds = sample.inputs[1];
    std::ranges::fill(ds.values, 0);
    each(sample, sample.inputs[1].values, [&](double v, std::size_t r, double g) {
      const double code = code_in_double(codes, v);
      return ds.values[r] += kGradientScale * g * (v > low && v < high ? code - v : code);
    });
    return ds;
  };
  cases.push_back(std::move(c));
}

void add_clip(std::vector<Case>& cases, int bits, const Input& x) {
  const Input alpha{Tensor::from({1.25f}, {1})};
  const double n = std::ldexp(1.0, bits) - 1;
  Case c{"learned_clip", std::to_string(bits) + " bits"};
  c.build = [bits](const auto& in) { return learned_clip(in[0], in[1], bits); };
  c.forward = [n](const Sample& s) {
    const double a = s.inputs[1][0];
    return each(s, {1.0}, [&](double v, std::size_t, double) {
      return std::nearbyint(std::clamp(v, 0.0, a) * n / a) * a / n;
    });
  };
  Case of_x = c;
  of_x.inputs = {x, constant(alpha)};
  of_x.surrogate = [](const Sample& s) {
    return each(s, {1.0}, [&](double v, std::size_t, double g) {
      return v >= 0 && v < s.inputs[1][0] ? g : 0;
    });
  };
  cases.push_back(std::move(of_x));
  c.shape += ", clip";
  c.inputs = {constant(x), alpha};
  c.surrogate = [](const Sample& s) {
    Array da = s.inputs[1];
    da[0] = 0;
    each(s, {1.0},
         [&](double v, std::size_t, double g) { return da[0] += v >= s.inputs[1][0] ? g : 0; });
    return da;
  };
  cases.push_back(std::move(c));
}

// The surrogate of the tanh quantizer is the gradient of t / M, which is smooth: differences.
void add_tanh(std::vector<Case>& cases, int bits, const Input& x) {
  const double n = std::ldexp(1.0, bits) - 1;
  const auto scaled = [](const std::vector<double>& values) {
    std::vector<double> t;
    double most = 0;
    for (double v : values) t.push_back(std::tanh(v)), most = std::max(most, std::abs(t.back()));
    for (double& v : t) v /= most;
    return t;
  };
  Case c{"tanh_quantize", std::to_string(bits) + " bits", {x}};
  c.build = [bits](const auto& in) { return tanh_quantize(in[0], bits); };
  c.forward = [=](const Sample& s) {
    Array y = s.inputs[0];
    y.values = scaled(y.values);
    for (double& v : y.values) v = 2 * std::nearbyint(n * (v / 2 + 0.5)) / n - 1;
    return y;
  };
  c.surrogate = [=](const Sample& s) {
    Array g = s.inputs[0];
    const double h = 1e-5;
    for (std::int64_t i = 0; i < g.size(); ++i) {
      const auto at = [&](double offset) {
        std::vector<double> moved = s.inputs[0].values;
        moved[static_cast<std::size_t>(i)] += offset;
        double sum = 0;
        const std::vector<double> t = scaled(moved);
        for (std::size_t k = 0; k < t.size(); ++k) sum += t[k] * s.dy.values[k];
        return sum;
      };
      g[i] = (at(h) - at(-h)) / (2 * h);
    }
    return g;
  };
  cases.push_back(std::move(c));
}

void add_sign_of_tanh(std::vector<Case>& cases, const Input& x) {
  Case c{"tanh_quantize", "1 bit", {x}};
  c.build = [](const auto& in) { return tanh_quantize(in[0], 1); };
  c.forward = [](const Sample& s) {
    double mean = 0;
    for (double v : s.inputs[0].values) mean += std::abs(v);
    mean /= static_cast<double>(s.inputs[0].size());
    return each(s, {1.0}, [&](double v, std::size_t, double) { return v > 0 ? mean : -mean; });
  };
  c.surrogate = [](const Sample& s) { return s.dy; };
  cases.push_back(std::move(c));
}

std::vector<Case> learned_cases() {
  std::vector<Case> cases;
  const Input x = random_input(3, {3, 7}, Layout::plain, -2, 2);
  const Input image = random_input(4, {2, 3, 4, 5}, Layout::channels_last, -1, 3);
  for (int bits : {1, 2, 4, 8}) {
    const std::string what = std::to_string(bits) + " bits";
    add_learned(cases, what, x, {0.375f}, Codes::twos_complement(bits));
    add_learned(cases, what + ", channels", x, {0.375f, 0.5f, 0.25f}, Codes::twos_complement(bits));
    add_learned(cases, what + ", image", image, {0.3f}, Codes::natural(bits));
    add_clip(cases, bits, image);
  }
  for (int bits : {2, 3, 8}) add_tanh(cases, bits, x);
  add_sign_of_tanh(cases, x);
  return cases;
}

}  // namespace

TEST_CASE("fake quantization on a grid: values and stated gradients") {
  check_gradients(grid_cases());
  check_mutations(grid_cases());
}

TEST_CASE("learned steps, learned clips and tanh weights: values and stated gradients") {
  check_gradients(learned_cases());
  check_mutations(learned_cases());
}

TEST_CASE("codes of 1 to 16 bits") {
  for (int bits = 1; bits <= 16; ++bits) {
    CAPTURE(bits);
    const float levels = std::ldexp(1.f, bits);
    CHECK(Codes::natural(bits).high == levels - 1);
    for (const Codes& c : {Codes::natural(bits), Codes::twos_complement(bits)})
      CHECK(c.bits() == bits);
    if (bits == 1) continue;
    CHECK(Codes::twos_complement(bits).low == -levels / 2);
    CHECK(Codes::twos_complement(bits).high == levels / 2 - 1);
    CHECK(Codes::symmetric(bits).low == -Codes::symmetric(bits).high);
    CHECK(Codes::symmetric(bits).bits() == bits);
  }
  CHECK(Codes::symmetric(1).of(0) == -1);
  CHECK(Codes::natural(2).of(0.5f) == 0);  // ties to even
  CHECK(Codes::natural(2).of(1.5f) == 2);
  CHECK(Codes{Rounding::ternary, -1, 1, 0.5f}.of(0.5f) == 0);
  for (Rounding r : {Rounding::nearest, Rounding::sign, Rounding::ternary})
    CHECK(std::isnan(Codes{r, -1, 1, 0.5f}.of(NAN)));
}

TEST_CASE("a stored weight decodes to the values of the forward pass, bit for bit") {
  Tensor w = to_tensor(naive::random(Rng(5, "coded"), {4, 9}, -1.5, 1.5));
  const auto same = [&](const Variable& y, const Coded& coded) {
    std::vector<float> decoded(36);
    coded.decode(decoded);
    CHECK(std::ranges::equal(decoded, y.value().values()));
    for (std::int32_t code : coded.codes) {
      CHECK(code >= coded.first);
      CHECK(code < coded.first + (1 << coded.bits));
    }
  };
  Tape tape;
  const Variable x = tape.parameter(w);
  for (int bits : {1, 2, 3, 5, 8, 16}) {
    CAPTURE(bits);
    same(tanh_quantize(x, bits), code_by_tanh(w, bits));
    const Grid grid{{{0.31f, Codes::symmetric(bits)}}};
    same(fake_quantize(x, std::make_shared<Grid>(grid), Estimator::identity),
         code_on_grid(w, grid));
    const Tensor s = Tensor::from({0.1f, 0.2f, 0.3f, 0.4f}, {4});
    const Codes codes = Codes::twos_complement(bits);
    same(learned_step(x, tape.parameter(s), codes, 1), code_on_grid(w, grid_of(s, codes)));
  }
  const Codes shifted{Rounding::nearest, -1, 2};
  const Grid rows{
      {{0.3f, shifted}, {0.5f, {Rounding::nearest, -3, 0}}, {1, shifted}, {2, shifted}}};
  const Variable y = fake_quantize(x, std::make_shared<Grid>(rows), Estimator::identity);
  const Coded coded = code_on_grid(w, rows);
  std::vector<float> decoded(36);
  coded.decode(decoded);
  for (std::size_t i = 0; i < 36; ++i) {
    CHECK(decoded[i] == doctest::Approx(y.value().values()[i]).epsilon(1e-6));
    CHECK(coded.codes[i] >= 0);
    CHECK(coded.codes[i] < 4);
  }
}

TEST_CASE("bf16 activations are quantized like their f32 values") {
  // Eighths, and steps of powers of two: everything is exact in both types.
  naive::Array eighths(Shape{2, 3, 4, 5});
  for (std::int64_t i = 0; i < eighths.size(); ++i)
    eighths[i] = static_cast<double>(i % 37) / 8 - 1;
  const auto gradients = [&](DType type, const auto& op) {
    Tape tape;
    const Variable x = tape.parameter(to_tensor(eighths, Layout::channels_last));
    const Variable s = tape.parameter(Tensor::from({0.5f}, {1}));
    const Variable y = cast(op(cast(x, type), s), DType::f32);
    tape.backward(sum(y));
    return std::tuple(naive::to_array(y.value()).values, naive::to_array(x.gradient()).values,
                      s.gradient().item());
  };
  const auto step = [](const Variable& x, const Variable& s) {
    return learned_step(x, s, Codes::natural(2), 1);
  };
  const auto clip = [](const Variable& x, const Variable& s) { return learned_clip(x, s, 1); };
  CHECK(gradients(DType::bf16, step) == gradients(DType::f32, step));
  CHECK(gradients(DType::bf16, clip) == gradients(DType::f32, clip));
}

TEST_CASE("what is not known yet lets values and gradients pass, and a batch may set it") {
  Tape tape;
  const Variable x = tape.parameter(Tensor::from({-1.25f, 0.3f, 7}, {3}));
  Tensor s = Tensor::zeros({1});
  const auto grid = std::make_shared<Grid>();
  bool now = false;
  const Observe set = [&](const Tensor& batch) {
    if (!now) return;
    s.fill(mean_magnitude(batch)[0]);
    grid->rows = {{1, Codes::natural(2)}};
  };
  const Variable y = learned_step(x, tape.parameter(s), Codes::natural(2), 1, set);
  const Variable z = fake_quantize(y, grid, Estimator::clipped);
  const Variable loss = sum(z);
  tape.backward(loss);
  CHECK(std::ranges::equal(z.value().values(), x.value().values()));
  CHECK(std::ranges::equal(x.gradient().values(), std::vector<float>{1, 1, 1}));
  now = true;
  tape.forward();
  CHECK(s.item() == doctest::Approx(2.85));
  CHECK(y.value().f32()[2] == doctest::Approx(5.7));
  CHECK(z.value().f32()[2] == 3);
}

TEST_CASE("statistics of rows") {
  const Tensor x = Tensor::from({-3, 1, 2, 0.5f, -0.5f, NAN}, {2, 3});
  const auto rows = extremes(x, 2);
  CHECK(rows[0].low == -3);
  CHECK(rows[0].high == 2);
  CHECK(rows[0].magnitude() == 3);
  CHECK(rows[1].low == -0.5f);
  CHECK(extremes(x)[0].high == 2);
  const Tensor y = Tensor::from({-3, 1, 2, 0.5f, -0.5f, 0}, {2, 3});
  CHECK(mean_magnitude(y, 2) == std::vector<float>{2, 1 / 3.0f});
  CHECK(mean_magnitude(y)[0] == doctest::Approx(7 / 6.0));
  CHECK(mean_magnitude_above(y, {1.5f, 1}) == std::vector<float>{2.5f, 0});
  CHECK(saturated_fraction(y, Tensor::from({1, 0.5f}, {2}), -1, 2) == doctest::Approx(0.5));
}

TEST_CASE("sums of many elements do not depend on the number of threads") {
  Tensor x = to_tensor(naive::random(Rng(6, "many"), {300000}, -1, 1));
  const auto ds = [&] {
    Tape tape;
    const Variable s = tape.parameter(Tensor::from({0.1f}, {1}));
    tape.backward(sum(square(learned_step(tape.constant(x), s, Codes::twos_complement(4), 1))));
    return s.gradient().item();
  };
  const int before = threads();
  set_threads(1);
  const float one = ds();
  set_threads(3);
  CHECK(ds() == one);
  set_threads(before);
}
