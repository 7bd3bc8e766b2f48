// Algorithms timed against each other on this machine, for `bitwright tune`.
#include <algorithm>
#include <chrono>
#include <vector>

#include "kernels/convolution_choice.h"

namespace bitwright::kernels {
namespace {

// Median of a tenth of a second, or of three runs of long ones, after two that warm up.
template <class Run>
double median_seconds(const Run& run) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  double total = 0;
  for (int i = -2; i < 3 || total < 0.1; ++i) {
    const auto begin = Clock::now();
    run();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (i < 0) continue;
    times.push_back(seconds);
    total += seconds;
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

// The operands of one layer; what they hold does not matter to the time.
struct Operands {
  Tensor x, y, weight, gradient;
  explicit Operands(const ConvShape& s)
      : x(Tensor::empty({Shape{s.n, s.c, s.h, s.w}, s.type, Layout::channels_last})),
        y(Tensor::empty(
            {Shape{s.n, s.out_channels, s.out_h(), s.out_w()}, s.type, Layout::channels_last})),
        weight(Tensor::full(s.weight(), 0.01f)),
        gradient(Tensor::empty(s.weight())) {
    x.fill(0.5f);
    y.fill(0.5f);
  }
};

void take_faster(double seconds, ConvAlgorithm algorithm, double& best, ConvAlgorithm& choice) {
  if (seconds >= best) return;
  best = seconds;
  choice = algorithm;
}

}  // namespace

ConvChoice fastest_choice(const ConvShape& with_epilogue) {
  ConvShape shape = with_epilogue;
  shape.epilogue = {};
  Operands o(shape);
  ConvChoice choice;
  double forward = 1e30, data = 1e30, weights = 1e30;
  for (const ConvAlgorithmEntry& a : kConvAlgorithms) {
    if (!a.fits(shape)) continue;
    if (a.forward != nullptr) {
      const auto pass = a.forward(shape);
      take_faster(median_seconds([&] { pass->run(o.x.data(), o.weight.f32(), {}, o.y.data()); }),
                  a.algorithm, forward, choice.forward);
    }
    const auto to_data = a.backward_data(shape);
    take_faster(median_seconds([&] { to_data->run(o.y.data(), o.weight.f32(), o.x.data()); }),
                a.algorithm, data, choice.backward_data);
    const auto to_weights = a.backward_weights(shape);
    take_faster(median_seconds([&] { to_weights->run(o.x.data(), o.y.data(), o.gradient.f32()); }),
                a.algorithm, weights, choice.backward_weights);
  }
  return choice;
}

}  // namespace bitwright::kernels
