// bitwright data check: what it finds, what it says of damage, its exit status.
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.h"
#include "data_fixture.h"

using namespace bitwright::testing;

namespace {

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

// An MNIST-like set of `train` and one test image, all of class 1 but the first, of class 0.
void write_idx(const std::string& folder, std::uint32_t train) {
  for (const auto& [part, count] : {std::pair("train", train), std::pair("t10k", 1u)}) {
    write_file(folder + "/" + part + "-images-idx3-ubyte", big_endian(2051) + big_endian(count) +
                                                               big_endian(28) + big_endian(28) +
                                                               std::string(count * 784, 'x'));
    write_file(
        folder + "/" + part + "-labels-idx1-ubyte",
        big_endian(2049) + big_endian(count) + std::string(1, '\0') + std::string(count - 1, '\1'));
  }
}

void write_cifar100(const std::string& folder) {
  const std::string record = std::string("\x0b\x13", 2) + std::string(3072, 'x');
  write_file(folder + "/cifar-100-binary/train.bin", record + record);
  write_file(folder + "/cifar-100-binary/test.bin", record);
}

Outcome check(const RunDirectory& dir, const std::string& words) {
  return bitwright_program(dir, "data check " + words, "XDG_CACHE_HOME=" + dir.path() + "/cache");
}

}  // namespace

TEST_CASE("data check: every set in a folder, with counts and hashes") {
  const RunDirectory dir;
  write_idx(dir / "data/MNIST/raw", 4);
  write_idx(dir / "data/FashionMNIST/raw", 3);
  write_cifar100(dir / "data");
  const Outcome o = check(dir, "data");
  CAPTURE(o.err);
  CHECK(o.status == 0);
  CHECK(o.err == "");
  check_contains(o.out,
                 "mnist (subset): 4 of 60000 training and 1 of 10000 test images, 2 of 10 classes "
                 "with 1 to 3 training images each\n  data/MNIST/raw\n");
  check_contains(o.out, "fashion_mnist (subset): 3 of 60000");
  check_contains(o.out, "cifar100 (subset): 2 of 50000");
  check_contains(o.out, "  train.bin\n");
  check_contains(o.out, "3 found, 0 damaged or incomplete\n");

  const Outcome json = check(dir, "data --json");
  const auto all = nlohmann::json::parse(json.out);
  REQUIRE(all.size() == 3);
  CHECK(all[0]["set"] == "cifar100");
  CHECK(all[0]["subset"] == true);
  CHECK(all[0]["sha256"]["test.bin"].get<std::string>().size() == 64);
}

TEST_CASE("data check: damage is told in one line each, exit status 3") {
  const RunDirectory dir;
  write_idx(dir / "data/mnist", 4);
  write_cifar100(dir / "data");
  write_file(dir / "data/mnist/train-labels-idx1-ubyte", "");
  Outcome o = check(dir, "data");
  CHECK(o.status == 3);
  CHECK(o.err ==
        "data/mnist/train-labels-idx1-ubyte: error: the file is empty; an idx file of "
        "labels; fetch the file again from the official source\n");
  check_contains(o.out, "cifar100 (subset)");
  check_contains(o.out, "2 found, 1 damaged or incomplete\n");
  CHECK(nlohmann::json::parse(check(dir, "data --json").out)[1]["whole"] == false);

  // Three sets claim the file names; one of them speaks.
  std::filesystem::remove(dir / "data/mnist/train-labels-idx1-ubyte");
  o = check(dir, "data/mnist");
  CHECK(o.status == 3);
  CHECK(std::count(o.err.begin(), o.err.end(), '\n') == 1);
  check_contains(o.err, "data/mnist: error: the MNIST file train-labels-idx1-ubyte is missing");
}

TEST_CASE("data check: nothing there") {
  const RunDirectory dir;
  CHECK(check(dir, "no-such-folder").status == 3);
  check_contains(check(dir, "no-such-folder").err, "no-such-folder: error: does not exist");
  write_file(dir / "empty/README", "");
  const Outcome o = check(dir, "empty");
  CHECK(o.status == 3);
  check_contains(o.err, "empty: error: there is no data set that bitwright knows; one of cifar10");
  CHECK(check(dir, "").status == 2);
  CHECK(bitwright_program(dir, "data").status == 2);
  CHECK(bitwright_program(dir, "data chek x").status == 2);
}

TEST_CASE("data check: the real files") {
  const std::string root = real_data();
  if (root.empty()) return;
  const RunDirectory dir;
  const Outcome o = check(dir, root);
  CAPTURE(o.err);
  CHECK(o.status == 0);
  check_contains(o.out, "mnist: 60000 training and 10000 test images, 10 classes with 5421 to ");
  check_contains(o.out, "cifar10: 50000 training and 10000 test images, 10 classes with 5000 ");
  check_contains(o.out, "cifar100 (subset): 33500 of 50000 training and 4000 of 10000 test ");
  check_contains(o.out, "tinyimagenet (subset): 15000 of 100000 training and 1500 of 10000 test ");
}
