// The arithmetic of bit planes: worked numbers and invariants, without a training loop.
#include "../planes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>

#include "../weights.h"

using namespace bitwright;
using namespace bitwright::bsq;

namespace {

// Planes by significance: value(b, i) for plane b, element i.
struct Stored {
  Stored(int capacity, std::int64_t elements)
      : capacity(capacity),
        elements(elements),
        p(static_cast<std::size_t>(capacity * elements)),
        m(p.size()) {}
  Planes view() { return {p.data(), m.data(), elements}; }
  float& positive(int b, std::int64_t i) { return p[static_cast<std::size_t>(b * elements + i)]; }
  float& negative(int b, std::int64_t i) { return m[static_cast<std::size_t>(b * elements + i)]; }
  // "0111" of element i, most significant first.
  std::string bits(const std::vector<float>& planes, int n, std::int64_t i) const {
    std::string text;
    for (int b = n; b-- > 0;)
      text += std::to_string(static_cast<int>(planes[static_cast<std::size_t>(b * elements + i)]));
    return text;
  }

  int capacity;
  std::int64_t elements;
  std::vector<float> p, m;
};

std::vector<float> weigh(Stored& s, Precision precision) {
  std::vector<float> w(static_cast<std::size_t>(s.elements));
  Partials scratch;
  std::vector<double> squares(static_cast<std::size_t>(s.capacity));
  weigh(s.view(), precision, w, scratch, squares);
  return w;
}

// Planes whose z are these codes.
Stored from_codes(const std::vector<int>& codes, int capacity) {
  Stored s(capacity, static_cast<std::int64_t>(codes.size()));
  for (std::size_t i = 0; i < codes.size(); ++i)
    for (int b = 0; b < capacity; ++b)
      if (std::abs(codes[i]) >> b & 1)
        (codes[i] > 0 ? s.positive(b, static_cast<std::int64_t>(i))
                      : s.negative(b, static_cast<std::int64_t>(i))) = 1;
  return s;
}

// 3.6 on planes in place; returns the new width and scale.
Precision adjusted(Stored& s, Precision precision, int cap) {
  const Snapshot now = look_at(s.view(), precision, cap);
  requantize(s.view(), precision.bits, now, s.capacity);
  return now.precision;
}

}  // namespace

TEST_CASE("conversion of four weights to three bits (spec case 1)") {
  const std::vector<float> w{0.5f, -0.3f, 0.1f, 0};
  const float s = scale_of(w);
  CHECK(s == 0.5f);
  Stored planes(8, 4);
  write_planes(w, {3, s}, 8, planes.view());
  const char* const positive[] = {"111", "000", "001", "000"};
  const char* const negative[] = {"000", "100", "000", "000"};
  for (int i = 0; i < 4; ++i) {
    CHECK(planes.bits(planes.p, 3, i) == positive[i]);
    CHECK(planes.bits(planes.m, 3, i) == negative[i]);
    CHECK(planes.bits(planes.p, 8, i).substr(0, 5) == "00000");
  }
  const auto back = weigh(planes, {3, s});
  const double expected[] = {0.5, -0.285714, 0.071429, 0};
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(std::abs(static_cast<double>(back[i]) - expected[i]) < 1e-6);
  CHECK(scale_of(std::vector<float>{0, 0}) == 1);
}

TEST_CASE("forward and gradients of planes that are not bits (cases 2 and 3)") {
  Stored planes(3, 1);
  const float p[] = {1.2f, 0.3f, 0.9f}, m[] = {0.1f, 0, 0};  // most significant first
  for (int k = 0; k < 3; ++k) {
    planes.positive(2 - k, 0) = p[k];
    planes.negative(2 - k, 0) = m[k];
  }
  const std::vector<float> w = weigh(planes, {3, 0.5f});
  CHECK(w[0] == doctest::Approx(0.428571).epsilon(2e-6));
  Stored gradient(3, 1);
  const std::vector<float> g{1};
  const std::vector<double> pull{0, 0, 0};
  const double product = pull_back(planes.view(), {3, 0.5f}, w, g, pull, 3, gradient.view());
  const double expected[] = {0.285714, 0.142857, 0.071429};
  for (int k = 0; k < 3; ++k) {
    CHECK(gradient.positive(2 - k, 0) == doctest::Approx(expected[k]).epsilon(1e-5));
    CHECK(gradient.negative(2 - k, 0) == doctest::Approx(-expected[k]).epsilon(1e-5));
  }
  CHECK(product / 0.5 == doctest::Approx(0.857143).epsilon(1e-6));

  Stored full(3, 1);
  for (int b = 0; b < 3; ++b) full.positive(b, 0) = 2;
  CHECK(weigh(full, {3, 1})[0] == 1);  // v = 2 is clamped
}

