// The cache of decoded images: what is made once, what is made again, and what nobody ever sees.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/sha256.h>
#include <bitwright/data/image_cache.h>

#include "data/image_file.h"
#include "run_directory.h"

using namespace bitwright;
using namespace bitwright::testing;
namespace fs = std::filesystem;

// Pixel p of image i is 7 i + p; labels count 0, 1, 2, 0 ...
static ImagePlan plan_of(std::int64_t count, std::atomic<int>* made = nullptr) {
  ImagePlan plan{5, 6, 3, 3, {}, {}};
  for (std::int64_t i = 0; i < count; ++i) plan.labels.push_back(static_cast<std::int32_t>(i % 3));
  plan.make = [made](std::int64_t i, std::uint8_t* to) {
    if (made) ++*made;
    for (int p = 0; p < 90; ++p) to[p] = static_cast<std::uint8_t>(7 * i + p);
  };
  return plan;
}

static void check_images(const ImageSet& images, std::int64_t count) {
  REQUIRE(images.count() == count);
  CHECK(images.image_size() == 90);
  CHECK(images.classes == 3);
  for (std::int64_t i = 0; i < count; ++i) {
    CHECK(images.labels[static_cast<std::size_t>(i)] == i % 3);
    for (int p = 0; p < 90; ++p)
      REQUIRE(images.image(i)[p] == static_cast<std::uint8_t>(7 * i + p));
  }
}

static std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST_CASE("made once, then mapped; made again when the source is another one") {
  const RunDirectory dir;
  const std::string file = dir.path() + "/new/folder/a.images";
  std::atomic<int> made{0};
  const auto plan = [&] { return plan_of(100, &made); };
  const CachedImages first = cached_images(file, "source 1", plan);
  CHECK(first.made);
  CHECK(made == 100);
  check_images(first.images, 100);
  const CachedImages second = cached_images(file, "source 1", plan);
  CHECK_FALSE(second.made);
  CHECK(made == 100);
  CHECK(second.sha256 == first.sha256);
  std::vector<std::uint8_t> content(9000);
  for (std::size_t i = 0; i < 9000; ++i)
    content[i] = static_cast<std::uint8_t>(7 * (i / 90) + i % 90);
  for (std::size_t i = 0; i < 100; ++i) {
    const std::uint8_t label[4] = {static_cast<std::uint8_t>(i % 3), 0, 0, 0};
    content.insert(content.end(), label, label + 4);
  }
  CHECK(first.sha256 == sha256(content.data(), content.size()));
  const CachedImages third = cached_images(file, "source 2", [&] { return plan_of(40, &made); });
  CHECK(third.made);
  check_images(third.images, 40);
  check_images(second.images, 100);  // the old file is still there for those who have it
  CHECK(cached_images(
            file, "source 2", [&] { return plan_of(40, &made); }, true)
            .made);
  CHECK(names_in(dir.path() + "/new/folder") ==
        std::vector<std::string>{"a.images", "a.images.lock"});
}

TEST_CASE("any damage to the file is found, and the file is made anew") {
  const RunDirectory dir;
  const std::string file = dir.path() + "/a.images";
  write_image_file(file, "s", plan_of(50));
  const std::string good = read_bytes(file);
  REQUIRE(good.size() == 4096 + 50 * 94 + 4);
  REQUIRE(open_image_file(file, "s"));
  CHECK_FALSE(open_image_file(file, "t"));
  for (const std::size_t at : {0u, 16u, 20u, 24u, 31u, 40u, 50u, 60u, 120u, 184u, 188u, 4096u,
                               6000u, 4096u + 50 * 90, 4096u + 50 * 94}) {
    CAPTURE(at);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x41);
    write_bytes(file, bad);
    CHECK_FALSE(open_image_file(file, "s"));
  }
  for (const std::size_t kept : {0u, 100u, 4096u, 4097u, 8000u}) {
    write_bytes(file, good.substr(0, kept));
    CHECK_FALSE(open_image_file(file, "s"));
  }
  write_bytes(file, good + "x");
  CHECK_FALSE(open_image_file(file, "s"));
  CHECK(cached_images(file, "s", [] { return plan_of(50); }).made);
  CHECK(read_bytes(file) == good);
}

TEST_CASE("an exception leaves the file that was there, and nothing else") {
  const RunDirectory dir;
  const std::string file = dir.path() + "/a.images";
  write_image_file(file, "old", plan_of(10));
  ImagePlan broken = plan_of(20);
  broken.make = [](std::int64_t i, std::uint8_t*) {
    if (i == 13) throw std::runtime_error("image 13");
  };
  CHECK_THROWS_WITH(cached_images(file, "new", [&] { return broken; }), "image 13");
  REQUIRE(open_image_file(file, "old"));
  CHECK(names_in(dir.path()) == std::vector<std::string>{"a.images", "a.images.lock"});
}

TEST_CASE("leftovers of killed processes go away with the next making") {
  const RunDirectory dir;
  write_bytes(dir.path() + "/a.images.tmp-abc123", "half");
  write_bytes(dir.path() + "/b.images.tmp-abc123", "another's");
  cached_images(dir.path() + "/a.images", "s", [] { return plan_of(10); });
  CHECK(names_in(dir.path()) ==
        std::vector<std::string>{"a.images", "a.images.lock", "b.images.tmp-abc123"});
}

TEST_CASE("of several that want it at once one makes it, and none sees a part of it") {
  const RunDirectory dir;
  const std::string file = dir.path() + "/a.images";
  std::atomic<int> makers{0}, failures{0};
  std::atomic<bool> done{false};
  // Somebody who looks all the time sees the old file or the new one, whole.
  write_image_file(file, "old", plan_of(30));
  std::thread watcher([&] {
    while (!done) failures += !open_image_file(file, "old") && !open_image_file(file, "new");
  });
  std::vector<std::thread> all;
  for (int i = 0; i < 4; ++i)
    all.emplace_back([&] {
      const CachedImages got = cached_images(file, "new", [] {
        ImagePlan plan = plan_of(60);
        plan.make = [make = plan.make](std::int64_t n, std::uint8_t* to) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
          make(n, to);
        };
        return plan;
      });
      makers += got.made;
      failures += got.images.count() != 60;
    });
  for (std::thread& one : all) one.join();
  done = true;
  watcher.join();
  CHECK(makers == 1);
  CHECK(failures == 0);
}

TEST_CASE("a cache that cannot be written is named, with what to do") {
  const RunDirectory dir;
  write_bytes(dir.path() + "/file", "no folder");
  try {
    cached_images(dir.path() + "/file/a.images", "s", [] { return plan_of(10); });
    FAIL("written");
  } catch (const Error& error) {
    CHECK(error.status() == ExitStatus::storage);
    CHECK(std::string(error.what()).find("data.cache=DIR") != std::string::npos);
  }
}
