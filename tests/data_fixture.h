#pragma once
// What tests of data readers share: files that they write themselves, and the messages expected.

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <zlib.h>

#include <bitwright/core/error.h>
#include <bitwright/data/byte_stream.h>
#include <bitwright/data/dataset.h>

#include "run_directory.h"

namespace bitwright::testing {

inline DataRoot root_at(const std::string& path) { return {path, Place{"command line"}}; }

/// Writes a file, with the folders that it lies in.
inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  write_bytes(path.string(), bytes);
}

inline std::string gzip(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// The one line of the data error that `action` must throw.
inline std::string data_message(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.status() == ExitStatus::data);
    const std::string line = error.what();
    CHECK(line.find('\n') == std::string::npos);
    return line;
  }
  FAIL("no error was thrown");
  return {};
}

inline void check_contains(const std::string& text, const std::string& part) {
  CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

/// BITWRIGHT_DATA, or "" after saying that a test is skipped without it.
inline std::string real_data() {
  const char* root = std::getenv("BITWRIGHT_DATA");
  if (root != nullptr && *root != '\0') return root;
  MESSAGE("skipped: BITWRIGHT_DATA names no folder with data sets");
  return "";
}

/// Mean and sd of pixel / 255 of one channel, computed plainly.
inline std::pair<double, double> channel_statistics(const ImageSet& set, std::int64_t channel) {
  double sum = 0, squares = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < set.count(); ++i)
    for (std::int64_t p = channel; p < set.image_size(); p += set.channels, ++count) {
      const double value = set.image(i)[p] / 255.0;
      sum += value;
      squares += value * value;
    }
  const double mean = sum / static_cast<double>(count);
  return {mean, std::sqrt(squares / static_cast<double>(count) - mean * mean)};
}

inline std::vector<int> label_histogram(const ImageSet& set) {
  std::vector<int> counts(static_cast<std::size_t>(set.classes), 0);
  for (const int label : set.labels) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

}  // namespace bitwright::testing
