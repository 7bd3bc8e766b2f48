#pragma once
// Hashes of files that were read once, remembered in the cache folder so that an unchanged file is
// not hashed again. A file counts as unchanged while path, size, times of modification and of
// change and inode are the same. Losing this memory costs time only; it is never needed and never
// trusted when damaged.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bitwright {

/// What is known of a file, or of a member of an archive. Digests are SHA-256 or MD5.
struct Hashes {
  std::uint64_t bytes = 0;            ///< unpacked
  std::string sha256, md5;            ///< of the unpacked bytes
  std::string gzip_sha256, gzip_md5;  ///< of a .gz as it lies; else empty
};
/// By the official name of the file.
using HashesByName = std::map<std::string, Hashes>;

/// A file on disk at the time of the call.
class FileState {
 public:
  /// Throws a data error when there is no such file.
  explicit FileState(const std::string& path);

  /// What was remembered of the file in this state; nothing when `cache` is empty.
  std::optional<HashesByName> recall(const std::string& cache) const;
  /// Remembers. Does nothing when the file has changed meanwhile or so recently that a change might
  /// go unnoticed, or when the cache cannot be written.
  void remember(const std::string& cache, const HashesByName& hashes) const;

 private:
  std::string memory_file(const std::string& cache) const;

  std::string path_;  // absolute
  std::string key_;   // size, times, inode
  std::int64_t changed_ = 0;
};

/// Text form, and back; nothing when a line is not as it should be or the check sum is wrong.
std::string hashes_text(const std::string& key, const HashesByName& hashes);
std::optional<HashesByName> parse_hashes(const std::string& text, const std::string& key);

}  // namespace bitwright
