// Arithmetic on two operands, with NumPy's broadcasting of either. Operands of equal shape, type
// and layout take the short way.
#include <algorithm>
#include <vector>

#include "autograd/ops/helpers.h"
#include "kernels/broadcast.h"
#include "kernels/elementwise.h"

namespace bitwright {
namespace {

// The shape of an operand with as many axes as the result. One value per channel may be given as
// a plain list [C]: over an image it stands for [1, C, 1, 1].
Shape aligned(const TensorSpec& operand, int rank, bool over_image) {
  if (over_image && operand.shape.rank() == 1) return Shape{1, operand.shape[0], 1, 1};
  std::vector<std::int64_t> dims(static_cast<std::size_t>(rank - operand.shape.rank()), 1);
  dims.insert(dims.end(), operand.shape.dims().begin(), operand.shape.dims().end());
  return Shape(dims);
}

TensorSpec broadcast_spec(std::span<const TensorSpec> in, std::string_view name) {
  const int rank = std::max(in[0].shape.rank(), in[1].shape.rank());
  const bool image = in[0].layout != Layout::plain || in[1].layout != Layout::plain;
  const Shape a = aligned(in[0], rank, image), b = aligned(in[1], rank, image);
  std::vector<std::int64_t> dims;
  for (int axis = 0; axis < rank; ++axis) {
    require_shape(a[axis] == b[axis] || a[axis] == 1 || b[axis] == 1, name, in[1].shape);
    dims.push_back(a[axis] == 1 ? b[axis] : a[axis]);
  }
  TensorSpec result{Shape(dims), in[0].type, image ? Layout::channels_last : Layout::plain};
  // A full operand decides the type: activations times an f32 parameter keep the activations' type.
  const bool full[] = {a == result.shape, b == result.shape};
  require(in[0].type == in[1].type || full[0] != full[1],
          "element-wise operands of two types, neither of which is broadcast over the other");
  if (full[1] && !full[0]) result.type = in[1].type;
  for (int k : {0, 1})  // a whole operand in another layout would be read across the grain
    require_shape(!full[k] || in[k].layout == result.layout || result.shape.numel() == 1, name,
                  in[k].shape);
  require_shape(result.shape.numel() > 0, name, result.shape);
  return result;
}

// Strides of an operand along the axes of the result.
std::vector<std::int64_t> broadcast_strides(const TensorSpec& operand, const TensorSpec& result) {
  const int rank = result.shape.rank();
  const Shape shape = aligned(operand, rank, result.layout != Layout::plain);
  const Layout layout = operand.shape.rank() == 4 ? operand.layout : Layout::plain;
  std::vector<std::int64_t> strides = kernels::strides_of({shape, operand.type, layout});
  for (int axis = 0; axis < rank; ++axis)
    if (shape[axis] == 1) strides[static_cast<std::size_t>(axis)] = 0;
  return strides;
}

// F gives the value and the derivatives by the two operands, times g; linear: these are functions
// of g alone.
template <class F>
class Binary final : public Op {
 public:
  std::string_view name() const override { return F::name; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> in) override {
    for (const TensorSpec& spec : in) require_floating(spec, name());
    equal_ = in[0].shape == in[1].shape && in[0].layout == in[1].layout && in[0].type == in[1].type;
    if (equal_) return {in[0]};
    const TensorSpec result = broadcast_spec(in, name());
    space_ = kernels::IndexSpace(result, broadcast_strides(in[0], result),
                                 broadcast_strides(in[1], result));
    for (std::size_t k : {0, 1}) {
      full_[k] =
          aligned(in[k], result.shape.rank(), result.layout != Layout::plain) == result.shape;
      to_operand_[k] = kernels::Reduction(space_, k);
    }
    return {result};
  }

  void forward(std::span<const Tensor> in, std::span<Tensor> out) override {
    if (!equal_)
      return kernels::map_space(space_, {kernels::Source(in[0]), kernels::Source(in[1]), {}},
                                out[0], [](float x, float y, float) { return F::value(x, y); });
    for_float_type(in[0].type(), [&]<class T>(T*) {
      kernels::map(in[0].numel(), in[0].as<T>(), in[1].as<T>(), out[0].as<T>(),
                   [](float x, float y) { return F::value(x, y); });
    });
  }

