// The loops over tensors against the formulas of one value in double.
#include "../quantizer.h"

#include <cmath>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/rng.h>

#include "../cells.h"
#include "../relaxed.h"
#include "small_net.h"

using namespace bitwright;
using namespace bitwright::bit_drop;

namespace {

const Rng kNoise(5, "test noise");

std::vector<float> random_values(std::int64_t n, double low, double high, std::uint64_t seed = 1) {
  const Rng rng(seed, "bit_drop test");
  std::vector<float> x;
  for (std::int64_t i = 0; i < n; ++i)
    x.push_back(static_cast<float>(rng.uniform(static_cast<std::uint64_t>(i), low, high)));
  return x;
}

struct Passes {
  std::vector<float> y, dx;
  Gradients sums;
};

Passes run(const GridQuantizer& q, const Scales& s, const std::vector<float>& x,
           const std::vector<float>& dy) {
  const auto n = static_cast<std::int64_t>(x.size());
  Passes p{std::vector<float>(x.size()), std::vector<float>(x.size()), {}};
  quantize(q, s, kNoise, n, x.data(), p.y.data());
  auto partial = partial_sums(n);
  p.sums = pull_back(q, s, kNoise, n, x.data(), dy.data(), p.dx.data(), partial);
  return p;
}

// The same in double, value by value, over the whole grid; masks and their gradients included.
template <int N>
Passes plain(const GridQuantizer& q, const Scales& s, const std::vector<float>& values,
             const std::vector<float>& dy) {
  const double alpha = static_cast<double>(s.alpha), sigma = static_cast<double>(s.sigma);
  const Cells<double, N, false> c(q.grid, alpha, sigma, s.masks);
  Passes p{{}, {}, {}};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = static_cast<double>(values[i]), g = static_cast<double>(dy[i]);
    const Spot<double> at(c, x);
    Slopes<double> slopes;
    if (q.estimator == Estimator::rq || q.estimator == Estimator::rq_st) {
      const auto words = draws<N>(kNoise, static_cast<std::int64_t>(i));
      const auto time = [&](int j) {
        return static_cast<double>(time_of(words[static_cast<std::size_t>(j)]));
      };
      const bool hard = q.estimator == Estimator::rq_st;
      const auto sample = relax<false>(c, at, time, q.temperature, double{N});
      p.y.push_back(static_cast<float>(alpha * sample.code(at, hard)));
      slopes = relaxed_slopes(c, at, sample, q.temperature, hard);
    } else {
      Moments<double> sums;
      Mode<double> best;
      std::array<double, N> w;
      for_cells<true>(c, at, [&](auto j, double r, double X, double H) {
        w[j] = r;
        sums.add(r, c.kFirst + j, X, H);
        best.offer(r, c.kFirst + j, X, H);
      });
      const double code = at.pivot + best.k;
      double dx, dalpha;
      if (q.backward == Backward::all_classes)
        all_classes(c, at, sums, q.truncate, dx, dalpha);
      else
        mode_only(c, at, sums, best, q.truncate, dx, dalpha);
      p.y.push_back(static_cast<float>(alpha * code));
      slopes = Slopes<double>::of(dx, dalpha, code, at.x, alpha, 1 / sigma);
      const double mean = alpha * (at.pivot + sums.k / sums.w);
      for (int j = 0; j < N && q.grid.is_signed; ++j) {
        const int own = q.grid.first() + j;
        const auto level = static_cast<std::size_t>(level_of(own) - 1);
        if (s.masks.m[level] == 0) continue;
        const double raw = w[static_cast<std::size_t>(j)] / s.masks.m[level];
        const double pt_mode = best.w / sums.w;
        p.sums.level[level] +=
            g * (q.backward == Backward::all_classes
                     ? raw * (alpha * own - mean) / sums.w
                     : alpha * code * raw / sums.w * ((own == code ? 1 : 0) - pt_mode));
      }
    }
    p.dx.push_back(static_cast<float>(g * slopes.x));
    p.sums.alpha += g * slopes.alpha;
    p.sums.sigma += g * slopes.sigma;
  }
  return p;
}