TEST_CASE("group lasso of two weights, and its reweighing (cases 4 and 5)") {
  Stored planes(2, 2);  // plane 1 is the most significant
  planes.positive(1, 0) = 1, planes.positive(0, 0) = 0.5f;
  planes.positive(1, 1) = 0.2f;
  planes.negative(0, 1) = 1.5f;
  const Snapshot seen = look_at(planes.view(), {2, 1}, 8);
  CHECK(plane_norm(seen.squares[1]) == doctest::Approx(1.019804).epsilon(1e-6));
  CHECK(plane_norm(seen.squares[0]) == doctest::Approx(1.581139).epsilon(1e-6));
  CHECK(lasso_of(seen.squares) == doctest::Approx(2.600943).epsilon(1e-6));

  std::vector<double> pull;
  for (const double s : seen.squares) pull.push_back(1 / plane_norm(s));
  Stored gradient(2, 2);
  const std::vector<float> none{0, 0};
  pull_back(planes.view(), {2, 1}, none, none, pull, 2, gradient.view());
  CHECK(gradient.positive(1, 0) == doctest::Approx(0.980581).epsilon(1e-5));
  CHECK(gradient.positive(0, 0) == doctest::Approx(0.316228).epsilon(1e-5));
  CHECK(gradient.positive(1, 1) == doctest::Approx(0.196116).epsilon(1e-5));
  CHECK(gradient.positive(0, 1) == 0);
  CHECK(gradient.negative(1, 0) == 0);
  CHECK(gradient.negative(0, 0) == 0);
  CHECK(gradient.negative(1, 1) == 0);
  CHECK(gradient.negative(0, 1) == doctest::Approx(0.948683).epsilon(1e-5));
  CHECK(plane_norm(0) == doctest::Approx(1e-4));

  const LassoStrength strength{5e-3, true, 10};
  const double sum = strength.of(2, 2) * lasso_of(seen.squares) + strength.of(8, 3) * 4.0;
  CHECK(sum / 5e-3 == doctest::Approx(10.640377).epsilon(1e-6));
  CHECK(sum == doctest::Approx(0.053202).epsilon(1e-5));
  CHECK(LassoStrength{5e-3, false, 10}.of(8, 3) == 5e-3);
  // ResNet-20 at 8 bits (case 9)
  const LassoStrength resnet{1, true, 268346};
  CHECK(resnet.of(432, 8) == doctest::Approx(0.012879).epsilon(1e-4));
  CHECK(resnet.of(2304, 8) == doctest::Approx(0.068687).epsilon(1e-5));
  CHECK(resnet.of(9216, 8) == doctest::Approx(0.274750).epsilon(1e-5));
  CHECK(resnet.of(36864, 8) == doctest::Approx(1.098999).epsilon(1e-6));
}

TEST_CASE("empty outer planes are dropped and values stay (case 6)") {
  const Adjustment a = adjust(4, 1, 8, 6 | 2 | 4);
  CHECK(a.bits == 2);
  CHECK(a.dropped == 1);
  CHECK(a.scale == doctest::Approx(0.4).epsilon(1e-15));
  Stored planes = from_codes({6, -2, 4, 0}, 8);
  const auto before = weigh(planes, {4, 1});
  const Precision now = adjusted(planes, {4, 1}, 8);
  CHECK(now.bits == 2);
  CHECK(planes.bits(planes.p, 2, 0) == "11");
  CHECK(planes.bits(planes.m, 2, 1) == "01");
  CHECK(planes.bits(planes.p, 2, 2) == "10");
  const auto after = weigh(planes, now);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(after[i] == doctest::Approx(static_cast<double>(before[i])).epsilon(1e-7));
  }
  CHECK(std::abs(static_cast<double>(after[1]) + 0.133333) < 1e-6);
}

