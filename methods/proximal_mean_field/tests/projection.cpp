// Worked numbers of the formulas, computed by hand or in double precision from the paper's
// definitions, and finite differences of every map that is a true derivative.
#include "../projection.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace bitwright::pmf;
using Values = std::vector<float>;

namespace {

const Values kBinary{-1, 1}, kTernary{-1, 0, 1};

struct Projected {
  Values u, w;
};

Projected project_all(const Relaxation& r, double beta, const Values& v) {
  const std::size_t n = v.size() / static_cast<std::size_t>(r.planes());
  Projected p{Values(n * r.labels.size()), Values(n)};
  project(r, beta, v, p.u, p.w);
  return p;
}

Values gradient(const Relaxation& r, double beta, const Values& v, const Values& g_w) {
  Values g_v(v.size(), NAN);
  pull_back(r, beta, v, project_all(r, beta, v).u, g_w, g_v);
  return g_v;
}

void check_near(const Values& got, const std::vector<double>& wanted, double tolerance = 2e-6) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(got[i] - wanted[i]) <= tolerance * std::max(1.0, std::abs(wanted[i])));
  }
}

Values random_latents(std::size_t count, unsigned seed, float width = 1.0f) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-width, width);
  Values v(count);
  for (float& x : v) x = uniform(generator);
  return v;
}

}  // namespace

TEST_CASE("softmax projection: w = tanh(beta (v_2 - v_1) / 2)") {
  const Relaxation r{Projection::softmax, Jacobian::exact, kBinary};
  const Values v{0.3f, -0.2f};
  check_near(project_all(r, 1, v).u, {0.622459, 0.377541});
  check_near(project_all(r, 1, v).w, {-0.244919});
  check_near(project_all(r, 4, v).u, {0.880797, 0.119203});
  check_near(project_all(r, 4, v).w, {-0.761594});
  check_near(project_all(r, 20, v).w, {-0.999909});
  const Values many = random_latents(2 * 1500, 1);
  const Projected p = project_all(r, 7, many);
  for (std::size_t j = 0; j < 1500; ++j)
    CHECK(p.w[j] == doctest::Approx(std::tanh(3.5 * (many[1500 + j] - many[j]))).epsilon(1e-5));
}

TEST_CASE("softmax projection survives any temperature") {
  const Relaxation r{Projection::softmax, Jacobian::exact, kBinary};
  check_near(project_all(r, INFINITY, {0.3f, -0.2f}).u, {1, 0}, 0);
  check_near(project_all(r, INFINITY, {0.25f, 0.25f}).u, {0.5, 0.5}, 0);
  check_near(project_all(r, 1e4, {300.0f, -200.0f}).w, {-1}, 0);
}

TEST_CASE("exact softmax gradient") {
  const Relaxation binary{Projection::softmax, Jacobian::exact, kBinary};
  const Values g = gradient(binary, 4, {0.3f, -0.2f}, {0.7f});
  check_near(g, {-0.587964, 0.587964});
  CHECK(g[1] - g[0] == doctest::Approx(1.175928).epsilon(1e-6));
  const Relaxation ternary{Projection::softmax, Jacobian::exact, kTernary};
  const Values v{0.1f, 0.4f, -0.3f};
  check_near(project_all(ternary, 2, v).u, {0.305675, 0.556976, 0.137349});
  check_near(project_all(ternary, 2, v).w, {-0.168326});
  const Values g3 = gradient(ternary, 2, v, {0.5f});
  check_near(g3, {-0.254222, 0.093754, 0.160468});
  CHECK(std::abs(g3[0] + g3[1] + g3[2]) < 1e-7f);
}

TEST_CASE("the published code's Jacobians") {
  const Relaxation eye{Projection::softmax, Jacobian::eye, kBinary};
  const Relaxation eye_double{Projection::softmax, Jacobian::eye_double, kBinary};
  const Relaxation exact{Projection::softmax, Jacobian::exact, kBinary};
  const Relaxation ste{Projection::softmax, Jacobian::ste, kBinary};
  const Values v{0.3f, -0.2f}, g{0.7f};
  check_near(gradient(eye, 4, v, g), {-0.921732, 3.054196});
  check_near(gradient(eye_double, 4, v, g), {-0.369614, 2.915518});
  check_near(gradient(ste, 4, v, g), {-0.7, 0.7});
  // Saturated: the selected label's gradient vanishes, the other one's does so in `exact` only.
  check_near(gradient(exact, 1e4, v, g), {0, 0}, 1e-9);
  check_near(gradient(eye, 1e4, v, g), {0, 7000}, 1e-6);
  check_near(gradient(eye_double, 1e4, v, g), {0, 7000}, 1e-6);
}

