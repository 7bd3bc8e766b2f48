// Gradients of index_select, gather, sort and quantile.
#include <doctest/doctest.h>

#include "gradient_check.h"

namespace bitwright::gradient_check {
namespace {

Input indices(std::uint64_t seed, const Shape& shape, std::int64_t below) {
  Tensor index = Tensor::empty({shape, DType::i32});
  const Rng rng(seed, "indices");
  for (std::int64_t i = 0; i < index.numel(); ++i)
    index.i32()[i] = static_cast<std::int32_t>(
        rng.below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(below)));
  return {index, false};
}

struct Lines {  // element k of line (o, i) is at (o * length + k) * inner + i
  std::int64_t outer = 1, length = 1, inner = 1;
  Lines(const Shape& shape, int axis) : length(shape[axis]) {
    for (int a = 0; a < axis; ++a) outer *= shape[a];
    for (int a = axis + 1; a < shape.rank(); ++a) inner *= shape[a];
  }
  std::int64_t at(std::int64_t line, std::int64_t k) const {
    return (line / inner * length + k) * inner + line % inner;
  }
};

// index_select (one list for all) and gather (one index per element of the result).
void add_gather(std::vector<Case>& cases, const Shape& shape, int axis, std::int64_t picked,
                bool each) {
  std::vector<std::int64_t> dims = shape.dims();
  dims[static_cast<std::size_t>(axis)] = picked;
  const Shape result(dims);
  Case c{each ? "gather" : "index_select", shape.str() + " along " + std::to_string(axis)};
  c.inputs = {random_input(cases.size() + 8000, shape),
              indices(cases.size(), each ? result : Shape{picked}, shape[axis])};
  c.build = [=](const auto& in) {
    return each ? gather(in[0], axis, in[1]) : index_select(in[0], axis - shape.rank(), in[1]);
  };
  const Lines to(result, axis), from(shape, axis);
  const auto for_each = [=](const Sample& s, const auto& body) {
    for (std::int64_t line = 0; line < to.outer * to.inner; ++line)
      for (std::int64_t k = 0; k < picked; ++k) {
        const std::int64_t out = to.at(line, k);
        body(out, from.at(line, std::llround(s.inputs[1][each ? out : k])));
      }
  };
  c.forward = [=](const Sample& s) {
    Array y(result);
    for_each(s, [&](auto out, auto in) { y[out] = s.inputs[0][in]; });
    return y;
  };
  c.terms = {{"an index that comes again", 0,
              [=](const Sample& s) {
                Array d(shape);
                std::vector<bool> seen(d.values.size());
                for_each(s, [&](auto out, auto in) {
                  if (seen[static_cast<std::size_t>(in)]) d[in] += s.dy[out];
                  seen[static_cast<std::size_t>(in)] = true;
                });
                return d;
              }},
             {"the last element", 0, [=](const Sample& s) {
                Array d(shape);
                for_each(s, [&](auto out, auto in) {
                  if (out == s.dy.size() - 1) d[in] += s.dy[out];
                });
                return d;
              }}};
  cases.push_back(c);
  cases.push_back(in_bf16(c));
}

// The positions of a line's elements in ascending order.
std::vector<std::int64_t> order_of(const Array& x, const Lines& lines, std::int64_t line) {
  std::vector<std::int64_t> order;
  for (std::int64_t k = 0; k < lines.length; ++k) order.push_back(lines.at(line, k));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return x[a] < x[b]; });
  return order;
}

void add_sort(std::vector<Case>& cases, const Shape& shape, int axis) {
  Case c{"sort", shape.str() + " along " + std::to_string(axis)};
  c.inputs = {{distinct_values(shape)}};
  c.step = 1.0 / 64;
  c.build = [=](const auto& in) { return sort(in[0], axis).values; };
  const Lines lines(shape, axis);
  const auto for_each = [=](const Sample& s, const auto& body) {
    for (std::int64_t line = 0; line < lines.outer * lines.inner; ++line) {
      const auto order = order_of(s.inputs[0], lines, line);
      for (std::int64_t k = 0; k < lines.length; ++k)
        body(lines.at(line, k), order[static_cast<std::size_t>(k)]);
    }
  };
  c.forward = [=](const Sample& s) {
    Array y(shape);
    for_each(s, [&](auto out, auto in) { y[out] = s.inputs[0][in]; });
    return y;
  };
  c.terms = {{"the permutation", 0, [=](const Sample& s) {
                Array d(shape);
                for_each(s, [&](auto out, auto in) { d[in] = s.dy[out]; });
                for (std::int64_t i = 0; i < d.size(); ++i) d[i] -= s.dy[i];
                return d;
              }}};
  cases.push_back(c);
  cases.push_back(in_bf16(c));
}

