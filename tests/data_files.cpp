// Finding the files of a data set, reading archives, comparing with official hashes, remembering.
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <unistd.h>

#include <bitwright/core/digest.h>
#include <bitwright/core/sha256.h>
#include <bitwright/data/archive.h>
#include <bitwright/data/byte_stream.h>
#include <bitwright/data/data_files.h>

#include "data/verified.h"
#include "data_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;
namespace fs = std::filesystem;

namespace {

std::string md5(const std::string& bytes) {
  Digest digest(Digest::Kind::md5);
  digest.update(bytes.data(), bytes.size());
  return digest.hex();
}

// Two files, "a" (official: 3 bytes "AAA") and "b" (of no known size).
DataLayout letters() {
  return {"Letters",
          "letters",
          {"", "letters", "letters/inner"},
          {"letters-1", "letters"},
          {{"", {{{"a", "a-old"}, true, {3, {md5("AAA")}, {}}}, {{"b"}, false, {}}}}},
          {{md5("NUM"), "Numbers"}}};
}

struct Reading {
  std::vector<ReadFile> files;
  std::string contents;
};

Reading read(const DataRoot& root, ReadOptions options = {}) {
  const DataLayout layout = letters();
  Reading reading;
  reading.files = read_copy(find_copy(root, layout), root, layout, options,
                            [&](const FileRole&, ByteStream& bytes) {
                              const auto all = read_all(bytes, 1000);
                              reading.contents.append(all.begin(), all.end());
                            });
  return reading;
}

std::string miss(const std::string& root) {
  return data_message([&] { find_copy(root_at(root), letters()); });
}

// One member of a tar file in ustar format, written by hand.
std::string tar_member(const std::string& name, const std::string& bytes, char type = '0') {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) {
    header.replace(at, text.size(), text);
  };
  const auto octal = [](std::size_t value, int digits) {
    std::string text;
    for (int i = 0; i < digits; ++i, value /= 8)
      text.insert(text.begin(), static_cast<char>('0' + value % 8));
    return text;
  };
  put(0, name);
  put(100, "0000644");
  put(124, octal(bytes.size(), 11));
  put(136, octal(0, 11));
  put(148, "        ");
  header[156] = type;
  put(257, std::string("ustar\00000", 8));
  std::size_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6) + std::string("\0 ", 2));
  return header + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
}

std::vector<std::string> members(const std::string& archive) {
  std::vector<std::string> all;
  for_each_member(archive, [&](const std::string& path, ByteStream& bytes) {
    const auto content = read_all(bytes, 1000);
    all.push_back(path + "=" + std::string(content.begin(), content.end()));
    return true;
  });
  return all;
}

}  // namespace

