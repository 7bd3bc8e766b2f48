#pragma once
// The grid G of a quantizer, its levels, and the masks that DropBits puts on them (Lee, Yun, Hwang,
// Yang: Cluster-Promoting Quantization with Bit-Drop, ICCV 2021, arXiv:2109.02100).

#include <array>

namespace bitwright::bit_drop {

inline constexpr int kMostBits = 8;

/// Grid points are alpha G with integers G from first to last, so that 0 is one of them.
struct Grid {
  int bits = 2;           ///< b, 1 to kMostBits
  bool is_signed = true;  ///< weights {-2^(b-1) .. 2^(b-1) - 1}, else activations {0 .. 2^b - 1}

  int points() const { return 1 << bits; }
  int first() const { return is_signed ? -(points() / 2) : 0; }
  int last() const { return first() + points() - 1; }
};

/// The smallest k with -2^(k-1) <= code < 2^(k-1): the bits that a signed code needs.
constexpr int level_of(int code) {
  int k = 1;
  while (code < -(1 << (k - 1)) || code >= 1 << (k - 1)) ++k;
  return k;
}

/// m of each level of a signed grid: element k - 1 is the product of the gates z_2 .. z_k, so a
/// dropped bit drops all higher ones. Level 1, the points -1 and 0, is always alive.
struct Masks {
  std::array<double, kMostBits> m = {1, 1, 1, 1, 1, 1, 1, 1};

  double of_level(int k) const { return m[static_cast<std::size_t>(k - 1)]; }
  /// The bits of the part of the grid that is left: levels with m > 0.
  int alive(int bits) const {
    int k = 1;
    while (k < bits && of_level(k + 1) > 0) ++k;
    return k;
  }
  /// Every level of the grid is there or gone.
  bool binary(int bits) const {
    for (int k = 2; k <= bits; ++k)
      if (of_level(k) != 0 && of_level(k) != 1) return false;
    return true;
  }
};

}  // namespace bitwright::bit_drop
