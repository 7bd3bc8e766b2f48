// Gradients of concat, pad and slice, which move elements, and of dropout.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

using Index = std::vector<std::int64_t>;

Index index_of(const Shape& shape, std::int64_t i) {
  Index index(shape.dims().size());
  for (std::size_t a = index.size(); a-- > 0; i /= shape.dims()[a]) index[a] = i % shape.dims()[a];
  return index;
}
std::int64_t flat(const Shape& shape, const Index& index) {
  std::int64_t i = 0;
  for (std::size_t a = 0; a < index.size(); ++a) i = i * shape.dims()[a] + index[a];
  return i;
}

// A case of an op that copies: `to` tells where element `index` of an input goes, if anywhere.
using Move = std::function<std::optional<Index>(std::size_t input, Index index)>;
void add_move(std::vector<Case>& cases, Case c, const Shape& result, double background,
              const Move& to) {
  const auto for_each = [=](const Sample& s, std::size_t input, const auto& body) {
    for (std::int64_t i = 0; i < s.inputs[input].size(); ++i)
      if (const auto target = to(input, index_of(s.inputs[input].shape, i)))
        body(flat(result, *target), i);
  };
  c.forward = [=](const Sample& s) {
    Array y(result);
    for (double& v : y.values) v = background;
    for (std::size_t input = 0; input < s.inputs.size(); ++input)
      for_each(s, input, [&](auto out, auto in) { y[out] = s.inputs[input][in]; });
    return y;
  };
  for (std::size_t input = 0; input < c.inputs.size(); ++input)
    c.terms.push_back(
        {"the last element of input " + std::to_string(input), input, [=](const Sample& s) {
           Array d(s.inputs[input].shape);
           std::int64_t last = 0, from = 0;
           for_each(s, input, [&](auto out, auto in) { last = in, from = out; });
           d[last] = s.dy[from];
           return d;
         }});
  cases.push_back(c);
  std::size_t wanted = 0;
  for (const Input& input : c.inputs) wanted += input.wants_gradient;
  if (wanted == 1) cases.push_back(in_bf16(c));
}

Layout layout_of(const Shape& shape, bool image) {
  return image && shape.rank() == 4 ? Layout::channels_last : Layout::plain;
}

void add_concat(std::vector<Case>& cases, const std::vector<Shape>& parts, int axis, bool image,
                int constants = 0) {
  Case c{"concat", parts[0].str() + " along " + std::to_string(axis) + (image ? ", image" : "")};
  std::vector<std::int64_t> dims = parts[0].dims(), starts;
  const auto a = static_cast<std::size_t>(axis < 0 ? axis + parts[0].rank() : axis);
  dims[a] = 0;
  for (const Shape& part : parts) {
    c.inputs.push_back(
        random_input(cases.size() + 100 * c.inputs.size(), part, layout_of(part, image)));
    c.inputs.back().wants_gradient = static_cast<int>(c.inputs.size()) > constants;
    starts.push_back(dims[a]);
    dims[a] += part.dims()[a];
  }
  c.build = [=](const auto& in) { return concat(in, axis); };
  add_move(cases, c, Shape(dims), 0, [=](std::size_t input, Index index) {
    index[a] += starts[input];
    return index;
  });
}

void add_pad(std::vector<Case>& cases, const Shape& shape, std::vector<Padding> amounts,
             double value, bool image) {
  Case c{"pad", shape.str() + (image ? ", image" : "")};
  c.inputs = {random_input(cases.size(), shape, layout_of(shape, image))};
  c.build = [=](const auto& in) { return pad(in[0], amounts, value); };
  std::vector<std::int64_t> dims = shape.dims();
  for (std::size_t a = 0; a < dims.size(); ++a) dims[a] += amounts[a].before + amounts[a].after;
  add_move(cases, c, Shape(dims), value, [=](std::size_t, Index index) {
    for (std::size_t a = 0; a < index.size(); ++a) index[a] += amounts[a].before;
    return index;
  });
}

void add_slice(std::vector<Case>& cases, const Shape& shape, int axis, std::int64_t begin,
               std::int64_t end, std::int64_t step, bool image) {
  Case c{"slice", shape.str() + " along " + std::to_string(axis) + (image ? ", image" : "")};
  c.inputs = {random_input(cases.size(), shape, layout_of(shape, image))};
  c.build = [=](const auto& in) { return slice(in[0], axis, begin, end, step); };
  std::vector<std::int64_t> dims = shape.dims();
  const auto a = static_cast<std::size_t>(axis < 0 ? axis + shape.rank() : axis);
  dims[a] = (end - begin + step - 1) / step;
  add_move(cases, c, Shape(dims), 0, [=](std::size_t, Index index) -> std::optional<Index> {
    if (index[a] < begin || index[a] >= end || (index[a] - begin) % step != 0) return {};
    index[a] = (index[a] - begin) / step;
    return index;
  });
}

