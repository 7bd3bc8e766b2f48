#include "idx.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include <fmt/format.h>
#include <zlib.h>

#include <bitwright/core/error.h>
#include <bitwright/core/sha256.h>

namespace bitwright::mnist {

namespace {

constexpr std::uint32_t images_magic = 2051, labels_magic = 2049;
constexpr std::uint32_t side = 28;
constexpr std::size_t images_header = 16, labels_header = 8;
constexpr std::string_view fetch_again = "fetch the file again from the official source";

std::vector<std::uint8_t> read_bytes(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file)
    throw data_error(path, fmt::format("cannot be opened ({})", std::strerror(errno)),
                     "a readable file", "check its permissions");
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint8_t> block(1 << 16);
  while (const std::size_t got = std::fread(block.data(), 1, block.size(), file.get()))
    bytes.insert(bytes.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(got));
  if (std::ferror(file.get()))
    throw data_error(path, fmt::format("cannot be read ({})", std::strerror(errno)),
                     "a readable file", "check the disk");
  return bytes;
}

bool is_gzip(const std::vector<std::uint8_t>& bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

std::uint32_t big_endian(const std::vector<std::uint8_t>& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | bytes[at + i];
  return value;
}

void check_header(const File& file, std::size_t header, std::uint32_t magic,
                  std::string_view content) {
  const std::size_t size = file.contents.size();
  if (size == 0)
    throw data_error(file.path, "the file is empty", fmt::format("an idx file of {}", content),
                     fetch_again);
  if (size < header)
    throw data_error(file.path, fmt::format("the file ends after {} bytes", size),
                     fmt::format("an idx header of {} bytes", header), fetch_again);
  const std::uint32_t found = big_endian(file.contents, 0);
  if (found == magic) return;
  const bool swapped = found == (magic == images_magic ? labels_magic : images_magic);
  throw data_error(file.path, fmt::format("magic number {}", found),
                   fmt::format("{} (idx {})", magic, content),
                   swapped ? "the image and the label file are exchanged; rename them"
                           : std::string(fetch_again));
}

void check_length(const File& file, std::size_t header, std::uint64_t count, std::uint64_t size,
                  std::string_view content) {
  const std::uint64_t expected = header + count * size, found = file.contents.size();
  if (found == expected) return;
  throw data_error(file.path,
                   fmt::format("{} bytes of unpacked data, {} {}", found,
                               found < expected ? expected - found : found - expected,
                               found < expected ? "too few" : "too many"),
                   fmt::format("{} ({} + {} {} of {} byte{})", expected, header, count, content,
                               size, size == 1 ? "" : "s"),
                   fetch_again);
}

}  // namespace

std::vector<std::uint8_t> gunzip(const std::vector<std::uint8_t>& packed, const std::string& path) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) throw std::bad_alloc();  // 16: gzip wrapper
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, &inflateEnd);
  std::vector<std::uint8_t> unpacked, block(1 << 18);
  stream.next_in = const_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  for (;;) {
    stream.next_out = block.data();
    stream.avail_out = static_cast<uInt>(block.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    unpacked.insert(unpacked.end(), block.data(), stream.next_out);
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0) return unpacked;
      if (inflateReset(&stream) != Z_OK) throw std::bad_alloc();
    } else if (status == Z_BUF_ERROR) {
      throw data_error(path,
                       fmt::format("the gzip file is truncated after {} bytes", packed.size()),
                       "a complete gzip file", fetch_again);
    } else if (status != Z_OK) {
      throw data_error(
          path,
          fmt::format("the gzip file is damaged ({})", stream.msg ? stream.msg : zError(status)),
          "a gzip file whose check sum fits", fetch_again);
    }
  }
}

File read_file(const std::string& path) {
  std::vector<std::uint8_t> bytes = read_bytes(path);
  std::string hash = sha256(bytes.data(), bytes.size());
  if (is_gzip(bytes))
    bytes = gunzip(bytes, path);
  else if (path.ends_with(".gz") && !bytes.empty())
    throw data_error(path, "not a gzip file although its name ends in .gz",
                     "the gzip signature 1f 8b", "rename it if it is unpacked, or fetch it again");
  return {path, std::move(hash), std::move(bytes)};
}

std::vector<std::uint8_t> parse_images(File file) {
  check_header(file, images_header, images_magic, "images");
  const std::uint32_t count = big_endian(file.contents, 4);
  const std::uint32_t height = big_endian(file.contents, 8);
  const std::uint32_t width = big_endian(file.contents, 12);
  if (height != side || width != side)
    throw data_error(file.path, fmt::format("images of {} x {} pixels", height, width),
                     fmt::format("{} x {}", side, side), "use the MNIST files");
  check_length(file, images_header, count, side * side, "images");
  if (count == 0) throw data_error(file.path, "0 images", "at least one image", fetch_again);
  file.contents.erase(file.contents.begin(), file.contents.begin() + images_header);
  return std::move(file.contents);
}

std::vector<std::int32_t> parse_labels(const File& file) {
  check_header(file, labels_header, labels_magic, "labels");
  const std::uint32_t count = big_endian(file.contents, 4);
  check_length(file, labels_header, count, 1, "labels");
  std::vector<std::int32_t> labels(file.contents.begin() + labels_header, file.contents.end());
  const auto bad = std::find_if(labels.begin(), labels.end(), [](int label) { return label > 9; });
  if (bad != labels.end())
    throw data_error(
        file.path,
        fmt::format("label {} in record {} (counted from 0)", *bad, bad - labels.begin()),
        "labels 0 to 9", fetch_again);
  return labels;
}

}  // namespace bitwright::mnist