TEST_CASE("a weight that outgrew its width brings a bit (case 7); at the cap it is clipped") {
  Stored planes(8, 1);
  planes.positive(1, 0) = 1.6f, planes.positive(0, 0) = 1.2f;
  CHECK(weigh(planes, {2, 0.6f})[0] == doctest::Approx(0.6));
  Stored capped = planes;
  const Precision now = adjusted(planes, {2, 0.6f}, 8);
  // R = 4 = 100 in binary: the planes below the most significant one are empty, and leave.
  const Adjustment grown = adjust(2, 0.6, 8, 4);
  CHECK(grown.most == 7);
  CHECK(grown.dropped == 2);
  CHECK(now.bits == 1);
  CHECK(weigh(planes, now)[0] == doctest::Approx(0.8).epsilon(1e-6));
  // Beside an odd code the third bit stays: n = 3, s' = 1.4.
  const Adjustment odd = adjust(2, 0.6, 8, 4 | 1);
  CHECK(odd.bits == 3);
  CHECK(odd.scale == doctest::Approx(1.4).epsilon(1e-12));

  const Precision at_cap = adjusted(capped, {2, 0.6f}, 2);
  CHECK(at_cap.bits == 2);
  CHECK(at_cap.scale == 0.6f);
  CHECK(weigh(capped, at_cap)[0] == doctest::Approx(0.6));
}

TEST_CASE("re-quantization and adjustment leave every value where it is (case 8)") {
  const Rng rng(3, "planes");
  std::uint64_t draw = 0;
  for (int round = 0; round < 500; ++round) {
    const int n = 1 + static_cast<int>(rng.below(draw++, 8));
    const std::int64_t elements = 1 + static_cast<std::int64_t>(rng.below(draw++, 40));
    const bool sparse = round % 3 == 0;  // outer planes then are empty
    const double s = 0.1 + rng.uniform(draw++);
    Stored planes(9, elements);
    for (int b = 0; b < n; ++b) {
      const bool empty = sparse && rng.uniform(draw++) < 0.5;
      for (std::int64_t i = 0; i < elements; ++i) {
        if (empty) continue;
        planes.positive(b, i) = static_cast<float>(2 * rng.uniform(draw++));
        planes.negative(b, i) = static_cast<float>(2 * rng.uniform(draw++));
        if (sparse && rng.uniform(draw++) < 0.6) planes.positive(b, i) = planes.negative(b, i) = 0;
      }
    }
    std::vector<double> values;
    std::int64_t largest = 0;
    for (std::int64_t i = 0; i < elements; ++i) {
      float z = 0;
      for (int b = 0; b < n; ++b)
        z += static_cast<float>(1 << b) * (planes.positive(b, i) - planes.negative(b, i));
      std::int64_t code = std::llrint(std::nearbyint(z));
      if (n == 8) code = std::clamp<std::int64_t>(code, -255, 255);
      largest = std::max(largest, std::abs(code));
      values.push_back(static_cast<double>(code) * s / levels(n));
    }
    const Snapshot now = look_at(planes.view(), {n, static_cast<float>(s)}, 8);
    // The scale in double: what is stored is its float.
    std::uint32_t used = 0;
    for (const double v : values)
      used |= static_cast<std::uint32_t>(std::llabs(std::llrint(v * levels(n) / s)));
    const Adjustment a = adjust(n, s, 8, used);
    REQUIRE(a.bits == now.precision.bits);
    REQUIRE(a.bits >= 1);
    REQUIRE(a.bits <= 8);
    if (largest <= levels(n)) REQUIRE(a.bits <= n);
    std::vector<std::int32_t> codes(values.size());
    write_codes(planes.view(), n, now.adjustment, codes);
    for (std::size_t i = 0; i < values.size(); ++i)
      REQUIRE(std::abs(codes[i] * a.scale / levels(a.bits) - values[i]) < 1e-9);

    std::vector<float> deployed(values.size());
    write_weights(planes.view(), n, now, deployed);
    requantize(planes.view(), n, now, planes.capacity);
    REQUIRE(weigh(planes, now.precision) == deployed);  // bit for bit
    for (std::size_t k = 0; k < planes.p.size(); ++k) {
      REQUIRE((planes.p[k] == 0 || planes.p[k] == 1));
      REQUIRE((planes.m[k] == 0 || planes.m[k] == 1));
      REQUIRE(planes.p[k] * planes.m[k] == 0);
    }
    const Stored once = planes;  // again: the identity
    const Precision again = adjusted(planes, now.precision, 8);
    REQUIRE(again.bits == now.precision.bits);
    REQUIRE(again.scale == now.precision.scale);
    REQUIRE(planes.p == once.p);
    REQUIRE(planes.m == once.m);
  }
}

