#include "kernels/levels.h"

#include <algorithm>
#include <cmath>

#include <bitwright/core/error.h>
#include <bitwright/quant/levels.h>

namespace bitwright {

// A step of zero (all numbers zero) would give NaN; LAPQ's code has the same floor.
constexpr double kSmallestStep = 1e-8;

static kernels::AffineGrid grid_of(const Levels& levels) {
  return {.step = static_cast<float>(levels.step),
          .offset = static_cast<float>(levels.offset),
          .first = static_cast<float>(levels.first),
          .last = static_cast<float>(levels.last)};
}

static std::int64_t size_of(std::span<const float> x) {
  return static_cast<std::int64_t>(x.size());
}

Levels Levels::affine(std::int32_t first, std::int32_t last, double step, double offset) {
  require(first <= last, "levels have codes");
  Levels levels;
  levels.first = first, levels.last = last;
  levels.step = std::max(step, kSmallestStep);
  levels.offset = offset;
  return levels;
}

Levels Levels::nearest(std::vector<float> book, double scale) {
  require(!book.empty() && std::ranges::is_sorted(book), "a code book is ascending");
  Levels levels;
  levels.last = static_cast<std::int32_t>(book.size()) - 1;
  levels.step = scale;
  for (std::size_t k = 0; k + 1 < book.size(); ++k)
    levels.bounds.push_back(0.5f * (book[k] + book[k + 1]));
  levels.book = std::move(book);
  return levels;
}

float Levels::value(std::int32_t code) const {
  require(code >= first && code <= last, "a code of these levels");
  if (!book.empty()) return book[static_cast<std::size_t>(code - first)];
  return static_cast<float>(step) * static_cast<float>(code) + static_cast<float>(offset);
}

std::vector<float> Levels::values() const {
  std::vector<float> all;
  for (std::int32_t code = first; code <= last; ++code) all.push_back(value(code));
  return all;
}

std::int32_t Levels::code(float x) const {
  if (tanh_gain != 0) prepare({&x, 1}, {&x, 1});
  if (!book.empty())
    return first + static_cast<std::int32_t>(
                       std::ranges::count_if(bounds, [x](float bound) { return x >= bound; }));
  const float place = std::clamp((x - static_cast<float>(offset)) / static_cast<float>(step),
                                 static_cast<float>(first), static_cast<float>(last));
  return static_cast<std::int32_t>(std::nearbyint(place));
}

void Levels::prepare(std::span<const float> x, std::span<float> out) const {
  require(x.size() == out.size(), "as many results as numbers");
  if (tanh_gain != 0)
    kernels::scaled_tanh(size_of(x), x.data(), tanh_gain, out.data());
  else if (x.data() != out.data())
    std::copy(x.begin(), x.end(), out.begin());
}

void Levels::quantize(std::span<const float> x, std::span<float> out) const {
  require(x.size() == out.size(), "as many results as numbers");
  const float* from = x.data();
  if (tanh_gain != 0) prepare(x, out), from = out.data();
  if (book.empty())
    kernels::round_to_grid(size_of(x), from, grid_of(*this), out.data());
  else
    kernels::round_to_book(size_of(x), from, book, bounds, out.data());
}

void Levels::quantize(const Tensor& x, Tensor& out) const {
  require(tanh_gain == 0, "levels of weights only");
  require(x.spec() == out.spec(), "quantized in the same form");
  for_float_type(x.type(), [&]<class T>(T*) {
    if (book.empty())
      kernels::round_to_grid(x.numel(), x.as<T>(), grid_of(*this), out.as<T>());
    else
      kernels::round_to_book(x.numel(), x.as<T>(), std::span<const float>(book),
                             std::span<const float>(bounds), out.as<T>());
  });
}

double Levels::error(std::span<const float> x, double p) const {
  require(!x.empty() && p > 0, "an error over some numbers");
  std::vector<float> prepared;
  if (tanh_gain != 0) {
    prepared.resize(x.size());
    prepare(x, prepared);
    x = prepared;
  }
  const double sum = book.empty() ? kernels::grid_error(size_of(x), x.data(), grid_of(*this), p)
                                  : kernels::book_error(size_of(x), x.data(), book, bounds, p);
  return sum / static_cast<double>(x.size());
}

double power_of_two_step(double step) {
  require(step > 0, "a step is positive");
  return std::exp2(std::round(std::log2(step)));
}

}  // namespace bitwright
