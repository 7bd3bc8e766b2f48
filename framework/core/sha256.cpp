#include <array>
#include <cstdio>
#include <memory>

#include <bitwright/core/error.h>
#include <bitwright/core/sha256.h>

namespace bitwright {

std::string sha256(const void* data, std::size_t bytes) {
  Sha256 hash;
  hash.update(data, bytes);
  return hash.hex();
}

std::string sha256_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) throw data_error(path, "cannot be opened", "a readable file");
  Sha256 hash;
  std::array<unsigned char, 1 << 16> block;
  while (const std::size_t got = std::fread(block.data(), 1, block.size(), file.get()))
    hash.update(block.data(), got);
  if (std::ferror(file.get())) throw data_error(path, "cannot be read", "a readable file");
  return hash.hex();
}

}  // namespace bitwright
