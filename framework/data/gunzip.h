#pragma once

#include <bitwright/data/byte_stream.h>

namespace bitwright {

/// What gzip members, one after the other, unpack to; CRC-32 and length are checked.
std::unique_ptr<ByteStream> gunzip(std::unique_ptr<ByteStream> packed);

}  // namespace bitwright