void compare(const Passes& got, const Passes& want, double tolerance, bool levels) {
  std::size_t other = 0;
  double worst = 0, size = 0, error = 0;
  for (std::size_t i = 0; i < got.y.size(); ++i) {
    if (got.y[i] != doctest::Approx(want.y[i]).epsilon(1e-5)) ++other;
    const double off = std::abs(static_cast<double>(got.dx[i]) - static_cast<double>(want.dx[i]));
    worst = std::max(worst, off);
    error += off * off;
    size += static_cast<double>(want.dx[i]) * static_cast<double>(want.dx[i]);
  }
  CHECK(other <= got.y.size() / 5000);  // float and double may part at a boundary
  CHECK(std::sqrt(error / size) < tolerance);
  CHECK(got.sums.alpha == doctest::Approx(want.sums.alpha).epsilon(10 * tolerance));
  CHECK(got.sums.sigma == doctest::Approx(want.sums.sigma).epsilon(10 * tolerance));
  if (levels)
    for (std::size_t l = 1; l < kMostBits; ++l)
      CHECK(got.sums.level[l] == doctest::Approx(want.sums.level[l]).epsilon(10 * tolerance));
}

template <int N>
void check_against_plain(GridQuantizer q, const Scales& s, double tolerance = 2e-5) {
  // Several chunks, the last one short.
  const double half = static_cast<double>(s.alpha) * N;
  const auto x =
      random_values(40007, q.grid.is_signed ? -half : 0, q.grid.is_signed ? half : 2 * half);
  auto dy = random_values(40007, -1, 1.5, 2);
  compare(run(q, s, x, dy), plain<N>(q, s, x, dy), tolerance, !s.masks.binary(q.grid.bits));
}

}  // namespace

TEST_CASE("item 9: forward is round and clamp, the lower of two at equal distance") {
  const GridQuantizer q{{3, true}};
  const Scales s{0.25f, 0.25f / 3};
  const auto x = random_values(100000, -2, 2);
  std::vector<float> y(x.size()), deployed(x.size());
  const auto outside = quantize(q, s, kNoise, 100000, x.data(), y.data());
  CHECK(round_and_clip(q.grid, s.alpha, 100000, x.data(), deployed.data()) == outside);
  CHECK(y == deployed);
  std::int64_t wrong = 0, beyond = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double code = std::ceil(static_cast<double>(x[i]) / 0.25 - 0.5);
    wrong += static_cast<double>(y[i]) != 0.25 * std::clamp(code, -4.0, 3.0);
    beyond += code < -4 || code > 3;
  }
  CHECK(wrong == 0);
  CHECK(outside == beyond);
  const std::vector<float> ties{0.125f, 0.375f, -0.125f, -0.375f, 0.0f, -0.01f};
  std::vector<float> at_ties(6);
  round_and_clip(q.grid, 0.25f, 6, ties.data(), at_ties.data());
  CHECK(at_ties == std::vector<float>{0, 0.25f, -0.25f, -0.5f, 0, 0});
  CHECK_FALSE(std::signbit(at_ties[5]));
}

TEST_CASE("CPQ over tensors agrees with the formulas in double") {
  for (const Backward backward : {Backward::all_classes, Backward::mode_only})
    for (const bool truncate : {true, false}) {
      CAPTURE(static_cast<int>(backward));
      CAPTURE(truncate);
      GridQuantizer q{{2, true}, Estimator::cpq, backward, truncate};
      check_against_plain<4>(q, {0.5f, 0.5f / 3});
      q.grid = {2, false};
      check_against_plain<4>(q, {0.4f, 0.1f});
      q.grid = {3, true};
      check_against_plain<8>(q, {0.25f, 0.1f});
      q.grid = {3, false};
      check_against_plain<8>(q, {0.25f, 0.05f});
      // Three cells on each side of a value's own instead of all 16: what is left out weighs
      // e^(-3.5 alpha / sigma) and less.
      q.grid = {4, true};
      check_against_plain<16>(q, {0.25f, 0.25f / 6});
    }
}

TEST_CASE("masks over tensors, and their gradients, agree with the formulas in double") {
  for (const Backward backward : {Backward::all_classes, Backward::mode_only}) {
    CAPTURE(static_cast<int>(backward));
    GridQuantizer q{{2, true}, Estimator::cpq, backward, true};
    check_against_plain<4>(q, {0.5f, 0.5f / 3, {{1, 0.4}}});
    q.grid = {3, true};
    check_against_plain<8>(q, {0.25f, 0.1f, {{1, 0.7, 0.7 * 0.3}}});
    check_against_plain<8>(q, {0.25f, 0.1f, {{1, 0.7, 0}}});
    check_against_plain<8>(q, {0.25f, 0.1f, {{1, 1, 0}}});
    q.grid = {4, true};
    check_against_plain<16>(q, {0.25f, 0.25f / 6, {{1, 1, 0.6, 0.5}}});
    check_against_plain<16>(q, {0.25f, 0.25f / 6, {{1, 0.9, 0.6, 0}}});
  }
}

