#include "kernels/max_pool.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include <bitwright/core/bfloat16.h>
#include <bitwright/core/parallel.h>

namespace bitwright::kernels {
namespace {

constexpr std::int64_t kLanes = 64;  // channels at a time, in registers or nearly

// The windows of output row `line` = image * out_h + i, clipped to the image: for each output pixel
// body(output element, visit), where visit(f) calls f(place in the window, input element).
template <class Body>
void for_each_window(const PoolPlan& p, std::int64_t line, const Body& body) {
  const std::int64_t image = line / p.out_h(), i = line % p.out_h();
  for (std::int64_t j = 0; j < p.out_w(); ++j)
    body((line * p.out_w() + j) * p.c, [&](const auto& f) {
      for (std::int64_t u = 0; u < p.size; ++u)
        for (std::int64_t v = 0; v < p.size; ++v) {
          const std::int64_t y = i * p.stride + u - p.padding, z = j * p.stride + v - p.padding;
          if (y < 0 || y >= p.h || z < 0 || z >= p.w) continue;
          f(static_cast<std::int32_t>(u * p.size + v), ((image * p.h + y) * p.w + z) * p.c);
        }
    });
}

// The last pixel that the windows of an output row can reach, as an offset in elements.
std::int64_t last_pixel(const PoolPlan& p, std::int64_t line) {
  const std::int64_t bottom = line % p.out_h() * p.stride + p.size - 1 - p.padding;
  return ((line / p.out_h() * p.h + std::min(bottom, p.h - 1)) * p.w + p.w - 1) * p.c;
}

// One strip of channels of one window. `readable` >= lanes elements may be read of each pixel:
// whole vectors, of which the last elements belong to the next pixel and are not stored.
template <class T, class Visit>
void find_maximum(const Visit& visit, std::int64_t first, std::int64_t lanes, std::int64_t readable,
                  bool relu, const T* x, T* y, Winner* winner) {
  float best[kLanes];
  std::int32_t place[kLanes];
  std::fill_n(best, kLanes, relu ? 0.f : -std::numeric_limits<float>::infinity());
  std::fill_n(place, kLanes, relu ? std::int32_t{kNobody} : -1);
  visit([&](std::int32_t k, std::int64_t pixel) {
    const T* const in = x + pixel + first;
    for (std::int64_t c = 0; c < readable; ++c) {
      const float v = float(in[c]);
      // A NaN is better than a number, and nothing is better than a NaN.
      const bool better = !(v <= best[c] || best[c] != best[c]) || place[c] < 0;
      best[c] = better ? v : best[c];
      place[c] = better ? k : place[c];
    }
  });
  for (std::int64_t c = 0; c < lanes; ++c) {
    y[c] = T(best[c]);
    winner[c] = static_cast<Winner>(place[c]);
  }
}

}  // namespace

template <class T>
void max_pool_forward(const PoolPlan& p, const T* x, T* y, Winner* winners) {
  const std::int64_t size = p.n * p.h * p.w * p.c;
  parallel_for(p.n * p.out_h(), 4, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end; ++line)
      for_each_window(p, line, [&](std::int64_t at, const auto& visit) {
        for (std::int64_t first = 0; first < p.c; first += kLanes) {
          const std::int64_t lanes = std::min(kLanes, p.c - first);
          const std::int64_t whole = (lanes + 15) / 16 * 16;
          const std::int64_t readable = last_pixel(p, line) + first + whole <= size ? whole : lanes;
          find_maximum(visit, first, lanes, readable, p.relu, x, y + at + first,
                       winners + at + first);
        }
      });
  });
}

// Where the gradients of image `image` are added up: in place, or in float when bfloat16 would
// round each sum. The scratch keeps its capacity: no allocation per step.
static float* sums_of(float* dx, std::int64_t image, std::int64_t size) {
  return dx + image * size;
}
static float* sums_of(bfloat16*, std::int64_t, std::int64_t size) {
  thread_local std::vector<float> scratch;
  if (static_cast<std::int64_t>(scratch.size()) < size)
    scratch.resize(static_cast<std::size_t>(size));
  return scratch.data();
}

// out[c] (+)= what one window sends to its place k.
template <class T, class Out>
static void send(const Winner* winner, std::int32_t k, const T* dy, std::int64_t channels,
                 bool overlapping, Out* out) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const float taken = winner[c] == k ? float(dy[c]) : 0.f;
    out[c] = overlapping ? Out(float(out[c]) + taken) : Out(taken);
  }
}

template <class T>
void max_pool_backward(const PoolPlan& p, const Winner* winners, const T* dy, T* dx) {
  // One image is handled by one thread, so overlapping windows add their gradients in order.
  const bool overlapping = p.stride < p.size;
  const std::int64_t size = p.h * p.w * p.c;
  parallel_for(p.n, 1, [=](std::int64_t begin, std::int64_t end) {
    const auto send_all = [=](std::int64_t image, auto* to) {
      std::fill_n(to, size, std::decay_t<decltype(*to)>(0.f));
      for (std::int64_t line = image * p.out_h(); line < (image + 1) * p.out_h(); ++line)
        for_each_window(p, line, [&](std::int64_t at, const auto& visit) {
          visit([&](std::int32_t k, std::int64_t pixel) {
            send(winners + at, k, dy + at, p.c, overlapping, to + (pixel - image * size));
          });
        });
    };
    for (std::int64_t image = begin; image < end; ++image) {
      if (!overlapping) {
        send_all(image, dx + image * size);
        continue;
      }
      float* const sums = sums_of(dx, image, size);
      send_all(image, sums);
      if constexpr (!std::is_same_v<T, float>)
        for (std::int64_t i = 0; i < size; ++i) dx[image * size + i] = T(sums[i]);
    }
  });
}

#define BITWRIGHT_FOR_TYPE(T)                                             \
  template void max_pool_forward(const PoolPlan&, const T*, T*, Winner*); \
  template void max_pool_backward(const PoolPlan&, const Winner*, const T*, T*);
BITWRIGHT_FOR_TYPE(float)
BITWRIGHT_FOR_TYPE(bfloat16)
#undef BITWRIGHT_FOR_TYPE

}  // namespace bitwright::kernels
