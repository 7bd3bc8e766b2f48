#pragma once
// The idx format: big-endian magic number and sizes, then bytes. Every reader throws a data error
// (exit status 3) that names the file, what was found, what was expected and what to do.

#include <cstdint>
#include <vector>

#include <bitwright/data/byte_stream.h>

namespace bitwright::mnist {

/// Images of an idx3 file (magic 2051, 28 x 28): [count][28][28] bytes.
std::vector<std::uint8_t> read_images(ByteStream& bytes);

/// Labels of an idx1 file (magic 2049), each 0..9.
std::vector<std::int32_t> read_labels(ByteStream& bytes);

}  // namespace bitwright::mnist
