// TinyImageNet: a small tree written here, every kind of damage, and real files when at hand.
#include "datasets/tinyimagenet/tinyimagenet.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <doctest/doctest.h>
#include <turbojpeg.h>

#include <bitwright/core/registry.h>
#include <bitwright/data/normalization.h>

#include "datasets/tinyimagenet/jpeg.h"
#include "run_directory.h"

namespace bitwright {
void register_tinyimagenet(Registries& registries);
}
using namespace bitwright;
using namespace bitwright::testing;
using tinyimagenet::ClassOrder;
using tinyimagenet::TinyImageNet;
namespace fs = std::filesystem;

namespace {

// An even image: what JPEG keeps to a grey level. `grey`: one component.
std::string jpeg(int red, int green, int blue, bool grey = false, int side = 64) {
  const int channels = grey ? 1 : 3;
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < side * side; ++i)
    for (const int value : {red, green, blue})
      if (!grey || value == red) {
        pixels.push_back(static_cast<std::uint8_t>(value));
        if (grey) break;
      }
  REQUIRE(pixels.size() == static_cast<std::size_t>(side * side * channels));
  void* const encoder = tjInitCompress();
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  REQUIRE(tjCompress2(encoder, pixels.data(), side, 0, side, grey ? TJPF_GRAY : TJPF_RGB, &bytes,
                      &size, grey ? TJSAMP_GRAY : TJSAMP_420, 100, 0) == 0);
  std::string result(reinterpret_cast<char*>(bytes), size);
  tjFree(bytes);
  tjDestroy(encoder);
  return result;
}

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  write_bytes(path.string(), bytes);
}

// Two classes, n02 before n01 in wnids.txt: 3 and 2 training images, 2 validation images. Image k
// of n02 is (10 k, 100, 200); those of n01 are grey.
void write_tree(const fs::path& folder) {
  write(folder / "wnids.txt", "n02\nn01\n");
  write(folder / "words.txt", "n00\tnothing\nn01\tegg, ovum\nn02\then\n");
  for (const int k : {0, 2, 10})
    write(folder / "train/n02/images" / ("n02_" + std::to_string(k) + ".JPEG"),
          jpeg(10 * k, 100, 200));
  for (const int k : {5, 6})
    write(folder / "train/n01/images" / ("n01_" + std::to_string(k) + ".JPEG"),
          jpeg(20 * k, 0, 0, true));
  write(folder / "train/n01/n01_boxes.txt", "n01_5.JPEG\t0\t0\t63\t63\n");
  write(folder / "train/n99/images/n99_0.JPEG", "of a class that wnids.txt does not name");
  write(folder / "val/val_annotations.txt",
        "val_1.JPEG\tn01\t0\t0\t63\t63\nval_0.JPEG\tn02\t0\t0\t63\t63\n");
  write(folder / "val/images/val_0.JPEG", jpeg(30, 60, 90));
  write(folder / "val/images/val_1.JPEG", jpeg(200, 0, 0, true));
}

void pack(const fs::path& folder, const std::string& to, bool zip) {
  archive* const out = archive_write_new();
  zip ? archive_write_set_format_zip(out) : archive_write_set_format_ustar(out);
  if (!zip) archive_write_add_filter_gzip(out);
  REQUIRE(archive_write_open_filename(out, to.c_str()) == ARCHIVE_OK);
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string bytes = read_bytes(entry.path().string());
    archive_entry* const head = archive_entry_new();
    archive_entry_set_pathname(
        head, ("tiny-imagenet-200/" + entry.path().lexically_relative(folder).string()).c_str());
    archive_entry_set_size(head, static_cast<la_int64_t>(bytes.size()));
    archive_entry_set_filetype(head, AE_IFREG);
    archive_entry_set_perm(head, 0644);
    REQUIRE(archive_write_header(out, head) == ARCHIVE_OK);
    REQUIRE(archive_write_data(out, bytes.data(), bytes.size()) ==
            static_cast<la_ssize_t>(bytes.size()));
    archive_entry_free(head);
  }
  archive_write_close(out);
  archive_write_free(out);
}

DataRoot root_at(const std::string& path, const RunDirectory& dir) {
  DataRoot root;
  root.path = path;
  root.cache = dir / "cache";
  return root;
}

TinyImageNet set_in(const RunDirectory& dir, ClassOrder order = ClassOrder::wnids) {
  return {root_at(dir / "data", dir), order};
}

