#pragma once
// SHA-256 at one go.

#include <cstddef>
#include <string>

#include <bitwright/core/digest.h>

namespace bitwright {

/// A SHA-256 that is fed piece by piece.
struct Sha256 : Digest {
  Sha256() : Digest(Kind::sha256) {}
};

/// Digest of one block of memory.
std::string sha256(const void* data, std::size_t bytes);

/// Digest of a file as it lies. Throws a data error when it cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace bitwright