TEST_CASE("eye and eye_double are their stated formulas on any label list") {
  const Relaxation eye{Projection::softmax, Jacobian::eye, {-2, -1, 1, 2}};
  const Relaxation eye_double{Projection::softmax, Jacobian::eye_double, {-2, -1, 1, 2}};
  const std::size_t n = 700, d = 4;
  const double beta = 3;
  const Values v = random_latents(d * n, 2), g_w = random_latents(n, 3);
  const Values u = project_all(eye, beta, v).u;
  const Values g1 = gradient(eye, beta, v, g_w), g2 = gradient(eye_double, beta, v, g_w);
  for (std::size_t j = 0; j < n; ++j) {
    double w = 0, norm = 0, ws = 0;
    for (std::size_t l = 0; l < d; ++l) w += eye.labels[l] * u[l * n + j];
    for (std::size_t l = 0; l < d; ++l) norm += std::exp(beta * u[l * n + j]);
    for (std::size_t l = 0; l < d; ++l) ws += eye.labels[l] * std::exp(beta * u[l * n + j]) / norm;
    for (std::size_t l = 0; l < d; ++l) {
      const double s = std::exp(beta * u[l * n + j]) / norm, q = eye.labels[l];
      CHECK(g1[l * n + j] == doctest::Approx(beta * g_w[j] * (q - u[l * n + j] * w)).epsilon(1e-4));
      CHECK(g2[l * n + j] == doctest::Approx(beta * g_w[j] * (q - s * ws)).epsilon(1e-4));
    }
  }
}

TEST_CASE("sparsemax projection and gradient") {
  const Relaxation r{Projection::sparsemax, Jacobian::exact, kBinary};
  check_near(project_all(r, 1, {0.3f, -0.2f}).u, {0.75, 0.25});
  check_near(project_all(r, 1, {0.3f, -0.2f}).w, {-0.5});
  check_near(project_all(r, 1, {1.2f, -0.8f}).u, {1, 0});
  check_near(project_all(r, 1.5, {0.3f, -0.2f}).u, {0.875, 0.125});
  check_near(project_all(r, 1.5, {0.3f, -0.2f}).w, {-0.75});
  check_near(gradient(r, 1.5, {0.3f, -0.2f}, {0.7f}), {-1.05, 1.05});
  check_near(project_all(r, 2, {0.3f, -0.2f}).u, {1, 0});
  check_near(gradient(r, 2, {0.3f, -0.2f}, {0.7f}), {0, 0}, 0);
  const Relaxation r3{Projection::sparsemax, Jacobian::exact, {1, 2, 3}};
  check_near(project_all(r3, 1, {0.9f, 0.5f, -0.1f}).u, {0.7, 0.3, 0});
  check_near(project_all(r3, 1, {0.2f, 0.1f, 0.0f}).u, {0.433333, 0.333333, 0.233333});
  // dL/du = g_w q = (1, 2, 3) through the Jacobian of a support of two.
  check_near(gradient(r3, 1, {0.9f, 0.5f, -0.1f}, {1.0f}), {-0.5, 0.5, 0});
}

TEST_CASE("sparsemax for two labels is a clipped identity") {
  const Relaxation r{Projection::sparsemax, Jacobian::exact, kBinary};
  const Values v = random_latents(2 * 1000, 4);
  const Projected p = project_all(r, 3, v);
  for (std::size_t j = 0; j < 1000; ++j) {
    const float wanted = std::clamp(3 * (v[1000 + j] - v[j]), -1.0f, 1.0f);
    CHECK(std::abs(p.w[j] - wanted) < 1e-6f);
  }
}

