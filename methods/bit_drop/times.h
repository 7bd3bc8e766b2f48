#pragma once
// The random times of a tile's elements, for relaxed samples.

#include <cstdint>

#include "relaxed.h"
#include "tiles.h"

namespace bitwright::bit_drop {

template <int N>
struct Times {
  float t[N][kTile];  ///< point by point

  Times(const Rng& noise, std::int64_t first, int n) {
    std::uint32_t words[N][kTile];
    for (int j = 0; j < n; ++j) {
      const auto drawn = draws<N>(noise, first + j);
      for (int k = 0; k < N; ++k) words[k][j] = drawn[static_cast<std::size_t>(k)];
    }
    for (int k = 0; k < N; ++k)
      for (int j = 0; j < n; ++j) t[k][j] = time_of(words[k][j]);
  }
};

}  // namespace bitwright::bit_drop