void add_quantile(std::vector<Case>& cases, const TensorSpec& spec, double q,
                  std::optional<int> axis, bool keepdim) {
  const Shape& shape = spec.shape;
  std::vector<std::int64_t> dims = shape.dims();
  if (!axis) {
    dims.assign(keepdim ? dims.size() : 0, 1);
  } else if (keepdim) {
    dims[static_cast<std::size_t>(*axis)] = 1;
  } else {
    dims.erase(dims.begin() + *axis);
  }
  Case c{"quantile", shape.str() + " at " + std::to_string(q)};
  c.inputs = {{distinct_values(shape, spec.layout)}};
  c.step = 1.0 / 64;
  c.build = [=](const auto& in) { return quantile(in[0], q, axis, keepdim); };
  const Lines lines = axis ? Lines(shape, *axis) : Lines(Shape{shape.numel()}, 0);
  // body(line, element, weight)
  const auto for_each = [=](const Array& x, const auto& body) {
    for (std::int64_t line = 0; line < lines.outer * lines.inner; ++line) {
      const auto order = order_of(x, lines, line);
      const double at = q * static_cast<double>(lines.length - 1), low = std::floor(at);
      body(line, order[static_cast<std::size_t>(low)], 1 - (at - low));
      if (at > low) body(line, order[static_cast<std::size_t>(low) + 1], at - low);
    }
  };
  c.forward = [=](const Sample& s) {
    Array y{Shape(dims)};
    for_each(s.inputs[0], [&](auto line, auto in, double w) { y[line] += w * s.inputs[0][in]; });
    return y;
  };
  for (bool upper : {false, true})
    c.terms.push_back(
        {upper ? "the larger neighbour" : "the smaller neighbour", 0, [=](const Sample& s) {
           Array d(shape);
           std::int64_t last = -1;
           for_each(s.inputs[0], [&](auto line, auto in, double w) {
             if ((line == last) == upper) d[in] = w * s.dy[line];
             last = line;
           });
           return d;
         }});
  cases.push_back(std::move(c));
}

}  // namespace

std::vector<Case> indexing_cases() {
  std::vector<Case> cases;
  for (bool each : {false, true}) {
    add_gather(cases, {5, 3}, 0, 7, each);
    add_gather(cases, {3, 4}, 1, 6, each);
    add_gather(cases, {2, 4, 3}, 1, 5, each);
    add_gather(cases, {6}, 0, 9, each);
  }
  add_sort(cases, {7}, 0);
  add_sort(cases, {3, 5}, 1);
  add_sort(cases, {2, 5, 3}, 1);
  add_sort(cases, {4, 3}, 0);
  add_quantile(cases, {Shape{9}}, 0.3, {}, false);
  add_quantile(cases, {Shape{4, 5}}, 0.95, {}, true);
  add_quantile(cases, {Shape{3, 7}}, 0.4, 1, false);
  add_quantile(cases, {Shape{3, 7}}, 0.5, 1, true);  // no neighbour is needed
  add_quantile(cases, {Shape{2, 6, 3}}, 0.77, 1, true);
  add_quantile(cases, {Shape{5, 2}}, 0, 0, false);
  add_quantile(cases, {Shape{5, 2}}, 1, 0, false);
  add_quantile(cases, {Shape{2, 3, 2, 2}, DType::f32, Layout::channels_last}, 0.6, {}, false);
  return cases;
}

TEST_CASE("indexing and order: values and gradients are right") {
  check_gradients(indexing_cases());
}

TEST_CASE("indexing and order: every wrong gradient is caught") {
  check_mutations(indexing_cases());
}

TEST_CASE("sort is stable, NaN comes last, and the order is that of gather") {
  Tape tape;
  const float inf = INFINITY;
  const Variable x =
      tape.parameter(Tensor::from({3, NAN, -0.f, 1, 0.f, -inf, 1, inf, NAN, -2}, {10}));
  const auto [values, order] = sort(x);
  const std::int32_t expected[] = {5, 9, 2, 4, 3, 6, 0, 7, 1, 8};
  for (std::size_t i = 0; i < 10; ++i) CHECK(order.value().i32()[i] == expected[i]);
  CHECK(values.value().values()[7] == inf);
  CHECK(std::isnan(values.value().values()[8]));
  CHECK(std::signbit(values.value().values()[2]));
  const Variable again = gather(x, 0, order);
  for (std::size_t i = 0; i < 8; ++i)
    CHECK(again.value().values()[i] == values.value().values()[i]);
}

TEST_CASE("quantile: NaN where there is one, q is read at every replay") {
  Tape tape;
  Tensor data = Tensor::from({4, 1, 3, 2}, {4});
  Scalar q = 0.5;
  const Variable y = quantile(tape.constant(data), q);
  CHECK(y.value().item() == 2.5f);
  q.set(1);
  tape.forward();
  CHECK(y.value().item() == 4);
  data.f32()[1] = NAN;
  tape.forward();
  CHECK(std::isnan(y.value().item()));
  q.set(1.5);
  CHECK_THROWS_AS(tape.forward(), std::logic_error);
}

TEST_CASE("indices outside the axis are refused at every replay") {
  Tape tape;
  Tensor index = Tensor::empty({Shape{2}, DType::i32});
  index.i32()[0] = 0, index.i32()[1] = 2;
  const Variable x = tape.parameter(Tensor::zeros({3, 2}));
  index_select(x, 0, tape.constant(index));
  index.i32()[1] = 3;
  CHECK_THROWS_AS(tape.forward(), std::logic_error);
  index.i32()[1] = -1;
  CHECK_THROWS_AS(tape.forward(), std::logic_error);
}

}  // namespace bitwright::gradient_check
