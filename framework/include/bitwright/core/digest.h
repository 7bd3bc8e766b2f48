#pragma once
// Digests of bytes that arrive piece by piece: SHA-256 (FIPS 180-4) says which bytes a run has
// read; MD5 (RFC 1321) is what the makers of many data sets publish.

#include <cstddef>
#include <memory>
#include <string>

namespace bitwright {

class Digest {
 public:
  enum class Kind { sha256, md5 };

  explicit Digest(Kind kind);
  ~Digest();
  Digest(Digest&&) noexcept;

  void update(const void* data, std::size_t bytes);
  /// The digest of everything fed so far, 64 (SHA-256) or 32 (MD5) lower-case hexadecimal digits.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitwright
