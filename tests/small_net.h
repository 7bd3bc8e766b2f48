#pragma once
// A small convolutional classifier that uses every layer op, for tests of the tape.

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include <bitwright/autograd/ops.h>
#include <bitwright/core/parallel.h>
#include <bitwright/core/rng.h>

namespace bitwright::testing {

/// Runs a scope with another number of threads.
class ThreadsScope {
 public:
  explicit ThreadsScope(int team) : before_(threads()) { set_threads(team); }
  ~ThreadsScope() { set_threads(before_); }
  ThreadsScope(const ThreadsScope&) = delete;
  ThreadsScope& operator=(const ThreadsScope&) = delete;

 private:
  int before_;
};

inline void fill_normal(Tensor& tensor, std::uint64_t seed, double sd = 1) {
  const Rng rng(seed, "small net");
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    tensor.f32()[i] = static_cast<float>(sd * rng.normal(static_cast<std::uint64_t>(i)));
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.type() == b.type() && a.layout() == b.layout() &&
         std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

/// Two 3x3 convolutions with batch norm, a pool, two linear layers: traced on construction.
struct SmallNet {
  Tensor images, labels;
  std::vector<Tensor> weights;
  BatchNormState norm1, norm2;
  Tape tape;
  std::vector<Variable> parameters;
  Variable logits, loss;

  explicit SmallNet(std::int64_t batch = 8, std::uint64_t seed = 1)
      : images(Tensor::empty({Shape{batch, 3, 12, 10}, DType::f32, Layout::channels_last})),
        labels(Tensor::empty({Shape{batch}, DType::i32, Layout::plain})) {
    load(seed);
    for (const Shape& shape : {Shape{8, 3, 3, 3}, Shape{8}, Shape{8}, Shape{16, 8, 3, 3}, Shape{16},
                               Shape{20, 16 * 6 * 5}, Shape{20}, Shape{5, 20}, Shape{5}}) {
      weights.push_back(Tensor::empty(shape));
      fill_normal(weights.back(), 1000 + weights.size(), 0.2);
      parameters.push_back(tape.parameter(weights.back()));
    }
    norm1 = {Tensor::zeros({8}), Tensor::full({8}, 1), 1e-5, 0.1};
    norm2 = {Tensor::zeros({16}), Tensor::full({16}, 1), 1e-5, 0.1};
    const auto& p = parameters;
    Variable x = tape.constant(images);
    x = conv2d(x, p[0], {}, {.stride = 1, .padding = 1});
    x = relu(batch_norm(x, p[1], p[2], norm1, true));
    x = conv2d(x, p[3], p[4], {.stride = 1, .padding = 1});
    x = relu(batch_norm(x, {}, {}, norm2, true));
    x = flatten(max_pool2d(x, 2, 2));
    x = relu(linear(x, p[5], p[6]));
    logits = linear(x, p[7], p[8]);
    loss = cross_entropy(logits, tape.constant(labels));
  }

  /// Another batch, in place.
  void load(std::uint64_t seed) {
    fill_normal(images, seed);
    for (std::int64_t i = 0; i < labels.numel(); ++i)
      labels.i32()[i] =
          static_cast<std::int32_t>(Rng(seed, "labels").below(static_cast<std::uint64_t>(i), 5));
  }

  /// A step of plain gradient descent by replay.
  void step(float rate) {
    tape.forward();
    tape.backward(loss);
    for (std::size_t i = 0; i < weights.size(); ++i)
      for (std::int64_t k = 0; k < weights[i].numel(); ++k)
        weights[i].f32()[k] -= rate * parameters[i].gradient().f32()[k];
  }
};

}  // namespace bitwright::testing
