// The CIFAR readers: both versions from bytes written here, every kind of damage, archives, and the
// real files when they are at hand.
#include "datasets/cifar/cifar.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/registry.h>
#include <bitwright/core/sha256.h>

#include "data_fixture.h"

namespace bitwright {
void register_cifar(Registries& registries);
}
using namespace bitwright;
using namespace bitwright::testing;
using cifar::Cifar;
namespace fs = std::filesystem;

namespace {

// Byte p of the planes of image i.
int planar(int i, int p) { return (7 * i + p + p / 1024 * 50) % 256; }

std::string planes(int i) {
  std::string bytes;
  for (int p = 0; p < 3072; ++p) bytes += static_cast<char>(planar(i, p));
  return bytes;
}

// Images first, first + 1 ... with their label bytes before them.
std::string records(const std::vector<std::string>& labels, int first = 0) {
  std::string bytes;
  for (const std::string& label : labels) bytes += label + planes(first++);
  return bytes;
}

std::string label(int value) { return std::string(1, static_cast<char>(value)); }
std::string labels(int coarse, int fine) { return label(coarse) + label(fine); }

// Two images in each training file, labels 0 1 2 ... 9, and one test image.
void write_cifar10(const fs::path& folder) {
  for (int batch = 0; batch < 5; ++batch)
    write_file(folder / ("data_batch_" + std::to_string(batch + 1) + ".bin"),
               records({label(2 * batch), label(2 * batch + 1)}, 2 * batch));
  write_file(folder / "test_batch.bin", records({label(4)}, 100));
}

void write_cifar100(const fs::path& folder) {
  write_file(folder / "train.bin", records({labels(11, 19), labels(19, 99)}));
  write_file(folder / "test.bin", records({labels(0, 4)}, 50));
}

Cifar open10(const std::string& root) { return Cifar(cifar::cifar10(), root_at(root), {}); }
Cifar open100(const std::string& root, bool coarse = false) {
  return Cifar(cifar::cifar100(coarse), root_at(root), {});
}

void check_image(const ImageSet& set, std::int64_t at, int image) {
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x)
      for (int c = 0; c < 3; ++c)
        REQUIRE(int{set.image(at)[(y * 32 + x) * 3 + c]} == planar(image, c * 1024 + y * 32 + x));
}