void check_pixel(const ImageSet& set, std::int64_t image, std::vector<int> rgb) {
  for (const std::int64_t at : {0, 64 * 64 - 1})
    for (std::size_t c = 0; c < 3; ++c)
      CHECK(std::abs(int{set.image(image)[3 * at + static_cast<std::int64_t>(c)]} - rgb[c]) <= 2);
}

void check_tree(TinyImageNet data) {
  const ImageSet train = data.train(), test = data.test();
  CHECK(train.labels == std::vector<std::int32_t>{0, 0, 0, 1, 1});
  CHECK(train.classes == 2);
  CHECK(train.image_size() == 64 * 64 * 3);
  check_pixel(train, 0, {0, 100, 200});
  check_pixel(train, 1, {20, 100, 200});
  check_pixel(train, 2, {100, 100, 200});  // by number: 10 comes after 2
  check_pixel(train, 3, {100, 100, 100});
  check_pixel(train, 4, {120, 120, 120});
  CHECK(test.labels == std::vector<std::int32_t>{1, 0});
  check_pixel(test, 0, {200, 200, 200});
  check_pixel(test, 1, {30, 60, 90});
  CHECK(data.input().classes == 2);
  CHECK(data.hashes().size() == 2);
  CHECK(data.class_names() == std::vector<std::string>{"hen", "egg"});
}

