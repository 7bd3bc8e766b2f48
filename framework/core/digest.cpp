#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>

#include <bitwright/core/digest.h>
#include <bitwright/core/error.h>

namespace bitwright {

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest(Kind kind) : state_(std::make_unique<State>()) {
  const EVP_MD* const type = kind == Kind::sha256 ? EVP_sha256() : EVP_md5();
  require(state_->context && EVP_DigestInit_ex(state_->context, type, nullptr) == 1,
          "libcrypto does not have the digest");
}

Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;

void Digest::update(const void* data, std::size_t bytes) {
  require(EVP_DigestUpdate(state_->context, data, bytes) == 1, "digest update failed");
}

std::string Digest::hex() const {
  State copy;  // finishing ends a context, and more may be fed later
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  require(EVP_MD_CTX_copy_ex(copy.context, state_->context) == 1 &&
              EVP_DigestFinal_ex(copy.context, digest.data(), &size) == 1,
          "digest failed");
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace bitwright
