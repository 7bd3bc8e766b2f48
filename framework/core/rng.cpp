#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include <bitwright/core/rng.h>

namespace bitwright {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c,
                                    std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

std::uint64_t hash_name(std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (unsigned char c : name) h = (h ^ c) * 0x100000001b3u;
  return h;
}

// Mixes two words into one (SplitMix64 finaliser), so that every coordinate reaches every bit.
static std::uint64_t mix(std::uint64_t x, std::uint64_t y) {
  std::uint64_t z = x + 0x9E3779B97F4A7C15u * (y + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

Rng::Rng(std::uint64_t seed, std::string_view purpose, std::uint64_t a, std::uint64_t b) {
  const std::uint64_t key = mix(seed, hash_name(purpose));
  key_ = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
  stream_ = mix(mix(key, a), b);
}

std::array<std::uint32_t, 4> Rng::block(std::uint64_t i) const {
  return philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32),
                 static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                key_);
}

std::uint64_t Rng::bits(std::uint64_t i) const {
  const auto r = block(i);
  return (std::uint64_t{r[1]} << 32) | r[0];
}

double Rng::uniform(std::uint64_t i) const { return static_cast<double>(bits(i) >> 11) * 0x1p-53; }

double Rng::uniform(std::uint64_t i, double low, double high) const {
  return low + (high - low) * uniform(i);
}

double Rng::normal(std::uint64_t i) const {
  const auto r = block(i);
  const std::uint64_t first = (std::uint64_t{r[1]} << 32) | r[0];
  const std::uint64_t second = (std::uint64_t{r[3]} << 32) | r[2];
  const double u = (static_cast<double>(first >> 11) + 1.0) * 0x1p-53;  // (0, 1]: log is finite
  const double v = static_cast<double>(second >> 11) * 0x1p-53;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

std::uint64_t Rng::below(std::uint64_t i, std::uint64_t n) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((Wide{bits(i)} * n) >> 64);
}

std::vector<std::uint32_t> Rng::permutation(std::uint32_t n) const {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  for (std::uint32_t i = n; i > 1; --i) std::swap(order[i - 1], order[below(i, i)]);
  return order;
}

}  // namespace bitwright
