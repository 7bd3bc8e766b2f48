// The MNIST reader: layouts, every kind of damage, and the official files when they are at hand.
#include "datasets/mnist/mnist.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

#include <bitwright/core/registry.h>
#include <bitwright/core/sha256.h>

namespace bitwright {
void register_mnist(Registries& registries);
}
using namespace bitwright;
using mnist::Mnist;
namespace fs = std::filesystem;

namespace {

// A folder that is removed at the end of the test.
struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "bitwright-mnist-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  DataRoot root() const { return {path.string(), Place{"command line"}}; }
};

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

std::string labels_file(const std::vector<int>& labels) {
  std::string bytes = big_endian(2049) + big_endian(static_cast<std::uint32_t>(labels.size()));
  for (const int label : labels) bytes += static_cast<char>(label);
  return bytes;
}

// Pixel p of image i is (i + p) mod 256.
std::string images_file(std::uint32_t count, std::uint32_t height = 28, std::uint32_t width = 28) {
  std::string bytes = big_endian(2051) + big_endian(count) + big_endian(height) + big_endian(width);
  for (std::uint32_t i = 0; i < count; ++i)
    for (std::uint32_t p = 0; p < height * width; ++p) bytes += static_cast<char>(i + p);
  return bytes;
}

std::string gzip(const std::string& bytes) {
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

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// A small, whole data set: 4 training images and 2 test images.
void write_good(const fs::path& folder) {
  write(folder / "train-images-idx3-ubyte", images_file(4));
  write(folder / "train-labels-idx1-ubyte", labels_file({5, 0, 4, 1}));
  write(folder / "t10k-images-idx3-ubyte", images_file(2));
  write(folder / "t10k-labels-idx1-ubyte", labels_file({7, 2}));
}

// The one line of the data error that `action` must throw.
std::string data_message(const std::function<void()>& action) {
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

void check_contains(const std::string& text, const std::string& part) {
  CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

// The message of train() after one file of the good set was replaced.
std::string message_with(const std::string& name, const std::string& bytes) {
  const Folder folder;
  write_good(folder.path);
  if (name.ends_with(".gz")) fs::remove(folder.path / name.substr(0, name.size() - 3));
  write(folder.path / name, bytes);
  const std::string line = data_message([&] { Mnist(folder.root()).train(); });
  check_contains(line, (folder.path / name).string() + ": error: ");
  return line;
}

constexpr const char* images_name = "train-images-idx3-ubyte";
constexpr const char* labels_name = "train-labels-idx1-ubyte";

}  // namespace

TEST_CASE("mnist: raw files are read as they lie") {
  const Folder folder;
  write_good(folder.path);
  Mnist data(folder.root());
  CHECK(data.input().channels == 1);
  CHECK(data.input().height == 28);
  CHECK(data.input().classes == 10);
  const ImageSet train = data.train(), test = data.test();
  CHECK(train.count() == 4);
  CHECK(train.image_size() == 784);
  CHECK(train.pixels.size() == 4 * 784);
  CHECK(train.labels == std::vector<std::int32_t>{5, 0, 4, 1});
  CHECK(int{train.image(3)[300]} == (3 + 300) % 256);
  CHECK(test.labels == std::vector<std::int32_t>{7, 2});
  const std::string bytes = images_file(4);
  CHECK(data.hashes().size() == 4);
  CHECK(data.hashes().at(images_name) == sha256(bytes.data(), bytes.size()));
  CHECK(data.normalizations().at("mnist").mean == std::vector<double>{0.1307});
  CHECK(data.normalizations().at("mnist").standard_deviation == std::vector<double>{0.3081});
}

TEST_CASE("mnist: every layout and spelling gives the same images") {
  for (const char* where : {"", "mnist", "MNIST/raw", "MNIST"})
    for (const bool dotted : {false, true})
      for (const bool packed : {false, true}) {
        const Folder folder;
        write_good(folder.path / "source");
        const fs::path target = folder.path / where;
        for (const auto& entry : fs::directory_iterator(folder.path / "source")) {
          std::string name = entry.path().filename().string();
          if (dotted) name[name.find("-idx")] = '.';
          std::ifstream in(entry.path(), std::ios::binary);
          const std::string bytes{std::istreambuf_iterator<char>(in), {}};
          write(target / (packed ? name + ".gz" : name), packed ? gzip(bytes) : bytes);
        }
        fs::remove_all(folder.path / "source");
        Mnist data(folder.root());
        CHECK(data.train().labels == std::vector<std::int32_t>{5, 0, 4, 1});
        const ImageSet test = data.test();
        CHECK(test.count() == 2);
        CHECK(int{test.image(1)[0]} == 1);
        CHECK(data.hashes().count(std::string(dotted ? "t10k-images.idx3" : "t10k-images-idx3") +
                                  "-ubyte" + (packed ? ".gz" : "")) == 1);
      }
}

TEST_CASE("mnist: no folder set, a folder that is not there, a file that is not there") {
  std::string line = data_message([] { Mnist(DataRoot{}).train(); });
  check_contains(line, "data.root=DIR");
  check_contains(line, "BITWRIGHT_DATA=DIR");
  check_contains(line, "t10k-labels-idx1-ubyte");

  line = data_message([] { Mnist(DataRoot{"/nonexistent/folder", {}}).train(); });
  check_contains(line, "/nonexistent/folder: error: the data folder does not exist");

  const Folder folder;
  write_good(folder.path);
  fs::remove(folder.path / labels_name);
  line = data_message([&] { Mnist(folder.root()).train(); });
  check_contains(line, folder.path.string() + ": error: the MNIST file train-labels-idx1-ubyte");
  check_contains(line, "MNIST/raw/");
  CHECK(Mnist(folder.root()).test().count() == 2);
}

TEST_CASE("mnist: empty files and headers that end early") {
  for (const char* name : {images_name, labels_name}) {
    check_contains(message_with(name, ""), "the file is empty");
    check_contains(message_with(name, big_endian(2051)), "ends after 4 bytes");
    check_contains(message_with(std::string(name) + ".gz", ""), "the file is empty");
  }
}

TEST_CASE("mnist: wrong magic numbers") {
  check_contains(message_with(images_name, big_endian(2052) + images_file(4).substr(4)),
                 "magic number 2052; 2051 (idx images)");
  check_contains(message_with(labels_name, big_endian(1) + labels_file({1}).substr(4)),
                 "magic number 1; 2049 (idx labels)");
  check_contains(message_with(labels_name, images_file(4)), "exchanged");
  check_contains(message_with(images_name, labels_file(std::vector<int>(16, 1))), "exchanged");
}

TEST_CASE("mnist: sizes that do not fit") {
  check_contains(message_with(images_name, images_file(4, 32, 28)), "32 x 28 pixels; 28 x 28");
  check_contains(message_with(images_name, images_file(0)), "0 images");
  const std::string images = images_file(4), labels = labels_file({5, 0, 4, 1});
  check_contains(message_with(images_name, images.substr(0, images.size() - 1)),
                 "3151 bytes of unpacked data, 1 too few; 3152");
  check_contains(message_with(images_name, images + "ab"), "2 too many");
  check_contains(message_with(labels_name, labels.substr(0, 10)), "2 too few");
  check_contains(message_with(labels_name, labels + "a"), "1 too many");
  check_contains(message_with(labels_name, labels_file({1, 2, 3})), "3 labels; 4, one for each");
  // Counts that must neither be allocated nor overflow 32 bits: 784 (2^28 + 4) = 784 * 4 mod 2^32.
  for (const std::uint32_t count : {0xffffffffu, 0x10000004u})
    check_contains(
        message_with(images_name, big_endian(2051) + big_endian(count) + images.substr(8)),
        "too few");
}

TEST_CASE("mnist: a label above 9 is named with its record") {
  const std::string line = message_with(labels_name, labels_file({5, 0, 10, 200}));
  check_contains(line, "label 10 in record 2");
  check_contains(message_with(labels_name, labels_file({5, 0, 4, 255})), "label 255 in record 3");
}

TEST_CASE("mnist: gzip files that are cut off, damaged, or none") {
  const std::string packed = gzip(images_file(4)), name = std::string(images_name) + ".gz";
  for (const std::size_t kept :
       {packed.size() - 1, packed.size() - 8, packed.size() / 2, std::size_t{12}, std::size_t{2}})
    check_contains(message_with(name, packed.substr(0, kept)), "truncated");

  std::string wrong_sum = packed, wrong_length = packed;
  wrong_sum[packed.size() - 8] ^= 1;     // CRC-32
  wrong_length[packed.size() - 4] ^= 1;  // length
  check_contains(message_with(name, wrong_sum), "damaged (incorrect data check)");
  check_contains(message_with(name, wrong_length), "damaged (incorrect length check)");
  check_contains(message_with(name, packed + "rubbish"), "damaged");
  check_contains(message_with(name, images_file(4)), "not a gzip file");
}

TEST_CASE("mnist: made through its registry") {
  Registries registries;
  register_mnist(registries);
  const ComponentInfo* info = registries.datasets.find("mnist");
  REQUIRE(info != nullptr);
  const Folder folder;
  write_good(folder.path);
  Settings settings;
  settings.set_component("mnist");
  const auto data = registries.datasets.make(settings, folder.root());
  CHECK(data->train().count() == 4);
  const Option* normalization = info->options.find("normalization");
  REQUIRE(normalization != nullptr);
  CHECK(data->normalizations().count(std::get<std::string>(normalization->fallback.value())) == 1);
}

TEST_CASE("mnist: the official files") {
  const char* root = std::getenv("BITWRIGHT_DATA");
  if (!root || !*root) {
    MESSAGE("skipped: set BITWRIGHT_DATA to a folder with MNIST");
    return;
  }
  Mnist data(DataRoot{root, {}});
  const auto per_digit = [](const ImageSet& set) {
    std::vector<int> counts(10, 0);
    for (const int label : set.labels) ++counts[static_cast<std::size_t>(label)];
    return counts;
  };
  const ImageSet train = data.train(), test = data.test();
  if (train.count() != 60000 || test.count() != 10000) {
    MESSAGE("skipped: not the full set");
    return;
  }
  CHECK(per_digit(train) ==
        std::vector<int>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  CHECK(per_digit(test) == std::vector<int>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
  double sum = 0;
  for (const std::uint8_t pixel : train.pixels) sum += pixel;
  CHECK(sum / 255 / static_cast<double>(train.pixels.size()) ==
        doctest::Approx(0.13066).epsilon(1e-4));
  const std::vector<std::int32_t> first{5, 0, 4, 1, 9, 2, 1, 3, 1, 4};
  CHECK(std::equal(first.begin(), first.end(), train.labels.begin()));
  const auto hashes = data.hashes();
  if (const auto at = hashes.find("t10k-labels-idx1-ubyte.gz"); at != hashes.end())
    CHECK(at->second == "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6");
}