void check_cifar10(Cifar data) {
  const ImageSet train = data.train(), test = data.test();
  CHECK(train.labels == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(train.height == 32);
  CHECK(train.classes == 10);
  CHECK(train.pixels.size() == 10 * 3072);
  for (int i = 0; i < 10; ++i) check_image(train, i, i);
  CHECK(test.labels == std::vector<std::int32_t>{4});
  check_image(test, 0, 100);
}

// Python that writes the same sets: argv[1] is a folder. `pickled` makes the files of the Python
// version, `pack(name, kind)` an archive of a folder.
const std::string python_writer = R"(
import io, os, pickle, struct, sys, tarfile, zipfile
import numpy as np
def planes(i):
    p = np.arange(3072)
    return ((7 * i + p + p // 1024 * 50) % 256).astype(np.uint8)
def pickled(path, images, protocol, **labels):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    batch = {"batch_label": "a batch", **labels, "data": np.stack([planes(i) for i in images]),
             "filenames": ["%d.png" % i for i in images]}
    if protocol == "python2":
        data = python2(batch)
    else:
        data = pickle.dumps(batch, protocol)
    open(path, "wb").write(data)
def text(s):
    return b"U" + bytes([len(s)]) + s.encode()
# What Python 2's cPickle wrote with protocol 2, the form of the official files.
def python2(batch):
    out, memo = b"\x80\x02}q\x01(", [1]
    def put():
        memo[0] += 1
        return b"q" + bytes([memo[0]])
    for key, value in batch.items():
        out += text(key) + put()
        if key == "data":
            raw = value.tobytes()
            out += b"cnumpy.core.multiarray\n_reconstruct\n" + put() + b"cnumpy\nndarray\n" + put()
            out += b"K\x00\x85" + text("b") + b"\x87R" + put()
            out += b"(K\x01" + b"M" + struct.pack("<H", value.shape[0]) + b"M\x00\x0c\x86"
            out += b"cnumpy\ndtype\n" + put() + text("u1") + b"K\x00K\x01\x87R" + put()
            out += b"(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            out += b"\x89T" + struct.pack("<I", len(raw)) + raw + b"tb"
        elif isinstance(value, str):
            out += text(value) + put()
        else:
            out += b"]" + put() + b"("
            for item in value:
                out += b"K" + bytes([item]) if isinstance(item, int) else text(item) + put()
            out += b"e"
    return out + b"u."
def pack(folder, archive, order=None):
    names = order or sorted(os.listdir(folder))
    inner = os.path.basename(folder)
    if archive.endswith(".zip"):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
            for n in names: z.write(os.path.join(folder, n), inner + "/" + n)
    else:
        kind = archive.rsplit(".", 1)[1]
        with tarfile.open(archive, "w:" + {"tar": "", "tgz": "gz"}.get(kind, kind)) as t:
            for n in names: t.add(os.path.join(folder, n), inner + "/" + n)
def cifar10_py(folder, protocol):
    for b in range(5):
        pickled(folder + "/data_batch_%d" % (b + 1), [2 * b, 2 * b + 1], protocol,
                labels=[2 * b, 2 * b + 1])
    pickled(folder + "/test_batch", [100], protocol, labels=[4])
    open(folder + "/batches.meta", "wb").write(b"not read")
root = sys.argv[1]
)";

// Runs Python on `script` with the functions above; false, and says so, without NumPy.
bool write_with_python(const RunDirectory& folder, const std::string& script) {
  const std::string python = python_with("numpy");
  if (python.empty()) {
    MESSAGE("skipped: no Python with NumPy");
    return false;
  }
  const std::string output = run_python(python, python_writer + script, folder.path());
  CHECK_MESSAGE(output == "", output);
  return true;
}

// The message of train() after one file of the small binary CIFAR-10 was replaced.
std::string message_with(const std::string& name, const std::string& bytes) {
  const RunDirectory folder;
  write_cifar10(folder.path());
  write_file(folder / name, bytes);
  const std::string line = data_message([&] { open10(folder.path()).train(); });
  check_contains(line, folder / name + ": error: ");
  return line;
}

}  // namespace

TEST_CASE("cifar10: the binary version, in every folder") {
  for (const char* where :
       {"", "cifar-10-batches-bin", "cifar10", "CIFAR10/cifar-10-batches-bin", "cifar-10"}) {
    const RunDirectory folder;
    write_cifar10(fs::path(folder.path()) / where);
    check_cifar10(open10(folder.path()));
  }
}

TEST_CASE("cifar10: sizes, hashes, class order") {
  const RunDirectory folder;
  write_cifar10(folder.path());
  Cifar data = open10(folder.path());
  CHECK(data.input().channels == 3);
  CHECK(data.input().classes == 10);
  CHECK(data.official()->train == 50000);
  data.test();
  const std::string bytes = records({label(4)}, 100);
  CHECK(data.hashes().size() == 6);
  CHECK(data.hashes().at("test_batch.bin") == sha256(bytes.data(), bytes.size()));
  CHECK(data.class_names()[0] == "airplane");
  CHECK(data.class_names()[9] == "truck");
  CHECK(data.train().count() == 10);
  CHECK(data.train().count() == 10);  // a part that was taken is read again
}

TEST_CASE("cifar100: fine and coarse labels") {
  const RunDirectory folder;
  write_cifar100(fs::path(folder.path()) / "cifar-100-binary");
  Cifar fine = open100(folder.path()), coarse = open100(folder.path(), true);
  CHECK(fine.input().classes == 100);
  CHECK(coarse.input().classes == 20);
  const ImageSet train = fine.train();
  CHECK(train.labels == std::vector<std::int32_t>{19, 99});
  CHECK(train.classes == 100);
  check_image(train, 1, 1);
  CHECK(coarse.train().labels == std::vector<std::int32_t>{11, 19});
  CHECK(coarse.test().labels == std::vector<std::int32_t>{0});
  CHECK(fine.class_names()[19] == "cattle");
  CHECK(coarse.class_names()[11] == "large_omnivores_and_herbivores");
}

TEST_CASE("cifar: the Python version, as Python 2 and every later protocol wrote it") {
  for (const std::string protocol : {"'python2'", "2", "3", "4", "5"}) {
    CAPTURE(protocol);
    const RunDirectory folder;
    const bool bytes_need_codecs = protocol == "2";  // a call of _codecs.encode: refused
    if (!write_with_python(folder, "cifar10_py(root + '/cifar-10-batches-py', " + protocol + ")\n"))
      return;
    if (bytes_need_codecs)
      check_contains(data_message([&] { open10(folder.path()).train(); }),
                     "the pickle asks for the Python object '_codecs.encode'");
    else
      check_cifar10(open10(folder.path()));
  }
  const RunDirectory folder;
  REQUIRE(write_with_python(folder, R"(
for name, images, coarse, fine in ("train", [0, 1], [11, 19], [19, 99]), ("test", [50], [0], [4]):
    pickled(root + "/cifar-100-python/" + name, images, 4, fine_labels=fine, coarse_labels=coarse)
)"));
  const ImageSet train = open100(folder.path()).train();
  CHECK(train.labels == std::vector<std::int32_t>{19, 99});
  check_image(train, 1, 1);
  CHECK(open100(folder.path(), true).test().labels == std::vector<std::int32_t>{0});
}

TEST_CASE("cifar10: archives are read as they lie, whatever the order of their members") {
  for (const std::string name :
       {"cifar-10-binary.tar.gz", "cifar-10-binary-mine.tar.xz", "CIFAR-10-binary.zip",
        "cifar10.tar", "cifar-10-binary.tgz", "cifar-10-binary.tar.bz2"}) {
    CAPTURE(name);
    const RunDirectory folder;
    write_cifar10(folder / "source/cifar-10-batches-bin");
    if (!write_with_python(folder, "pack(root + '/source/cifar-10-batches-bin', root + '/" + name +
                                       "', ['test_batch.bin'] + ['data_batch_%d.bin' % i for i "
                                       "in (4, 1, 5, 3, 2)])\n"))
      return;
    fs::remove_all(folder / "source");
    check_cifar10(open10(folder.path()));
    check_cifar10(open10(folder / name));  // the root may be the archive
    CHECK(open10(folder.path()).copies() == std::vector<std::string>{folder / name});
  }
  const RunDirectory folder;
  REQUIRE(write_with_python(folder, R"(
cifar10_py(root + "/x/cifar-10-batches-py", "python2")
pack(root + "/x/cifar-10-batches-py", root + "/cifar-10-python.tar.gz")
)"));
  check_cifar10(open10(folder.path()));
}

TEST_CASE("cifar10: damaged archives are named") {
  const RunDirectory folder;
  write_cifar10(folder / "source/cifar-10-batches-bin");
  if (!write_with_python(folder, R"(
for kind in "tar.gz", "tar.xz", "zip", "tar":
    pack(root + "/source/cifar-10-batches-bin", root + "/whole." + kind)
)"))
    return;
  for (const std::string kind : {"tar.gz", "tar.xz", "zip", "tar"}) {
    CAPTURE(kind);
    const std::string whole = read_bytes(folder / ("whole." + kind));
    const RunDirectory other;
    const std::string path = other / ("cifar-10-binary." + kind);
    const auto message = [&](const std::string& bytes) {
      write_bytes(path, bytes);
      const std::string line = data_message([&] { open10(other.path()).train(); });
      CHECK(line.starts_with(path));
      return line;
    };
    message(whole.substr(0, whole.size() / 2));
    message(whole.substr(0, 100));
    message("");
    message("no archive at all");
    std::string changed = whole;
    changed[whole.size() / 2] = static_cast<char>(changed[whole.size() / 2] ^ 0x55);
    if (kind != "tar") message(changed);  // a bare tar has no check sums of what it holds
  }
  const RunDirectory lacking;
  REQUIRE(write_with_python(lacking, R"(
pickled(root + "/a/data_batch_1", [0], 4, labels=[0])
pack(root + "/a", root + "/cifar-10-python.tar")
)"));
  check_contains(data_message([&] { open10(lacking.path()).train(); }),
                 "cifar-10-python.tar: error: the archive lacks data_batch_2, data_batch_3");
}

TEST_CASE("cifar10: files that are cut off, padded, empty, or of the wrong kind") {
  const std::string good = records({label(1), label(2)});
  check_contains(message_with("data_batch_3.bin", good.substr(0, good.size() - 1)),
                 "the file ends in record 1 (counted from 0), after 3072 of its 3073 bytes");
  check_contains(message_with("data_batch_3.bin", good + "ab"),
                 "the file ends in record 2 (counted from 0), after 2 of its 3073 bytes");
  check_contains(message_with("data_batch_1.bin", ""), "the file is empty");
  check_contains(message_with("test_batch.bin", records({label(3), label(10)})),
                 "label 10 in record 1 (counted from 0); 0 to 9");
  const std::string too_many(10001 * 3073, '\0');
  check_contains(message_with("data_batch_2.bin", too_many), "more than 10000 records");
}

TEST_CASE("cifar100: labels out of range are named by their kind") {
  const RunDirectory folder;
  write_cifar100(folder.path());
  write_file(folder / "train.bin", records({labels(3, 7), labels(20, 7)}));
  check_contains(data_message([&] { open100(folder.path()).train(); }),
                 "coarse_labels 20 in record 1 (counted from 0); 0 to 19");
  write_file(folder / "train.bin", records({labels(19, 100)}));
  check_contains(data_message([&] { open100(folder.path()).train(); }), "fine_labels 100");
}

TEST_CASE("cifar10: pickles that do anything unexpected are refused") {
  const RunDirectory folder;
  if (!write_with_python(folder, R"(
cifar10_py(root, 4)
)"))
    return;
  const std::string good = read_bytes(folder / "data_batch_1");
  const auto message = [&](const std::string& bytes) {
    write_bytes(folder / "data_batch_1", bytes);
    const std::string line = data_message([&] { open10(folder.path()).train(); });
    check_contains(line, folder / "data_batch_1: error: ");
    return line;
  };
  check_contains(message(""), "the file is empty");
  check_contains(message(good.substr(0, good.size() / 2)), "cut off");
  check_contains(message(good + "x"), "after the pickle's end");
  check_contains(message("(lp0\n."), "protocol 2 or later");
  check_contains(message("\x80\x09."), "pickle protocol 9");
  // os.system, by both ways of naming it: nothing is looked up, nothing runs.
  check_contains(message("\x80\x02"
                         "cos\nsystem\nU\x12touch /tmp/pwned-xy\x85R."),
                 "the pickle asks for the Python object 'os.system'");
  check_contains(message("\x80\x04\x8c\x02os\x8c\x06system\x93."), "'os.system'");
  CHECK_FALSE(fs::exists("/tmp/pwned-xy"));
  check_contains(message("\x80\x02}."), "lacks 'data'");
  check_contains(message("\x80\x02]."), "no dictionary");
  check_contains(message("\x80\x02}U\x01xNs."), "unknown key");
  check_contains(message("\x80\x02P1\n."), "instruction 0x50");
  check_contains(message("\x80\x02h\x05."), "a reference to nothing");
  check_contains(message("\x80\x02."), "stack is empty");
}

TEST_CASE("cifar10: batches of the Python version that do not fit together") {
  const RunDirectory folder;
  const auto message = [&](const std::string& script) -> std::string {
    if (!write_with_python(folder, "cifar10_py(root, 4)\n" + script)) return {};
    return data_message([&] { open10(folder.path()).train(); });
  };
  const std::string first = message("pickled(root + '/data_batch_1', [0, 1], 4, labels=[0])\n");
  if (first.empty()) return;
  check_contains(first, "'labels' is no list of 2 labels");
  check_contains(message("pickled(root + '/data_batch_1', [0, 1], 4, labels=[0, 10])\n"),
                 "label 10 in 'labels' of record 1 (counted from 0)");
  check_contains(message("pickled(root + '/data_batch_1', [0], 4, labels=[-1])\n"), "label -1");
  check_contains(message("pickled(root + '/data_batch_1', [0], 4, labels=['a'])\n"), "no integer");
  check_contains(message("pickled(root + '/data_batch_1', [0], 4, fine_labels=[1])\n"),
                 "unknown key");
  check_contains(message("pickle.dump({'data': np.zeros((1, 3072)), 'labels': [0]}, "
                         "open(root + '/data_batch_1', 'wb'))\n"),
                 "an array of 'f8'");
  check_contains(message("pickle.dump({'data': np.zeros((1, 100), np.uint8), 'labels': [0]}, "
                         "open(root + '/data_batch_1', 'wb'))\n"),
                 "no array of 3072 columns");
}

TEST_CASE("cifar: made through its registry, with an official file's options") {
  Registries registries;
  register_cifar(registries);
  const RunDirectory folder;
  write_cifar100(folder.path());
  Settings settings;
  settings.set_component("cifar100");
  settings.set("official", true, {});
  settings.set("labels", std::string("coarse"), {});
  CHECK(registries.datasets.make(settings, root_at(folder.path()))->train().labels[0] == 11);
  for (const char* name : {"cifar10", "cifar100"}) {
    const Option* option = registries.datasets.find(name)->options.find("normalization");
    REQUIRE(option != nullptr);
    CHECK(std::get<std::string>(*option->fallback) == name);
  }
}

TEST_CASE("cifar10: the official images, from the archive as it lies") {
  const std::string root = real_data();
  if (root.empty()) return;
  Cifar data = open10(root);
  const ImageSet train = data.train(), test = data.test();
  CHECK(train.pixels.size() + test.pixels.size() < 200'000'000);
  CHECK(label_histogram(train) == std::vector<int>(10, 5000));
  CHECK(label_histogram(test) == std::vector<int>(10, 1000));
  const std::vector<std::int32_t> first{6, 9, 9, 4, 1, 1, 2, 7, 8, 3};
  CHECK(std::equal(first.begin(), first.end(), train.labels.begin()));
  CHECK(int{train.image(0)[0]} == 59);
  CHECK(int{train.image(0)[3]} == 43);
  const double means[]{.4914, .4822, .4465}, sds[]{.2470, .2435, .2616};
  const double test_means[]{.4942, .4851, .4504}, test_sds[]{.2467, .2429, .2616};
  for (int c = 0; c < 3; ++c) {
    const auto [mean, sd] = channel_statistics(train, c);
    CHECK(std::abs(mean - means[c]) < 6e-5);
    CHECK(std::abs(sd - sds[c]) < 6e-5);
    const auto [test_mean, test_sd] = channel_statistics(test, c);
    CHECK(std::abs(test_mean - test_means[c]) < 6e-5);
    CHECK(std::abs(test_sd - test_sds[c]) < 6e-5);
  }
}

TEST_CASE("cifar100: the subset, from the archive as it lies") {
  const std::string root = real_data();
  if (root.empty()) return;
  Cifar data = open100(root);
  const ImageSet train = data.train(), test = data.test();
  CHECK(label_histogram(train) == std::vector<int>(100, 335));
  CHECK(label_histogram(test) == std::vector<int>(100, 40));
  const std::vector<std::int32_t> first{19, 29, 0, 11, 1, 86, 90, 28, 23, 31};
  CHECK(std::equal(first.begin(), first.end(), train.labels.begin()));
  const double means[]{.5069, .4866, .4412}, sds[]{.2675, .2563, .2760};
  for (int c = 0; c < 3; ++c) {
    const auto [mean, sd] = channel_statistics(train, c);
    CHECK(std::abs(mean - means[c]) < 6e-5);
    CHECK(std::abs(sd - sds[c]) < 6e-5);
  }
  const ImageSet coarse = open100(root, true).test();
  CHECK(label_histogram(coarse) == std::vector<int>(20, 200));
}