TEST_CASE("relaxed samples over tensors agree with the formulas in double") {
  for (const Estimator estimator : {Estimator::rq, Estimator::rq_st})
    for (const double temperature : {1.0, 0.7}) {
      GridQuantizer q{{2, true}, estimator, Backward::all_classes, true, temperature};
      check_against_plain<4>(q, {0.5f, 0.5f / 3}, 2e-4);
      q.grid = {4, false};
      check_against_plain<16>(q, {0.25f, 0.1f}, 2e-4);
    }
}

TEST_CASE("above 4 bits a relaxed sample stays within 3 sigma of the nearest point") {
  const GridQuantizer q{{6, true}, Estimator::rq_st};
  for (const float sigma : {0.1f / 3, 0.1f * 2 / 3}) {
    const Scales s{0.1f, sigma};
    const auto x = random_values(20000, -2.5, 2.5);
    const auto p = run(q, s, x, std::vector<float>(x.size(), 1));
    int moved = 0;
    float furthest = 0;
    std::vector<float> nearest(x.size());
    round_and_clip(q.grid, s.alpha, 20000, x.data(), nearest.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      moved += p.y[i] != nearest[i];
      furthest = std::max(furthest, std::abs(p.y[i] - nearest[i]));
    }
    CHECK(moved > 1000);
    CHECK(furthest <= 3 * sigma * 1.0001f);
  }
}

TEST_CASE("the plain estimator: ones inside the grid, rounding's alpha") {
  const GridQuantizer q{{2, true}, Estimator::ste};
  const Scales s{0.5f, 0.2f};
  const Passes p = run(q, s, {0.3f, -0.4f, 1.4f, -2}, {1, 2, 3, 4});
  CHECK(p.y == std::vector<float>{0.5f, -0.5f, 0.5f, -1});
  CHECK(p.dx == std::vector<float>{1, 2, 0, 0});
  CHECK(p.sums.alpha == doctest::Approx((1 - 0.6) + 2 * (-1 + 0.8) + 3 * 1 + 4 * -2));
  CHECK(p.sums.sigma == 0);
}

TEST_CASE("bf16 activations: the float gradients, rounded") {
  const GridQuantizer q{{3, false}};
  const Scales s{0.25f, 0.08f};
  const std::int64_t n = 5000;
  std::vector<bfloat16> x, dy;
  std::vector<float> wide_x, wide_dy;
  for (float v : random_values(n, 0, 2.5)) x.emplace_back(v);
  for (float v : random_values(n, -1, 1, 2)) dy.emplace_back(v);
  for (bfloat16 v : x) wide_x.push_back(float(v));
  for (bfloat16 v : dy) wide_dy.push_back(float(v));
  std::vector<bfloat16> y(x.size()), dx(x.size());
  quantize(q, s, kNoise, n, x.data(), y.data());
  auto partial = partial_sums(n);
  const Gradients sums = pull_back(q, s, kNoise, n, x.data(), dy.data(), dx.data(), partial);
  const Passes wide = run(q, s, wide_x, wide_dy);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(float(y[i]) == float(bfloat16(wide.y[i])));
    CHECK(float(dx[i]) == float(bfloat16(wide.dx[i])));
  }
  CHECK(sums.alpha == wide.sums.alpha);
  CHECK(sums.sigma == wide.sums.sigma);
}

TEST_CASE("sums do not depend on the number of threads") {
  const GridQuantizer q{{3, true}};
  const Scales s{0.25f, 0.08f, {{1, 0.8, 0.4}}};
  const auto x = random_values(200003, -1, 1), dy = random_values(200003, -1, 1, 2);
  const auto with = [&](int team) {
    const testing::ThreadsScope scope(team);
    return run(q, s, x, dy);
  };
  const Passes one = with(1), four = with(4);
  CHECK(one.sums.alpha == four.sums.alpha);
  CHECK(one.sums.sigma == four.sums.sigma);
  CHECK(one.sums.level == four.sums.level);
  CHECK(one.dx == four.dx);
}

TEST_CASE("item 10: cohesion of residuals spread evenly is a quarter") {
  const auto even = random_values(100000, -1.125, 0.875);
  CHECK(statistics({3, true}, 0.25f, even).clipped == 0);
  // Half a cell of eight lies beyond each end and has residual 0 there.
  CHECK(statistics({3, true}, 0.25f, even).cohesion == doctest::Approx(0.25 * 7 / 8).epsilon(0.01));
  const auto inside = random_values(100000, -1, 0.75);
  CHECK(statistics({3, true}, 0.25f, inside).cohesion == doctest::Approx(0.25).epsilon(0.01));
  const std::vector<float> on_points{-1, 0.25f, 2, 5};
  CHECK(statistics({3, true}, 0.25f, on_points).cohesion == 0);
  CHECK(statistics({3, true}, 0.25f, on_points).clipped == 0.5);
}