void add_dropout(std::vector<Case>& cases, const TensorSpec& spec, double probability) {
  Case c{"dropout", spec.shape.str()};
  c.inputs = {random_input(cases.size(), spec.shape, spec.layout, 1, 3)};
  const DropoutStream stream{17, "a layer", 3.0};
  c.build = [=](const auto& in) { return dropout(in[0], probability, stream, true); };
  // By the documented key: element i, in the order of memory, has word i % 4 of block i / 4.
  const auto factor = [=](std::int64_t i) {
    const auto words =
        Rng(17, "dropout", hash_name("a layer"), 3).block(static_cast<std::uint64_t>(i / 4));
    const double u = std::ldexp(words[static_cast<std::size_t>(i % 4)], -32);
    return u < probability ? 0 : 1 / (1 - probability);
  };
  Tensor memory = Tensor::empty({spec.shape, DType::f32, spec.layout});
  for (std::int64_t i = 0; i < memory.numel(); ++i) memory.f32()[i] = static_cast<float>(factor(i));
  const Array mask = naive::to_array(memory);
  const auto masked = [=](Array a) {
    for (std::int64_t i = 0; i < a.size(); ++i) a[i] *= mask[i] == 0 ? 0 : 1 / (1 - probability);
    return a;
  };
  c.forward = [=](const Sample& s) { return masked(s.inputs[0]); };
  c.terms = {{"the scale", 0, [=](const Sample& s) {
                Array d = masked(s.dy);
                for (double& v : d.values) v *= probability;
                return d;
              }}};
  cases.push_back(c);
  cases.push_back(in_bf16(c));
}

}  // namespace

std::vector<Case> shape_cases() {
  std::vector<Case> cases;
  for (int constants : {0, 1}) {
    add_concat(cases, {{2, 3}, {2, 4}}, 1, false, constants);
    add_concat(cases, {{2, 3, 2}, {1, 3, 2}, {2, 3, 2}}, 0, false, constants);
    add_concat(cases, {{2, 3, 2}, {2, 1, 2}}, -2, false, constants);
    add_concat(cases, {{2, 3, 2, 3}, {2, 2, 2, 3}}, 1, true, constants);
    add_concat(cases, {{2, 3, 2, 3}, {2, 3, 1, 3}}, 2, true, constants);
    add_concat(cases, {{1, 2, 2, 3}, {2, 2, 2, 3}}, 0, true, constants);
  }
  add_concat(cases, {{3, 2}}, 0, false);
  add_pad(cases, {3, 4}, {{1, 0}, {2, 3}}, 0, false);
  add_pad(cases, {5}, {{2, 1}}, -1.5, false);
  add_pad(cases, {2, 3, 2, 4}, {{0, 0}, {0, 0}, {1, 1}, {2, 2}}, 0, true);
  add_pad(cases, {2, 3, 2, 4}, {{1, 0}, {2, 1}, {0, 1}, {0, 0}}, 0.5, true);
  add_pad(cases, {2, 3, 2, 2}, {{0, 0}, {1, 1}, {0, 0}, {0, 0}}, 0, false);
  add_slice(cases, {5, 3}, 0, 1, 4, 1, false);
  add_slice(cases, {5, 3}, -1, 1, 2, 1, false);
  add_slice(cases, {3, 8}, 1, 1, 8, 3, false);
  add_slice(cases, {2, 5, 3, 4}, 1, 2, 5, 1, true);
  add_slice(cases, {2, 5, 3, 4}, 2, 0, 3, 2, true);
  add_slice(cases, {3, 2, 3, 4}, 0, 1, 3, 1, true);
  add_slice(cases, {2, 2, 2, 5}, 3, 1, 5, 2, true);
  add_dropout(cases, {Shape{5, 7}}, 0.5);
  add_dropout(cases, {Shape{2, 3, 2, 3}, DType::f32, Layout::channels_last}, 0.25);
  return cases;
}

TEST_CASE("moving elements, dropout: values and gradients are right") {
  check_gradients(shape_cases());
}

TEST_CASE("moving elements, dropout: every wrong gradient is caught") {
  check_mutations(shape_cases());
}

}  // namespace bitwright::gradient_check