  void backward(const BackwardArgs& a) override {
    gradient(a, 0, [](float x, float y, float g) { return F::by_first(x, y, g); });
    gradient(a, 1, [](float x, float y, float g) { return F::by_second(x, y, g); });
  }
  bool backward_reads_input(std::size_t) const override { return !F::linear; }
  bool backward_reads_output(std::size_t) const override { return false; }

 private:
  template <class G>
  void gradient(const BackwardArgs& a, std::size_t operand, G by) {
    Tensor& result = a.input_gradients[operand];
    if (!result.defined()) return;
    if (equal_) {
      for_float_type(result.type(), [&]<class T>(T*) {
        const T* g = a.output_gradients[0].as<T>();
        const T* x = F::linear ? g : a.inputs[0].as<T>();  // where nothing is read, dy stands in
        const T* y = F::linear ? g : a.inputs[1].as<T>();
        kernels::map(result.numel(), x, y, g, result.as<T>(), by);
      });
      return;
    }
    kernels::Sources sources{{}, {}, kernels::Source(a.output_gradients[0])};
    if (!F::linear)
      sources.first = kernels::Source(a.inputs[0]), sources.second = kernels::Source(a.inputs[1]);
    if (full_[operand]) {
      kernels::map_space(space_, sources, result, by);
    } else {
      kernels::reduce_space<kernels::Sum>(to_operand_[operand], sources, result, by);
    }
  }

  bool equal_ = true;
  kernels::IndexSpace space_;
  std::array<kernels::Reduction, 2> to_operand_;
  std::array<bool, 2> full_{};
};

struct Add {
  static constexpr std::string_view name = "add";
  static constexpr bool linear = true;
  static float value(float x, float y) { return x + y; }
  static float by_first(float, float, float g) { return g; }
  static float by_second(float, float, float g) { return g; }
};
struct Subtract {
  static constexpr std::string_view name = "subtract";
  static constexpr bool linear = true;
  static float value(float x, float y) { return x - y; }
  static float by_first(float, float, float g) { return g; }
  static float by_second(float, float, float g) { return -g; }
};
struct Multiply {
  static constexpr std::string_view name = "multiply";
  static constexpr bool linear = false;
  static float value(float x, float y) { return x * y; }
  static float by_first(float, float y, float g) { return g * y; }
  static float by_second(float x, float, float g) { return g * x; }
};
struct Divide {
  static constexpr std::string_view name = "divide";
  static constexpr bool linear = false;
  static float value(float x, float y) { return x / y; }
  static float by_first(float, float y, float g) { return g / y; }
  static float by_second(float x, float y, float g) { return -g * x / (y * y); }
};
// Equal operands share the gradient.
struct Maximum {
  static constexpr std::string_view name = "maximum";
  static constexpr bool linear = false;
  static float value(float x, float y) { return x > y || x != x ? x : y; }
  static float by_first(float x, float y, float g) { return x > y ? g : x < y ? 0.f : 0.5f * g; }
  static float by_second(float x, float y, float g) { return by_first(y, x, g); }
};
struct Minimum {
  static constexpr std::string_view name = "minimum";
  static constexpr bool linear = false;
  static float value(float x, float y) { return x < y || x != x ? x : y; }
  static float by_first(float x, float y, float g) { return x < y ? g : x > y ? 0.f : 0.5f * g; }
  static float by_second(float x, float y, float g) { return by_first(y, x, g); }
};

template <class F>
Variable binary(const Variable& a, const Variable& b) {
  require(a.defined() && b.defined(), "an operand is undefined");
  return record_op<Binary<F>>(std::array{a, b});
}

}  // namespace

Variable add(const Variable& a, const Variable& b) { return binary<Add>(a, b); }
Variable subtract(const Variable& a, const Variable& b) { return binary<Subtract>(a, b); }
Variable multiply(const Variable& a, const Variable& b) { return binary<Multiply>(a, b); }
Variable divide(const Variable& a, const Variable& b) { return binary<Divide>(a, b); }
Variable maximum(const Variable& a, const Variable& b) { return binary<Maximum>(a, b); }
Variable minimum(const Variable& a, const Variable& b) { return binary<Minimum>(a, b); }

}  // namespace bitwright
