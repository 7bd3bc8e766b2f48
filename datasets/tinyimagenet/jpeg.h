#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bitwright::tinyimagenet {

/// Decodes a JPEG of height x width pixels, grey ones included, to height * width * 3 bytes of red,
/// green and blue. Throws a data error that names `file` for anything else, and for damage that
/// libjpeg-turbo would only warn of. Thread-safe.
void decode_jpeg(const std::string& file, const std::uint8_t* bytes, std::size_t count,
                 std::int64_t height, std::int64_t width, std::uint8_t* to);

}  // namespace bitwright::tinyimagenet