// The message of what `damage` does to a good tree, for both parts.
std::string message_after(const std::function<void(const fs::path&)>& damage) {
  const RunDirectory dir;
  write_tree(dir / "data");
  damage(dir / "data");
  try {
    TinyImageNet data = set_in(dir);
    data.train();
    data.test();
  } catch (const Error& error) {
    CHECK(error.status() == ExitStatus::data);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  FAIL("no error was thrown");
  return {};
}

void check_contains(const std::string& text, const std::string& part) {
  CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

}  // namespace

TEST_CASE("tinyimagenet: a tree, at the root and below it, a tar.gz and a zip give the same") {
  for (const char* where : {"data", "data/tiny-imagenet-200", "data/tiny-imagenet-2"}) {
    const RunDirectory dir;
    write_tree(dir / where);
    check_tree(set_in(dir));
    check_tree(set_in(dir));  // from the cache
  }
  for (const bool zip : {false, true}) {
    const RunDirectory dir;
    write_tree(dir / "tree");
    fs::create_directories(dir / "data");
    pack(dir / "tree", dir / (zip ? "data/tiny-imagenet-200.zip" : "data/tiny-imagenet-x.tar.gz"),
         zip);
    check_tree(set_in(dir));
    check_tree(set_in(dir));
  }
}

TEST_CASE("tinyimagenet: the alphabet may number the classes") {
  const RunDirectory dir;
  write_tree(dir / "data");
  TinyImageNet data = set_in(dir, ClassOrder::alphabetical);
  CHECK(data.train().labels == std::vector<std::int32_t>{1, 1, 1, 0, 0});
  CHECK(data.test().labels == std::vector<std::int32_t>{0, 1});
  CHECK(data.class_names() == std::vector<std::string>{"egg", "hen"});
  CHECK(set_in(dir).train().labels == std::vector<std::int32_t>{0, 0, 0, 1, 1});
}

TEST_CASE("tinyimagenet: a changed source is read again") {
  const RunDirectory dir;
  write_tree(dir / "data");
  const auto first = set_in(dir).train();
  write(dir / "data/train/n02/images/n02_3.JPEG", jpeg(77, 100, 200));
  const auto more = set_in(dir).train();
  CHECK(more.count() == 6);
  check_pixel(more, 2, {77, 100, 200});
  write(dir / "data/train/n02/images/n02_3.JPEG", jpeg(150, 100, 200));
  check_pixel(set_in(dir).train(), 2, {150, 100, 200});
  CHECK(first.count() == 5);  // what is mapped stays
  check_pixel(first, 2, {100, 100, 200});
}

TEST_CASE("tinyimagenet: damaged images are named") {
  const auto image = [](const std::string& bytes) {
    return message_after(
        [&](const fs::path& tree) { write(tree / "train/n02/images/n02_2.JPEG", bytes); });
  };
  const std::string good = jpeg(1, 2, 3);
  check_contains(image(""), "train/n02/images/n02_2.JPEG: error: the file is empty");
  check_contains(image("no JPEG at all"), "n02_2.JPEG: error: damaged JPEG");
  check_contains(image(good.substr(0, good.size() / 2)), "n02_2.JPEG: error: damaged JPEG");
  check_contains(image(good.substr(0, good.size() - 20)), "n02_2.JPEG: error: damaged JPEG");
  check_contains(image(jpeg(1, 2, 3, false, 32)), "an image of 32 x 32 pixels; 64 x 64");
}

TEST_CASE("tinyimagenet: lists that do not fit the files are named, with the line") {
  const auto listed = [](const std::string& path, const std::string& text) {
    return message_after([&](const fs::path& tree) { write(tree / path, text); });
  };
  check_contains(listed("wnids.txt", "\n"), "wnids.txt: error: no class");
  check_contains(listed("wnids.txt", "n02\nn02\n"), "wnids.txt:2: error: class n02");
  check_contains(listed("wnids.txt", "../n02\n"), "wnids.txt:1: error: '../n02' is no class");
  check_contains(listed("wnids.txt", "n02\nn01\nn07\n"), "train/n07/images: error: no JPEG");
  const std::string annotations = "val/val_annotations.txt";
  check_contains(listed(annotations, "val_0.JPEG n02\n"), "annotations.txt:1: error: the line has");
  check_contains(listed(annotations, "val_0.JPEG\tn05\t0\n"), "class 'n05' is not in wnids.txt");
  check_contains(listed(annotations, "val_0.JPEG\tn02\nval_7.JPEG\tn02\n"),
                 "annotations.txt:2: error: there is no image 'val_7.JPEG'");
  check_contains(listed(annotations, "val_0.JPEG\tn02\nval_0.JPEG\tn02\n"), ":2: error: there is");
  check_contains(listed(annotations, "val_0.JPEG\tn02\n"), "val_1.JPEG: error: the image has no");
  check_contains(
      message_after([](const fs::path& tree) { fs::remove(tree / "val/val_annotations.txt"); }),
      "val_annotations.txt");
}

TEST_CASE("tinyimagenet: no folder, an empty folder") {
  const RunDirectory dir;
  fs::create_directories(dir / "data");
  for (const std::string& root : {std::string(), dir / "data", dir / "nothing"}) {
    try {
      TinyImageNet(root_at(root, dir), ClassOrder::wnids).train();
      FAIL("found");
    } catch (const Error& error) {
      CHECK(error.status() == ExitStatus::data);
      check_contains(error.what(), "tiny-imagenet-200/");
    }
  }
  CHECK_FALSE(fs::exists(dir / "cache"));
}

TEST_CASE("tinyimagenet: made through its registry") {
  Registries registries;
  register_tinyimagenet(registries);
  const ComponentInfo* info = registries.datasets.find("tinyimagenet");
  REQUIRE(info != nullptr);
  const RunDirectory dir;
  write_tree(dir / "data");
  Settings settings;
  settings.set_component("tinyimagenet");
  for (const Option& option : info->options.list())
    settings.set(option.name, *option.fallback, Place{"default"});
  const auto data = registries.datasets.make(settings, root_at(dir / "data", dir));
  CHECK(data->input().classes == 200);
  CHECK(data->train().count() == 5);
  CHECK(data->input().classes == 2);
  CHECK(data->normalizations().count(settings.text("normalization")) == 1);
  CHECK(data->official()->train == 100'000);
}

TEST_CASE("tinyimagenet: real files") {
  const char* root = std::getenv("BITWRIGHT_DATA");
  if (!root || !*root) {
    MESSAGE("skipped: set BITWRIGHT_DATA to a folder with TinyImageNet");
    return;
  }
  const RunDirectory dir;
  const DataRoot from = root_at(root, dir);
  if (tinyimagenet::find_copies(from).empty()) {
    MESSAGE("skipped: no TinyImageNet in BITWRIGHT_DATA");
    return;
  }
  TinyImageNet data(from, ClassOrder::wnids);
  const ImageSet train = data.train(), test = data.test();
  CHECK(train.count() == 500 * train.classes);
  CHECK(test.count() == 50 * train.classes);
  std::vector<std::int64_t> per_class(static_cast<std::size_t>(train.classes), 0);
  for (const std::int32_t label : test.labels) ++per_class[static_cast<std::size_t>(label)];
  CHECK(std::all_of(per_class.begin(), per_class.end(), [](std::int64_t n) { return n == 50; }));
  if (train.classes != 30) return;
  // The subset of the first 30 classes, as Pillow decodes it.
  std::vector<std::uint32_t> all(static_cast<std::size_t>(train.count()));
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  const Normalization measured = measure_normalization(train, all);
  const std::vector<double> mean{0.4920, 0.4474, 0.3833}, sd{0.2760, 0.2680, 0.2803};
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(std::abs(measured.mean[c] - mean[c]) < 1e-4);
    CHECK(std::abs(measured.standard_deviation[c] - sd[c]) < 1e-4);
  }
}