TEST_CASE("tanh: one latent, the exact gradient and the dropped Jacobian") {
  const Relaxation exact{Projection::tanh, Jacobian::exact, kBinary};
  const Relaxation ste{Projection::tanh, Jacobian::ste, kBinary};
  // tanh(4 * 0.25) = 0.761594; 1 - w^2 = 0.419974, times beta 4 and g 0.7: 1.175928.
  check_near(project_all(exact, 4, {0.25f}).w, {0.761594});
  check_near(project_all(exact, 4, {0.25f}).u, {0.119203, 0.880797});
  check_near(gradient(exact, 4, {0.25f}, {0.7f}), {1.175928});
  check_near(gradient(ste, 4, {0.25f}, {0.7f}), {0.7});
  // The same network as softmax at v = (-x, x), and the gradient of their difference.
  const Values x = random_latents(1500, 7);
  Values v;
  for (const float one : x) v.push_back(-one);
  v.insert(v.end(), x.begin(), x.end());
  const Relaxation softmax{Projection::softmax, Jacobian::exact, kBinary};
  const Projected a = project_all(exact, 3, x), b = project_all(softmax, 3, v);
  const Values g = random_latents(1500, 8);
  const Values by_x = gradient(exact, 3, x, g), by_v = gradient(softmax, 3, v, g);
  for (std::size_t j = 0; j < 1500; ++j) {
    CHECK(std::abs(a.w[j] - b.w[j]) < 1e-6f);
    CHECK(std::abs(by_x[j] - (by_v[1500 + j] - by_v[j])) < 1e-5f);
  }
  // Other labels: w runs from one to the other.
  const Relaxation wide{Projection::tanh, Jacobian::ste, {-2, 1}};
  check_near(project_all(wide, 1e4, {-0.1f, 0.1f, 0}).w, {-2, 1, -0.5});
  check_near(gradient(wide, 1, {0.3f}, {2.0f}), {3.0});
  Values rounded(3), latents(2);
  round_to_labels(wide, Values{-0.1f, 0.1f, 0}, rounded);
  check_near(rounded, {-2, 1, -2});
  latents_from_weights(wide, Values{-0.5f, 0.5f}, latents);
  check_near(latents, {0, 1});
}

TEST_CASE("hardmax and its straight-through estimator") {
  const Relaxation r{Projection::hardmax, Jacobian::ste, kBinary};
  check_near(project_all(r, 1, {0.3f, -0.2f}).u, {1, 0}, 0);
  check_near(gradient(r, 1, {0.3f, -0.2f}, {0.7f}), {-0.7, 0.7});
  check_near(gradient(r, 1, {0.9f, -0.4f}, {0.7f}), {0, 0}, 0);
  check_near(project_all(r, 1, {0.25f, 0.25f}).u, {1, 0}, 0);
  check_near(project_all(r, 1, {0.25f, 0.25f}).w, {-1}, 0);
  const Relaxation wide{Projection::hardmax, Jacobian::ste, {-2, 1}};
  check_near(gradient(wide, 1, {0.3f, -0.2f}, {1.0f}), {-1.5, 1.5});
}

// Central differences of sum_j g_j w_j(v), away from the kinks of sparsemax.
static void check_derivative(Projection projection, const Values& labels, double beta) {
  const Relaxation r{projection, Jacobian::exact, labels};
  const std::size_t n = 60, d = labels.size();
  const Values v = random_latents(d * n, 5, 0.6f), g = random_latents(n, 6);
  const Values analytic = gradient(r, beta, v, g);
  const float step = 4e-3f;
  int compared = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    Values up = v, down = v;
    up[i] += step;
    down[i] -= step;
    const Projected a = project_all(r, beta, up), b = project_all(r, beta, down);
    bool kink = false;
    for (std::size_t k = 0; k < v.size(); ++k) kink |= (a.u[k] > 0) != (b.u[k] > 0);
    if (kink) continue;
    const std::size_t j = i % n;
    const double numeric = g[j] * (static_cast<double>(a.w[j]) - b.w[j]) / (2.0 * step);
    CHECK(std::abs(analytic[i] - numeric) < 1e-3 * beta);
    ++compared;
  }
  CHECK(compared > static_cast<int>(v.size()) / 2);
}

TEST_CASE("exact gradients agree with finite differences") {
  check_derivative(Projection::softmax, kBinary, 3);
  check_derivative(Projection::softmax, {-2, -1, 1, 2}, 2);
  check_derivative(Projection::sparsemax, kBinary, 1.5);
  check_derivative(Projection::sparsemax, {-2, -1, 1, 2}, 1.5);
}

TEST_CASE("softmax is the entropic projection") {
  const Relaxation r{Projection::softmax, Jacobian::exact, kTernary};
  const Values v{0.1f, 0.4f, -0.3f};
  const auto objective = [&](const Values& z) {
    double value = 0;
    for (std::size_t l = 0; l < z.size(); ++l)
      value += v[l] * z[l] - (z[l] > 0 ? z[l] * std::log(z[l]) / 2.0 : 0.0);
    return value;
  };
  const Values u = project_all(r, 2, v).u;
  CHECK(objective(u) == doctest::Approx(0.692616).epsilon(2e-6));
  CHECK(objective({1 / 3.0f, 1 / 3.0f, 1 / 3.0f}) == doctest::Approx(0.615973).epsilon(2e-6));
  for (float a = 0; a <= 1; a += 0.05f)
    for (float b = 0; a + b <= 1; b += 0.05f) CHECK(objective({a, b, 1 - a - b}) <= objective(u));
  std::vector<std::uint8_t> last{0};
  Statistics statistics;
  add_statistics(r, 2, v, last, statistics);
  CHECK(statistics.entropy == doctest::Approx(0.960926).epsilon(2e-6));
}

