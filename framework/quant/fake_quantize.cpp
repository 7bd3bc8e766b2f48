#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>
#include <utility>

#include <bitwright/core/error.h>
#include <bitwright/quant/fake_quantize.h>
#include <bitwright/quant/row_statistics.h>

#include "kernels/rows.h"

namespace bitwright {
namespace {

template <Rounding R>
float code_of(const Codes& c, float v) {
  if constexpr (R == Rounding::sign) return v > 0 ? 1.f : v <= 0 ? -1.f : v;
  if constexpr (R == Rounding::ternary) {
    const float small = v == v ? 0.f : v;
    return v > c.threshold ? 1.f : v < -c.threshold ? -1.f : small;
  }
  return std::nearbyint(v < c.low ? c.low : v > c.high ? c.high : v) + 0.f;  // -0 becomes 0
}

// f(std::integral_constant<Rounding, r>): loops are compiled for each.
template <class F>
auto with_rounding(Rounding r, const F& f) {
  switch (r) {
    case Rounding::nearest:
      return f(std::integral_constant<Rounding, Rounding::nearest>{});
    case Rounding::sign:
      return f(std::integral_constant<Rounding, Rounding::sign>{});
    case Rounding::ternary:
      break;
  }
  return f(std::integral_constant<Rounding, Rounding::ternary>{});
}

template <Estimator E>
float passed(const Codes& c, float v, float g) {
  if constexpr (E == Estimator::identity) return g;
  if constexpr (E == Estimator::clipped) return v >= c.low && v <= c.high ? g : 0.f;
  const float slope = 2.f - 2.f * std::fabs(v);
  return slope > 0 ? g * slope : 0.f;
}

template <class F>
void with_estimator(Estimator e, const F& f) {
  switch (e) {
    case Estimator::identity:
      return f(std::integral_constant<Estimator, Estimator::identity>{});
    case Estimator::clipped:
      return f(std::integral_constant<Estimator, Estimator::clipped>{});
    case Estimator::polynomial:
      return f(std::integral_constant<Estimator, Estimator::polynomial>{});
  }
}

void require_floating(const TensorSpec& spec, std::string_view op) {
  require(is_floating(spec.type), std::string(op) + ": an operand of integers");
}

std::int64_t rows_of(const Tensor& x, std::size_t count, std::string_view op) {
  const auto rows = static_cast<std::int64_t>(count);
  require(rows == 1 || (x.layout() == Layout::plain && x.shape()[0] == rows),
          std::string(op) + ": as many rows as output channels");
  return rows;
}

bool known(const Grid& grid) {
  return !grid.rows.empty() &&
         std::ranges::none_of(grid.rows, [](const Grid::Row& r) { return r.scale == 0; });
}

// y = scale * code, row by row.
void quantize(const Tensor& x, const Grid& grid, Tensor& y) {
  const std::int64_t rows = rows_of(x, grid.rows.size(), "fake_quantize");
  with_rounding(grid.rows[0].codes.rounding, [&](auto rounding) {
    for_float_type(x.type(), [&]<class T>(T*) {
      kernels::map_rows(rows, x.numel() / rows, x.as<T>(), y.as<T>(), [&](std::int64_t r) {
        const Grid::Row row = grid.rows[static_cast<std::size_t>(r)];
        return [=](float v) { return row.scale * code_of<rounding>(row.codes, v / row.scale); };
      });
    });
  });
}

class FakeQuantize final : public Op {
 public:
  FakeQuantize(std::shared_ptr<const Grid> grid, Estimator estimator, Observe observe)
      : grid_(std::move(grid)), estimator_(estimator), observe_(std::move(observe)) {}
  std::string_view name() const override { return "fake_quantize"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_floating(in[0], name());
    return {in[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    if (observe_) observe_(in[0]);
    if (!known(*grid_)) return out[0].copy_from(in[0]);
    quantize(in[0], *grid_, out[0]);
  }
  void backward(const BackwardArgs& a) override {
    const Tensor& dy = a.output_gradients[0];
    const Tensor& x = backward_reads_input(0) ? a.inputs[0] : dy;
    Tensor& dx = a.input_gradients[0];
    if (!known(*grid_)) return dx.copy_from(dy);
    const std::int64_t rows = rows_of(x, grid_->rows.size(), name());
    with_estimator(estimator_, [&](auto estimator) {
      for_float_type(x.type(), [&]<class T>(T*) {
        kernels::map_rows(
            rows, x.numel() / rows, x.as<T>(), dy.as<T>(), dx.as<T>(), [&](std::int64_t r) {
              const Grid::Row row = grid_->rows[static_cast<std::size_t>(r)];
              return
                  [=](float v, float g) { return passed<estimator>(row.codes, v / row.scale, g); };
            });
      });
    });
  }
  bool backward_reads_input(std::size_t) const override {
    return estimator_ != Estimator::identity;
  }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  std::shared_ptr<const Grid> grid_;
  Estimator estimator_;
  Observe observe_;
};

class LearnedStep final : public Op {
 public:
  LearnedStep(const Codes& codes, double gradient_scale, Observe observe)
      : codes_(codes),
        gradient_scale_(static_cast<float>(gradient_scale)),
        observe_(std::move(observe)) {
    require(codes.rounding != Rounding::ternary, "learned_step: ternary has no step");
  }
  std::string_view name() const override { return "learned_step"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_floating(in[0], name());
    require(in[1].type == DType::f32 && in[1].shape.rank() == 1, "learned_step: step f32 [rows]");
    return {in[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    if (observe_) observe_(in[0]);
    if (!initialized(in[1])) return out[0].copy_from(in[0]);
    const Tensor& x = in[0];
    const float* const s = in[1].f32();
    const std::int64_t rows = rows_of(x, static_cast<std::size_t>(in[1].numel()), name());
    with_rounding(codes_.rounding, [&](auto rounding) {
      for_float_type(x.type(), [&]<class T>(T*) {
        kernels::map_rows(
            rows, x.numel() / rows, x.as<T>(), out[0].as<T>(), [=, c = codes_](std::int64_t r) {
              return [=, step = s[r]](float v) { return step * code_of<rounding>(c, v / step); };
            });
      });
    });
  }
  void backward(const BackwardArgs& a) override {
    const Tensor &x = a.inputs[0], &dy = a.output_gradients[0];
    Tensor &dx = a.input_gradients[0], &ds = a.input_gradients[1];
    if (!initialized(a.inputs[1])) {
      if (dx.defined()) dx.copy_from(dy);
      if (ds.defined()) ds.fill(0);
      return;
    }
    const std::int64_t rows = a.inputs[1].numel();
    sums_.resize(static_cast<std::size_t>(rows));
    with_rounding(codes_.rounding, [&](auto rounding) {
      for_float_type(x.type(), [&]<class T>(T*) {
        kernels::map_and_sum_rows(rows, x.numel() / rows, x.as<T>(), dy.as<T>(),
                                  dx.defined() ? dx.as<T>() : nullptr, sums_.data(),
                                  surrogate<rounding>(a.inputs[1].f32()));
      });
    });
    if (!ds.defined()) return;
    for (std::int64_t r = 0; r < rows; ++r)
      ds.f32()[r] = gradient_scale_ * sums_[static_cast<std::size_t>(r)];
  }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  static bool initialized(const Tensor& step) {
    return std::ranges::none_of(step.values(), [](float s) { return s == 0; });
  }

  template <Rounding R>
  auto surrogate(const float* s) const {
    const bool sign = R == Rounding::sign;
    return [c = codes_, s, low = sign ? -1.f : codes_.low,
            high = sign ? 1.f : codes_.high](std::int64_t r) {
      return [=, step = s[r]](float x, float g) {
        const float v = x / step, code = code_of<R>(c, v);
        const bool inside = v > low && v < high;
        return kernels::GradientAndTerm{inside ? g : 0.f, g * (inside ? code - v : code)};
      };
    };
  }

  Codes codes_;
  float gradient_scale_;
  Observe observe_;
  std::vector<float> sums_;
};

class LearnedClip final : public Op {
 public:
  explicit LearnedClip(int bits) : codes_(Codes::natural(bits)) {}
  std::string_view name() const override { return "learned_clip"; }
  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    require_floating(in[0], name());
    require(in[1].type == DType::f32 && in[1].shape == Shape{1}, "learned_clip: clip f32 [1]");
    return {in[0]};
  }
  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    const float step = in[1].f32()[0] / codes_.high;
    quantize(in[0], Grid{{{step, codes_}}}, out[0]);
  }
  void backward(const BackwardArgs& args) override {
    const Tensor &x = args.inputs[0], &dy = args.output_gradients[0];
    Tensor &dx = args.input_gradients[0], &da = args.input_gradients[1];
    const float a = args.inputs[1].f32()[0];
    float sum = 0;
    for_float_type(x.type(), [&]<class T>(T*) {
      kernels::map_and_sum_rows(
          1, x.numel(), x.as<T>(), dy.as<T>(), dx.defined() ? dx.as<T>() : nullptr, &sum,
          [a](std::int64_t) {
            return [a](float v, float g) {
              return kernels::GradientAndTerm{v >= 0 && v < a ? g : 0.f, v >= a ? g : 0.f};
            };
          });
    });
    if (da.defined()) da.f32()[0] = sum;
  }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  Codes codes_;
};

}  // namespace

Codes Codes::twos_complement(int bits) {
  if (bits == 1) return {Rounding::sign, -1, 1};
  const float half = std::ldexp(1.f, bits - 1);
  return {Rounding::nearest, -half, half - 1};
}

Codes Codes::symmetric(int bits) {
  Codes codes = twos_complement(bits);
  codes.low = -codes.high;
  return codes;
}

Codes Codes::natural(int bits) { return {Rounding::nearest, 0, std::ldexp(1.f, bits) - 1}; }

float Codes::of(float v) const {
  return with_rounding(rounding, [&](auto r) { return code_of<r>(*this, v); });
}

int Codes::bits() const {
  if (rounding == Rounding::sign) return 1;
  int bits = 1;
  while (std::ldexp(1.f, bits) < high - low + 1) ++bits;
  return bits;
}

const std::vector<std::string>& estimator_names() {
  static const std::vector<std::string> names{"identity", "clipped", "polynomial"};
  return names;
}

Estimator estimator_named(std::string_view name) {
  const auto& names = estimator_names();
  const auto at = std::ranges::find(names, name);
  require(at != names.end(), "no such estimator");
  return static_cast<Estimator>(at - names.begin());
}

Variable fake_quantize(const Variable& x, std::shared_ptr<const Grid> grid, Estimator estimator,
                       Observe observe) {
  return x.tape().record(
      std::make_unique<FakeQuantize>(std::move(grid), estimator, std::move(observe)),
      std::array{x});
}

Variable learned_step(const Variable& x, const Variable& step, const Codes& codes,
                      double gradient_scale, Observe observe) {
  return x.tape().record(std::make_unique<LearnedStep>(codes, gradient_scale, std::move(observe)),
                         std::array{x, step});
}

Variable learned_clip(const Variable& x, const Variable& clip, int bits) {
  return x.tape().record(std::make_unique<LearnedClip>(bits), std::array{x, clip});
}

Grid grid_of(const Tensor& scales, const Codes& codes) {
  Grid grid;
  for (const float scale : scales.values()) grid.rows.push_back({scale, codes});
  return grid;
}

Coded code_on_grid(const Tensor& x, const Grid& grid) {
  require(known(grid), "a grid without scales codes nothing");
  const Codes& codes = grid.rows[0].codes;
  const bool sign = codes.rounding == Rounding::sign;
  Coded coded{.bits = codes.bits(), .codes = {}, .scale = {}};
  const auto rows = static_cast<std::size_t>(rows_of(x, grid.rows.size(), "code_on_grid"));
  const auto columns = static_cast<std::size_t>(x.numel()) / rows;
  coded.codes.resize(static_cast<std::size_t>(x.numel()));
  // Rows with zero points of their own count their codes from 0.
  const bool shifted = std::ranges::any_of(
      grid.rows, [&](const Grid::Row& row) { return row.codes.low != codes.low; });
  coded.first = sign || shifted ? 0 : static_cast<std::int32_t>(codes.low);
  for (std::size_t r = 0; r < rows; ++r) {
    const Grid::Row& row = grid.rows[r];
    const float zero = shifted ? row.codes.low : 0;
    // Two codes are a bit: -1 and 1 are 2 s * 0 - s and 2 s * 1 - s, exactly.
    coded.scale.push_back(sign ? 2 * row.scale : row.scale);
    if (sign || shifted) coded.offset.push_back(sign ? -row.scale : row.scale * zero);
    for (std::size_t i = r * columns; i < (r + 1) * columns; ++i) {
      const float code = row.codes.of(x.f32()[i] / row.scale);
      coded.codes[i] = static_cast<std::int32_t>(sign ? (code + 1) / 2 : code - zero);
    }
  }
  return coded;
}

}  // namespace bitwright
