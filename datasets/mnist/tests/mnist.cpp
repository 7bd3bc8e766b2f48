// The MNIST reader: layouts, every kind of damage, and the official files when they are at hand.
#include "datasets/mnist/mnist.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/registry.h>
#include <bitwright/core/sha256.h>

#include "data_fixture.h"

namespace bitwright {
void register_mnist(Registries& registries);
}
using namespace bitwright;
using namespace bitwright::testing;
using mnist::Mnist;
namespace fs = std::filesystem;

namespace {

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

// A small, whole data set: 4 training images and 2 test images.
void write_good(const fs::path& folder) {
  write_file(folder / "train-images-idx3-ubyte", images_file(4));
  write_file(folder / "train-labels-idx1-ubyte", labels_file({5, 0, 4, 1}));
  write_file(folder / "t10k-images-idx3-ubyte", images_file(2));
  write_file(folder / "t10k-labels-idx1-ubyte", labels_file({7, 2}));
}

// The message of train() after one file of the good set was replaced.
std::string message_with(const std::string& name, const std::string& bytes) {
  const RunDirectory folder;
  write_good(folder.path());
  if (name.ends_with(".gz")) fs::remove(fs::path(folder.path()) / name.substr(0, name.size() - 3));
  write_file(fs::path(folder.path()) / name, bytes);
  const std::string line =
      data_message([&] { Mnist(mnist::mnist(), root_at(folder.path())).train(); });
  check_contains(line, (fs::path(folder.path()) / name).string() + ": error: ");
  return line;
}

constexpr const char* images_name = "train-images-idx3-ubyte";
constexpr const char* labels_name = "train-labels-idx1-ubyte";

}  // namespace

TEST_CASE("mnist: raw files are read as they lie") {
  const RunDirectory folder;
  write_good(folder.path());
  Mnist data(mnist::mnist(), root_at(folder.path()));
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
  for (const char* where : {"", "mnist", "MNIST/raw", "MNIST", "Mnist/mnist/raw"})
    for (const bool dotted : {false, true})
      for (const bool packed : {false, true}) {
        const RunDirectory folder;
        write_good(fs::path(folder.path()) / "source");
        const fs::path target = fs::path(folder.path()) / where;
        for (const auto& entry : fs::directory_iterator(fs::path(folder.path()) / "source")) {
          std::string name = entry.path().filename().string();
          if (dotted) name[name.find("-idx")] = '.';
          std::ifstream in(entry.path(), std::ios::binary);
          const std::string bytes{std::istreambuf_iterator<char>(in), {}};
          write_file(target / (packed ? name + ".gz" : name), packed ? gzip(bytes) : bytes);
        }
        fs::remove_all(fs::path(folder.path()) / "source");
        Mnist data(mnist::mnist(), root_at(folder.path()));
        CHECK(data.train().labels == std::vector<std::int32_t>{5, 0, 4, 1});
        const ImageSet test = data.test();
        CHECK(test.count() == 2);
        CHECK(int{test.image(1)[0]} == 1);
        // The hashes do not depend on the packing.
        const std::string bytes = images_file(2);
        CHECK(data.hashes().at("t10k-images-idx3-ubyte") == sha256(bytes.data(), bytes.size()));
      }
}

TEST_CASE("mnist: no folder set, a folder that is not there, a file that is not there") {
  std::string line = data_message([] { Mnist(mnist::mnist(), DataRoot{}).train(); });
  check_contains(line, "data.root=DIR");
  check_contains(line, "BITWRIGHT_DATA=DIR");
  check_contains(line, "t10k-labels-idx1-ubyte");

  line = data_message([] { Mnist(mnist::mnist(), DataRoot{"/nonexistent/folder", {}}).train(); });
  check_contains(line, "/nonexistent/folder: error: the data folder does not exist");

  const RunDirectory folder;
  write_good(folder.path());
  fs::remove(fs::path(folder.path()) / labels_name);
  line = data_message([&] { Mnist(mnist::mnist(), root_at(folder.path())).train(); });
  check_contains(line, folder.path() + ": error: the MNIST file train-labels-idx1-ubyte");
  check_contains(line, "MNIST/raw/");
  check_contains(line, "scripts/fetch-data mnist");
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
  check_contains(message_with(labels_name, std::string("\1\x8\0\0\4\0\0\0", 8)), "byte-swapped");
  check_contains(message_with(labels_name, images_file(4)), "exchanged");
  check_contains(message_with(images_name, labels_file(std::vector<int>(16, 1))), "exchanged");
}

