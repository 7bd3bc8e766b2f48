#include <array>
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <openssl/evp.h>

#include <bitwright/core/error.h>
#include <bitwright/core/sha256.h>

namespace bitwright {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  require(state_->context && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1,
          "SHA-256 is not available in libcrypto");
}

Sha256::~Sha256() = default;

void Sha256::update(const void* data, std::size_t bytes) {
  require(EVP_DigestUpdate(state_->context, data, bytes) == 1, "SHA-256 update failed");
}

std::string Sha256::hex() const {
  State copy;  // finishing ends a context, and more may be fed later
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  require(EVP_MD_CTX_copy_ex(copy.context, state_->context) == 1 &&
              EVP_DigestFinal_ex(copy.context, digest.data(), &size) == 1,
          "SHA-256 digest failed");
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

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
