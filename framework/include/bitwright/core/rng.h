#pragma once
// Counter-based random numbers (Philox 4x32-10; Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011). A stream has no position: element i is a pure function of
// (seed, purpose, a, b, i), so the order of evaluation and the number of threads cannot matter.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace bitwright {

/// One Philox 4x32-10 block: 128 random bits for a 128-bit counter under a 64-bit key.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

/// A random stream addressed by what it is for.
///   Rng(seed, "shuffle", epoch).permutation(n)
///   Rng(seed, "init", hash_name(parameter)).normal(i)
class Rng {
 public:
  explicit Rng(std::uint64_t seed, std::string_view purpose, std::uint64_t a = 0,
               std::uint64_t b = 0);

  std::uint64_t bits(std::uint64_t i) const;  ///< 64 uniform bits
  /// 128 uniform bits; the first 64 are bits(i).
  std::array<std::uint32_t, 4> block(std::uint64_t i) const;
  double uniform(std::uint64_t i) const;  ///< [0, 1), 53 bits
  double uniform(std::uint64_t i, double low, double high) const;
  double normal(std::uint64_t i) const;                         ///< mean 0, sd 1 (Box-Muller)
  std::uint64_t below(std::uint64_t i, std::uint64_t n) const;  ///< [0, n), n > 0

  /// A uniformly random order of 0 .. n-1 (Fisher-Yates).
  std::vector<std::uint32_t> permutation(std::uint32_t n) const;

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint64_t stream_;
};

/// FNV-1a; names become stream coordinates with it.
std::uint64_t hash_name(std::string_view name);

}  // namespace bitwright
