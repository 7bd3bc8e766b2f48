#include "data/verified.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bitwright/core/error.h>
#include <bitwright/core/sha256.h>

namespace bitwright {

namespace fs = std::filesystem;

namespace {

constexpr const char* first_line = "bitwright hashes 1";
constexpr std::int64_t racy_seconds = 2;  // coarser than any file system's clock in use

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

// Reads one digest of `digits` hexadecimal digits; "-" is an absent one.
bool take_digest(std::istream& line, std::size_t digits, bool may_be_absent, std::string& digest) {
  if (!(line >> digest)) return false;
  if (digest == "-") {
    digest.clear();
    return may_be_absent;
  }
  return digest.size() == digits && digest.find_first_not_of("0123456789abcdef") == digest.npos;
}

std::string with_sum(const std::string& body) {
  return body + "sum " + sha256(body.data(), body.size()) + "\n";
}

}  // namespace

std::string hashes_text(const std::string& key, const HashesByName& hashes) {
  std::string body = fmt::format("{}\n{}\n", first_line, key);
  for (const auto& [name, h] : hashes)
    body += fmt::format("{} {} {} {} {} {}\n", h.bytes, or_dash(h.sha256), or_dash(h.md5),
                        or_dash(h.gzip_sha256), or_dash(h.gzip_md5), name);
  return with_sum(body);
}

std::optional<HashesByName> parse_hashes(const std::string& text, const std::string& key) {
  const std::size_t end = text.rfind("sum ");
  if (end == std::string::npos || with_sum(text.substr(0, end)) != text) return {};
  std::istringstream in(text.substr(0, end));
  std::string line;
  if (!std::getline(in, line) || line != first_line || !std::getline(in, line) || line != key)
    return {};
  HashesByName hashes;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    Hashes h;
    std::string name;
    if (!(fields >> h.bytes) || !take_digest(fields, 64, false, h.sha256) ||
        !take_digest(fields, 32, false, h.md5) || !take_digest(fields, 64, true, h.gzip_sha256) ||
        !take_digest(fields, 32, true, h.gzip_md5) || fields.get() != ' ' ||
        !std::getline(fields, name))
      return {};
    hashes[name] = std::move(h);
  }
  return hashes;
}

FileState::FileState(const std::string& path) {
  struct stat s {};
  if (stat(path.c_str(), &s) != 0)
    throw data_error(path, fmt::format("cannot be read ({})", std::strerror(errno)),
                     "a readable file", "check that it is there and its permissions");
  std::error_code failed;
  path_ = fs::weakly_canonical(path, failed).string();
  if (failed) path_ = path;
  // The time of change too: unpacking sets the time of modification to whatever an archive says.
  key_ = fmt::format("{} {}.{:09} {}.{:09} {}:{}", s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec,
                     s.st_ctim.tv_sec, s.st_ctim.tv_nsec, s.st_dev, s.st_ino);
  changed_ = s.st_ctim.tv_sec;
}

std::string FileState::memory_file(const std::string& cache) const {
  return fmt::format("{}/verified/{}", cache, sha256(path_.data(), path_.size()).substr(0, 32));
}

std::optional<HashesByName> FileState::recall(const std::string& cache) const {
  if (cache.empty()) return {};
  std::ifstream in(memory_file(cache), std::ios::binary);
  return parse_hashes({std::istreambuf_iterator<char>(in), {}}, key_);
}

void FileState::remember(const std::string& cache, const HashesByName& hashes) const {
  if (cache.empty() || std::time(nullptr) - changed_ < racy_seconds) return;
  if (struct stat now{}; stat(path_.c_str(), &now) != 0 || FileState(path_).key_ != key_) return;
  std::error_code ignored;
  fs::create_directories(fs::path(cache) / "verified", ignored);
  const std::string file = memory_file(cache);
  const std::string beside = fmt::format("{}.{}.tmp", file, getpid());
  std::ofstream out(beside, std::ios::binary);
  out << hashes_text(key_, hashes);
  out.close();
  if (out)
    fs::rename(beside, file, ignored);
  else
    fs::remove(beside, ignored);
}

}  // namespace bitwright
