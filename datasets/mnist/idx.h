#pragma once
// The idx format: big-endian magic number and sizes, then bytes. Files are read raw or gzipped, as
// they lie. Every reader throws a data error (exit status 3) that names the file, what was found,
// what was expected and what to do.

#include <cstdint>
#include <string>
#include <vector>

namespace bitwright::mnist {

/// A file as it lies and what it unpacks to.
struct File {
  std::string path;
  std::string sha256;                  ///< of the bytes as they lie
  std::vector<std::uint8_t> contents;  ///< unpacked when gzipped
};

/// Reads a whole file; one that begins with the gzip signature is unpacked, with its CRC-32 and
/// length checked.
File read_file(const std::string& path);

/// Unpacks gzip members one after the other; `path` is for messages.
std::vector<std::uint8_t> gunzip(const std::vector<std::uint8_t>& packed, const std::string& path);

/// Images of an idx3 file (magic 2051, 28 x 28): [count][28][28] bytes, taken out of the file.
std::vector<std::uint8_t> parse_images(File file);

/// Labels of an idx1 file (magic 2049), each 0..9.
std::vector<std::int32_t> parse_labels(const File& file);

}  // namespace bitwright::mnist
