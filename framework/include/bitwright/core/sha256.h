#pragma once
// SHA-256 (FIPS 180-4), for provenance: which bytes a run has read.

#include <cstddef>
#include <memory>
#include <string>

namespace bitwright {

/// A hash that is fed piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(const void* data, std::size_t bytes);
  /// The digest of everything fed so far, 64 lower-case hexadecimal digits.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Digest of one block of memory.
std::string sha256(const void* data, std::size_t bytes);

/// Digest of a file as it lies. Throws a data error when it cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace bitwright