TEST_CASE("an all-zero tensor keeps one bit; a plane in the middle stays") {
  Stored zero(8, 3);
  CHECK(adjusted(zero, {8, 1}, 8).bits == 1);
  CHECK(look_at(zero.view(), {1, 1}, 8).empty);
  const Adjustment middle = adjust(3, 1, 8, 5);
  CHECK(middle.bits == 3);
  CHECK(middle.scale == 1);
}

TEST_CASE("planes are clipped to [0, 2], those that are not used are left alone") {
  Stored planes(3, 2);
  planes.p = {-0.5f, 2.5f, 1, 0, 9, -9};
  planes.m = planes.p;
  clip(planes.view(), 2);
  CHECK(planes.p == std::vector<float>{0, 2, 1, 0, 9, -9});
  CHECK(planes.m == planes.p);
}

TEST_CASE("the quantizer of fine-tuning (case 10)") {
  const auto q = [](float x, int n) {
    return n == 0 ? 0.0 : static_cast<double>(code_of(x, n)) / levels(n);
  };
  CHECK(q(0.3f, 2) == doctest::Approx(0.333333).epsilon(2e-6));
  CHECK(q(-1.4f, 2) == -1);
  CHECK(q(0.55f, 1) == 1);
  CHECK(q(0.45f, 1) == 0);
  CHECK(q(-0.7f, 3) == doctest::Approx(-0.714286).epsilon(1e-6));
  std::vector<float> x{0.7f, -0.2f}, w(2), g{1, 2}, dx(2);
  quantize(x, {0, 3}, w);
  CHECK(w == std::vector<float>{0, 0});
  CHECK(quantize_backward({0, 3}, w, g, dx) == 0);
  CHECK(dx == std::vector<float>{0, 0});
  quantize(x, {2, 3}, w);
  CHECK(quantize_backward({2, 3}, w, g, dx) / 3 ==
        doctest::Approx(2.0 / 3 - 2 / 3.0).epsilon(1e-6));
  CHECK(dx == std::vector<float>{3, 6});
}

TEST_CASE("many elements: sums and weights are those of one thread's plain loop") {
  const std::int64_t n = 40000;
  Stored planes(4, n);
  const Rng rng(5, "many");
  for (std::size_t i = 0; i < planes.p.size(); ++i) {
    planes.p[i] = static_cast<float>(2 * rng.uniform(i));
    planes.m[i] = static_cast<float>(2 * rng.uniform(i + planes.p.size()));
  }
  std::vector<float> w(static_cast<std::size_t>(n)), g(w.size(), 0.5f);
  Partials scratch;
  std::vector<double> squares(4);
  weigh(planes.view(), {4, 2}, w, scratch, squares);
  double product = 0;
  for (int b = 0; b < 4; ++b) {
    double square = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double p = static_cast<double>(planes.positive(b, i));
      const double m = static_cast<double>(planes.negative(b, i));
      square += p * p + m * m;
    }
    CHECK(squares[static_cast<std::size_t>(b)] == doctest::Approx(square).epsilon(1e-6));
  }
  for (std::int64_t i = 0; i < n; ++i) {
    float z = 0;
    for (int b = 0; b < 4; ++b)
      z += static_cast<float>(1 << b) * (planes.positive(b, i) - planes.negative(b, i));
    const float expected = 2.0f / 15 * static_cast<float>(std::clamp(std::lrint(z), -15L, 15L));
    REQUIRE(w[static_cast<std::size_t>(i)] == doctest::Approx(static_cast<double>(expected)));
    product += 0.5 * static_cast<double>(w[static_cast<std::size_t>(i)]);
  }
  Stored gradient(4, n);
  const std::vector<double> pull{1, 2, 3, 4};
  CHECK(pull_back(planes.view(), {4, 2}, w, g, pull, 4, gradient.view()) ==
        doctest::Approx(product).epsilon(1e-5));
  for (int b = 0; b < 4; ++b)
    for (const std::int64_t i : {std::int64_t{0}, std::int64_t{511}, n - 1})
      CHECK(gradient.positive(b, i) ==
            doctest::Approx(2.0 / 15 * (1 << b) * 0.5 +
                            pull[static_cast<std::size_t>(b)] *
                                static_cast<double>(planes.positive(b, i))));
}