TEST_CASE("proximal step: projecting u_k - lr g minimises the linearised objective") {
  const Relaxation r{Projection::softmax, Jacobian::exact, kBinary};
  const std::vector<double> u_k{0.7, 0.3}, g{0.4, -0.2};
  Values moved(2);
  for (std::size_t l = 0; l < 2; ++l) moved[l] = static_cast<float>(u_k[l] - 0.5 * g[l]);
  const Values next = project_all(r, 3, moved).u;
  check_near(next, {0.574443, 0.425557});
  const auto objective = [&](double z1, double z2) {
    const double entropy = -z1 * std::log(z1) - z2 * std::log(z2);
    return 0.5 * (g[0] * z1 + g[1] * z2) - u_k[0] * z1 - u_k[1] * z2 - entropy / 3;
  };
  CHECK(objective(next[0], next[1]) == doctest::Approx(-0.684785).epsilon(2e-6));
  CHECK(objective(0.6, 0.4) == doctest::Approx(-0.684337).epsilon(2e-6));
  CHECK(objective(0.8, 0.2) == doctest::Approx(-0.646801).epsilon(2e-6));
}

TEST_CASE("invariants of every projection") {
  const std::size_t n = 2000, d = 3;
  const Values v = random_latents(d * n, 8, 2.0f);
  for (Projection projection : {Projection::softmax, Projection::sparsemax, Projection::hardmax})
    for (double beta : {1.0, 17.0, 1e4}) {
      const Relaxation r{projection, Jacobian::exact, kTernary};
      const Projected p = project_all(r, beta, v);
      Values hard(n);
      round_to_labels(r, v, hard);
      for (std::size_t j = 0; j < n; ++j) {
        float sum = 0, best = -1, label = 0;
        for (std::size_t l = 0; l < d; ++l) {
          const float u = p.u[l * n + j];
          REQUIRE(u >= 0);
          sum += u;
          if (u > best) best = u, label = r.labels[l];
        }
        REQUIRE(std::abs(sum - 1) < 1e-5f);
        REQUIRE(std::abs(p.w[j]) <= 1.000001f);
        REQUIRE(label == hard[j]);
      }
    }
}

TEST_CASE("latents from float weights choose the nearest label; ties go to the lower index") {
  const Relaxation four{Projection::softmax, Jacobian::exact, {-2, -1, 1, 2}};
  Values w, nearest;
  for (int i = -300; i <= 300; ++i) {
    const float x = 0.01f * static_cast<float>(i) + 0.003f;
    w.push_back(x);
    float best = four.labels[0];
    for (float q : four.labels)
      if (std::abs(x - q) < std::abs(x - best)) best = q;
    nearest.push_back(best);
  }
  Values v(4 * w.size()), hard(w.size());
  latents_from_weights(four, w, v);
  round_to_labels(four, v, hard);
  CHECK(hard == nearest);
  const Relaxation binary{Projection::softmax, Jacobian::exact, kBinary};
  const Values signs{-0.5f, 0.0f, 1e-6f, 0.4f};
  Values v2(8), hard2(4);
  latents_from_weights(binary, signs, v2);
  round_to_labels(binary, v2, hard2);
  CHECK(hard2 == Values{-1, -1, 1, 1});
  const Projected p = project_all(binary, 1, v2);
  for (std::size_t j = 0; j < 4; ++j) CHECK(p.w[j] == doctest::Approx(std::tanh(signs[j])));
}

TEST_CASE("statistics count saturation, labels and flips") {
  const Relaxation r{Projection::softmax, Jacobian::exact, kBinary};
  const Values v{0, 3, 0, 0.1f, 0, 0};  // three elements: v_1 = (0, 3, 0), v_2 = (0.1, 0, 0)
  std::vector<std::uint8_t> last{0, 0, 0};
  Statistics first, second;
  add_statistics(r, 2, v, last, first);
  CHECK(first.count == std::vector<std::int64_t>{2, 1});
  CHECK(first.saturated == 1);
  CHECK(first.flips == 1);
  add_statistics(r, 2, v, last, second);
  CHECK(second.flips == 0);
}
