#include "idx.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <bitwright/core/error.h>

namespace bitwright::mnist {

namespace {

constexpr std::uint32_t images_magic = 2051, labels_magic = 2049;
constexpr std::uint32_t side = 28;
// Keeps a forged header from filling the memory; the largest set in this format, EMNIST, has
// 814,255.
constexpr std::uint32_t most_records = 1'000'000;
constexpr std::string_view fetch_again = "fetch the file again from the official source";

struct Content {
  std::uint32_t magic;
  std::string_view name;   // of what the file holds, "images"
  std::uint64_t record;    // bytes of one
  std::size_t dimensions;  // in the header, the count included
  std::size_t header() const { return 4 + 4 * dimensions; }
};
constexpr Content images{images_magic, "images", side* side, 3};
constexpr Content labels{labels_magic, "labels", 1, 1};

std::uint32_t byte_swapped(std::uint32_t value) {
  return value << 24 | (value & 0xff00) << 8 | (value >> 8 & 0xff00) | value >> 24;
}

void check_magic(std::uint32_t found, const Content& content, const std::string& file) {
  if (found == content.magic) return;
  std::string remedy(fetch_again);
  if (found == (content.magic == images_magic ? labels_magic : images_magic))
    remedy = "the image and the label file are exchanged; rename them";
  if (byte_swapped(found) == content.magic)
    remedy = "the numbers of the header are byte-swapped (little-endian); " + remedy;
  throw data_error(file, fmt::format("magic number {}", found),
                   fmt::format("{} (idx {})", content.magic, content.name), remedy);
}

// The sizes behind the magic number.
std::vector<std::uint32_t> read_header(ByteStream& bytes, const Content& content) {
  std::array<std::uint8_t, 16> header{};
  const std::size_t got = bytes.read(header.data(), content.header());
  if (got == 0)
    throw data_error(bytes.name(), "the file is empty",
                     fmt::format("an idx file of {}", content.name), fetch_again);
  if (got < content.header())
    throw data_error(bytes.name(), fmt::format("the file ends after {} bytes", got),
                     fmt::format("an idx header of {} bytes", content.header()), fetch_again);
  std::vector<std::uint32_t> numbers;
  for (std::size_t at = 0; at < content.header(); at += 4)
    numbers.push_back(std::uint32_t{header[at]} << 24 | std::uint32_t{header[at + 1]} << 16 |
                      std::uint32_t{header[at + 2]} << 8 | header[at + 3]);
  check_magic(numbers[0], content, bytes.name());
  numbers.erase(numbers.begin());
  if (numbers[0] == 0)
    throw data_error(bytes.name(), fmt::format("0 {}", content.name), "at least one", fetch_again);
  if (numbers[0] > most_records)
    throw data_error(bytes.name(), fmt::format("a count of {} {}", numbers[0], content.name),
                     fmt::format("at most {}", most_records), fetch_again);
  return numbers;
}

[[noreturn]] void refuse_length(const std::string& file, std::uint64_t found, std::uint64_t count,
                                const Content& content) {
  const std::uint64_t expected = count * content.record;
  const std::string what =
      found < expected
          ? fmt::format(
                "{} bytes of unpacked data, {} too few: the file ends in record {} "
                "(counted from 0)",
                content.header() + found, expected - found, found / content.record)
          : fmt::format(
                "more than {} bytes of unpacked data: padded behind record {} (counted "
                "from 0)",
                content.header() + expected, count - 1);
  throw data_error(
      file, what,
      fmt::format("{} ({} + {} {} of {} byte{})", content.header() + expected, content.header(),
                  count, content.name, content.record, content.record == 1 ? "" : "s"),
      fetch_again);
}

// Grows with what is really there, whatever the header promises.
std::vector<std::uint8_t> read_records(ByteStream& bytes, std::uint64_t count,
                                       const Content& content) {
  constexpr std::size_t block = 1 << 20;
  const std::size_t size = count * content.record;
  std::vector<std::uint8_t> records;
  for (std::size_t got = 0; got < size;) {
    const std::size_t wanted = std::min(block, size - got);
    records.resize(got + wanted);
    const std::size_t now = bytes.read(records.data() + got, wanted);
    got += now;
    if (now < wanted) refuse_length(bytes.name(), got, count, content);
  }
  std::uint8_t more = 0;
  if (bytes.read(&more, 1) == 1) refuse_length(bytes.name(), size + 1, count, content);
  return records;
}

}  // namespace

std::vector<std::uint8_t> read_images(ByteStream& bytes) {
  const auto sizes = read_header(bytes, images);
  if (sizes[1] != side || sizes[2] != side)
    throw data_error(bytes.name(), fmt::format("images of {} x {} pixels", sizes[1], sizes[2]),
                     fmt::format("{} x {}", side, side), "use the MNIST files");
  return read_records(bytes, sizes[0], images);
}

std::vector<std::int32_t> read_labels(ByteStream& bytes) {
  const auto sizes = read_header(bytes, labels);
  const std::vector<std::uint8_t> records = read_records(bytes, sizes[0], labels);
  const auto bad =
      std::find_if(records.begin(), records.end(), [](std::uint8_t label) { return label > 9; });
  if (bad != records.end())
    throw data_error(
        bytes.name(),
        fmt::format("label {} in record {} (counted from 0)", *bad, bad - records.begin()),
        "labels 0 to 9", fetch_again);
  return {records.begin(), records.end()};
}

}  // namespace bitwright::mnist