TEST_CASE("data_files: digests of the standards") {
  CHECK(md5("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5("message digest") == "f96b697d7cb7938d525a2f31aaf161d0");
  Digest digest(Digest::Kind::sha256);
  digest.update("a", 1);
  digest.update("bc", 2);
  CHECK(digest.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("data_files: folders in order of preference, upper and lower case alike") {
  const RunDirectory root;
  for (const char* folder : {"LETTERS/Inner", "letters", ""}) {
    write_file(fs::path(root.path()) / folder / "a", "AAA");
    write_file(fs::path(root.path()) / folder / "b", folder);
    CHECK(read(root_at(root.path())).contents == std::string("AAA") + folder);
  }
  CHECK(find_copies(root_at(root.path()), letters()).size() == 3);
}

TEST_CASE("data_files: whole folders come before archives, archives before parts") {
  const RunDirectory root;
  write_file(root / "a", "AAA");
  write_file(root / "letters-1.tar", tar_member("x/a", "AAA") + tar_member("b", "tar"));
  CHECK(read(root_at(root.path())).contents == "AAAtar");
  write_file(root / "letters/a-old", "AAA");
  write_file(root / "letters/b", "folder");
  CHECK(read(root_at(root.path())).contents == "AAAfolder");
  const auto copies = find_copies(root_at(root.path()), letters());
  REQUIRE(copies.size() == 3);
  CHECK(copies[0].path == root / "letters");
  CHECK(copies[1].archive);
  CHECK(copies[2].path == root.path());
  CHECK_FALSE(copies[2].whole());
}

TEST_CASE("data_files: a miss says what was expected, what is there, and what to do") {
  const RunDirectory root;
  std::string line = miss(root.path());
  check_contains(line, root.path() + ": error: Letters is not there (the folder is empty)");
  check_contains(line, "a and b, each raw or with .gz");
  check_contains(line, "letters/ or letters/inner/");
  check_contains(line, "letters-1*.tar.gz");
  check_contains(line, "scripts/fetch-data letters");
  write_file(root / "other/x", "");
  write_file(root / "letters10.zip", "");  // another set
  write_file(root / "c", "");
  check_contains(miss(root.path()), "(found c, letters10.zip, other/)");
  write_file(root / "letters/b", "");
  check_contains(miss(root.path()), root / "letters: error: the Letters file a is missing");
  check_contains(miss(root / "c"), "neither a folder nor an archive");
  check_contains(miss(root / "nothing"), "does not exist");
  check_contains(miss(""), "data.root=DIR or the environment variable BITWRIGHT_DATA=DIR");
  if (geteuid() != 0) {  // root may read everything
    fs::permissions(root.path(), fs::perms::none);
    check_contains(miss(root.path()), "cannot be read (Permission denied)");
    fs::permissions(root.path(), fs::perms::owner_all);
  }
}

TEST_CASE("data_files: other formats are refused by name") {
  const std::vector<std::pair<const char*, const char*>> others{
      {"letters.npz", "a NumPy archive"},
      {"letters/train.csv", "a CSV table"},
      {"letters_lmdb/data.mdb", "an LMDB database"},
      {"letters/db/data.mdb", "an LMDB database"},
      {"data.mdb", "an LMDB database"},
      {"train.parquet", "a Parquet table"}};
  for (const auto& [file, what] : others) {
    CAPTURE(file);
    const RunDirectory root;
    write_file(root / file, "x");
    const std::string line = miss(root.path());
    check_contains(line, std::string(what) + " is not read, and Letters is not there");
    check_contains(line, "convert it as datasets/README.md shows");
  }
}

TEST_CASE("data_files: what is official, what is smaller, what was changed") {
  const RunDirectory root;
  write_file(root / "b", "x");
  const auto verdict = [&](const std::string& a, bool refuse = true) {
    write_file(root / "a", a);
    return read(root_at(root.path()), {refuse}).files[0].verdict;
  };
  using Verdict = ReadFile::Verdict;
  CHECK(verdict("AAA") == Verdict::official);
  CHECK(verdict("AA") == Verdict::other_size);
  CHECK(verdict("ABC", false) == Verdict::changed);
  CHECK(read(root_at(root.path()), {false}).files[1].verdict == Verdict::unknown);
  check_contains(data_message([&] { verdict("ABC"); }), md5("ABC"));
  check_contains(data_message([&] { verdict("NUM", false); }), "this is a file of Numbers");
}

TEST_CASE("data_files: gzip files are judged by what they unpack to") {
  const RunDirectory root;
  write_file(root / "a.gz", gzip("AAA"));
  write_file(root / "b", "x");
  const Reading reading = read(root_at(root.path()));
  CHECK(reading.contents == "AAAx");
  CHECK(reading.files[0].verdict == ReadFile::Verdict::official);
  CHECK(reading.files[0].sha256 == sha256("AAA", 3));
  // Two gzip members one after the other, and an archive that holds a .gz.
  write_file(root / "a.gz", gzip("A") + gzip("AA"));
  CHECK(read(root_at(root.path())).contents == "AAAx");
  write_file(root / "x/letters.tar",
             tar_member("a.gz", gzip("AAA")) + tar_member("a", "ignored") + tar_member("b", "y"));
  CHECK(read(root_at(root / "x/letters.tar")).contents == "AAAy");
}

TEST_CASE("data_files: hashes are remembered for unchanged files") {
  const RunDirectory root, cache;
  DataRoot data = root_at(root.path());
  data.cache = cache.path();
  write_file(root / "a", "AAA");
  write_file(root / "b", "x");
  read(data);
  CHECK_FALSE(fs::exists(cache / "verified"));  // written a moment ago: a change might go unnoticed
  std::this_thread::sleep_for(std::chrono::milliseconds(3100));
  read(data);
  CHECK(std::distance(fs::directory_iterator(cache / "verified"), {}) == 2);

  // The memory is used, right or wrong, unless asked to look again.
  const HashesByName wrong{{"a", {3, sha256("XYZ", 3), md5("XYZ"), {}, {}}}};
  FileState(root / "a").remember(cache.path(), wrong);
  check_contains(data_message([&] { read(data); }), "is damaged or was changed");
  DataRoot again = data;
  again.verify_again = true;
  CHECK(read(again).files[0].verdict == ReadFile::Verdict::official);
  CHECK(read(data).files[0].verdict == ReadFile::Verdict::official);  // and that is remembered

  // Not for a file that was replaced by one of the same size and time of modification.
  const auto time = fs::last_write_time(root / "a");
  write_file(root / "a", "XYZ");
  fs::last_write_time(root / "a", time);
  check_contains(data_message([&] { read(data); }), "is damaged or was changed");

  // Damaged memory is no memory.
  for (const auto& entry : fs::directory_iterator(cache / "verified"))
    write_bytes(entry.path().string(), "bitwright hashes 1\nrubbish");
  check_contains(data_message([&] { read(data); }), "is damaged or was changed");
  // A cache that cannot be written costs nothing but time.
  data.cache = "/proc/no/such/folder";
  write_file(root / "a", "AAA");
  CHECK(read(data).contents == "AAAx");
}

TEST_CASE("data_files: the text that remembers hashes") {
  const HashesByName hashes{{"with space", {12, sha256("", 0), md5(""), {}, {}}},
                            {"b", {0, sha256("b", 1), md5("b"), sha256("c", 1), md5("c")}}};
  const std::string text = hashes_text("key", hashes);
  const auto back = parse_hashes(text, "key");
  REQUIRE(back.has_value());
  CHECK(back->at("with space").bytes == 12);
  CHECK(back->at("b").gzip_md5 == md5("c"));
  CHECK_FALSE(parse_hashes(text, "other key"));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK_FALSE(parse_hashes(damaged, "key"));
    CHECK_FALSE(parse_hashes(text.substr(0, i), "key"));
  }
}

TEST_CASE("archive: regular files of a hand-made tar, in its order") {
  const RunDirectory folder;
  const std::string tar = tar_member("./dir/b", "2") + tar_member("link", "", '2') +
                          tar_member("dir", "", '5') + tar_member("a", std::string(600, 'x'));
  write_file(folder / "x.tar", tar + std::string(1024, '\0'));
  const auto all = members(folder / "x.tar");
  REQUIRE(all.size() == 2);
  CHECK(all[0] == "dir/b=2");
  CHECK(all[1] == "a=" + std::string(600, 'x'));
  write_file(folder / "x.tar.gz", gzip(tar));
  CHECK(members(folder / "x.tar.gz") == all);
  // Unread members and an early stop.
  int visited = 0;
  for_each_member(folder / "x.tar", [&](const std::string&, ByteStream&) { return ++visited < 1; });
  CHECK(visited == 1);
  write_file(folder / "short.tar", tar.substr(0, tar.size() - 400));
  check_contains(data_message([&] { members(folder / "short.tar"); }),
                 "short.tar(a): error: the archive is damaged or cut off");
  std::string wrong_sum = gzip(tar);
  wrong_sum[wrong_sum.size() - 6] ^= 1;
  write_file(folder / "x.tar.gz", wrong_sum);
  check_contains(data_message([&] { members(folder / "x.tar.gz"); }), "incorrect data check");
}

TEST_CASE("archive: names") {
  for (const char* name : {"a.tar", "a.TAR.GZ", "a.tgz", "a.tar.xz", "a.zip", "a.tar.zst"})
    CHECK(is_archive_name(name));
  for (const char* name : {"a.gz", "a.7z", "tar", "a.tar.7z", "zip"})
    CHECK_FALSE(is_archive_name(name));
}

TEST_CASE("byte_stream: a limit on what is read at once") {
  const RunDirectory folder;
  write_file(folder / "f", std::string(1000, 'x'));
  const auto all = read_all(*open_file(folder / "f"), 1000);
  CHECK(all.size() == 1000);
  CHECK(all.capacity() < 2048);  // a set of small files may hold thousands of them
  const std::string large(3'000'000, 'y');
  write_file(folder / "large", large);
  const auto bytes = read_all(*open_file(folder / "large"), 3'000'000);
  CHECK(std::string(bytes.begin(), bytes.end()) == large);
  check_contains(data_message([&] { read_all(*open_file(folder / "f"), 999); }),
                 "more than 999 bytes");
  check_contains(data_message([&] { read_all(*open_file(folder.path()), 999); }), "cannot be read");
  check_contains(data_message([&] { open_file(folder / "g"); }), "cannot be opened");
}