TEST_CASE("mnist: sizes that do not fit") {
  check_contains(message_with(images_name, images_file(4, 32, 28)), "32 x 28 pixels; 28 x 28");
  check_contains(message_with(images_name, images_file(0)), "0 images");
  const std::string images = images_file(4), labels = labels_file({5, 0, 4, 1});
  check_contains(
      message_with(images_name, images.substr(0, images.size() - 1)),
      "3151 bytes of unpacked data, 1 too few: the file ends in record 3 (counted from 0); 3152");
  check_contains(message_with(images_name, images + "ab"),
                 "padded behind record 3 (counted from 0)");
  check_contains(message_with(labels_name, labels.substr(0, 10)),
                 "2 too few: the file ends in record 2");
  check_contains(message_with(labels_name, labels + "a"), "padded behind record 3");
  check_contains(message_with(labels_name, labels_file({1, 2, 3})), "3 labels; 4, one for each");
  check_contains(
      message_with(images_name, big_endian(2051) + big_endian(1000000) + images.substr(8)),
      "783996864 too few: the file ends in record 4");
  // Counts that must neither be allocated nor overflow 32 bits: 784 (2^28 + 4) = 784 * 4 mod 2^32.
  for (const std::uint32_t count : {0xffffffffu, 0x10000004u})
    check_contains(
        message_with(images_name, big_endian(2051) + big_endian(count) + images.substr(8)),
        "a count of");
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
  const RunDirectory folder;
  write_good(folder.path());
  Settings settings;
  settings.set_component("mnist");
  settings.set("official", true, {});
  const auto data = registries.datasets.make(settings, root_at(folder.path()));
  CHECK(data->train().count() == 4);
  const Option* normalization = info->options.find("normalization");
  REQUIRE(normalization != nullptr);
  CHECK(data->normalizations().count(std::get<std::string>(normalization->fallback.value())) == 1);
}

TEST_CASE("mnist: Fashion-MNIST and KMNIST are found in their own folders") {
  const RunDirectory folder;
  write_good(folder.path());  // MNIST beside them
  write_good(folder / "FashionMNIST/raw");
  write_file(folder / "FashionMNIST/raw/t10k-labels-idx1-ubyte", labels_file({3, 4}));
  write_good(folder / "kmnist");
  write_file(folder / "kmnist/t10k-labels-idx1-ubyte", labels_file({5, 6}));
  const auto labels = [&](const mnist::Variant& variant) {
    return Mnist(variant, root_at(folder.path())).test().labels;
  };
  CHECK(labels(mnist::mnist()) == std::vector<std::int32_t>{7, 2});
  CHECK(labels(mnist::fashion_mnist()) == std::vector<std::int32_t>{3, 4});
  CHECK(labels(mnist::kmnist()) == std::vector<std::int32_t>{5, 6});
  CHECK(mnist::fashion_mnist().class_names[9] == "Ankle boot");
  CHECK(mnist::kmnist().class_names.size() == 10);
  CHECK(Mnist(mnist::kmnist(), root_at(folder.path())).normalizations().contains("kmnist"));
}

TEST_CASE("mnist: the official files") {
  const std::string root = real_data();
  if (root.empty()) return;
  Mnist data(mnist::mnist(), root_at(root));
  const ImageSet train = data.train(), test = data.test();
  CHECK(label_histogram(train) ==
        std::vector<int>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  CHECK(label_histogram(test) ==
        std::vector<int>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
  const auto [mean, sd] = channel_statistics(train, 0);
  CHECK(mean == doctest::Approx(0.13066).epsilon(1e-4));
  CHECK(sd == doctest::Approx(0.30811).epsilon(1e-4));
  const auto [test_mean, test_sd] = channel_statistics(test, 0);
  CHECK(test_mean == doctest::Approx(0.13251).epsilon(1e-4));
  CHECK(test_sd == doctest::Approx(0.31048).epsilon(1e-4));
  const std::vector<std::int32_t> first{5, 0, 4, 1, 9, 2, 1, 3, 1, 4};
  CHECK(std::equal(first.begin(), first.end(), train.labels.begin()));
}

TEST_CASE("mnist: official files under another set's name, and damaged ones, are refused") {
  const std::string root = real_data();
  if (root.empty()) return;
  check_contains(data_message([&] { Mnist(mnist::kmnist(), root_at(root + "/mnist")).train(); }),
                 "this is a file of MNIST; a file of KMNIST");

  const RunDirectory folder;
  for (const auto& entry : fs::directory_iterator(root + "/mnist"))
    fs::create_symlink(fs::canonical(entry.path()), folder / entry.path().filename().string());
  const std::string labels = folder / std::string(labels_name);
  std::vector<std::uint8_t> bytes = read_all(*open_unpacked(labels + ".gz"), std::size_t{1} << 20);
  bytes[1000] = static_cast<std::uint8_t>((bytes[1000] + 1) % 10);
  write_bytes(labels, {bytes.begin(), bytes.end()});
  check_contains(data_message([&] { Mnist(mnist::mnist(), root_at(folder.path())).train(); }),
                 "data.official=false");
  ReadOptions changed;
  changed.refuse_changed = false;
  CHECK(Mnist(mnist::mnist(), root_at(folder.path()), changed).train().count() == 60000);
}
