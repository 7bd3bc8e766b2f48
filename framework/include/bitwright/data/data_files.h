#pragma once
// Where the files of a data set lie and whether they are whole. A data set describes its files
// once, as a DataLayout; from that come the search below data.root, reading from folders and
// archives alike, the comparison with the official hashes, and the messages.
//
//   const DataCopy copy = find_copy(root, layout);
//   const auto files = read_copy(copy, root, layout, {}, [&](const FileRole& role, ByteStream&
//   bytes) { ... });

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <bitwright/data/byte_stream.h>
#include <bitwright/data/dataset.h>

namespace bitwright {

/// A file as its makers published it.
struct OfficialFile {
  std::uint64_t bytes = 0;                ///< unpacked; 0: no official file is known
  std::vector<std::string> digests;       ///< of the unpacked bytes, MD5 or SHA-256, hexadecimal
  std::vector<std::string> gzip_digests;  ///< of the .gz as published
};

/// A file that a set cannot do without.
struct WantedFile {
  std::vector<std::string> names;  ///< the official one, then other spellings in use
  bool may_be_gzip = false;        ///< also met with .gz
  OfficialFile official;
};

/// One of the forms in which a set is published, such as CIFAR's binary and Python versions.
struct DataForm {
  std::string what;
  std::vector<WantedFile> files;
};

struct DataLayout {
  std::string set;                    ///< "CIFAR-10"
  std::string fetch;                  ///< what scripts/fetch-data calls it
  std::vector<std::string> folders;   ///< below the root, in order of preference; "": the root.
                                      ///< Upper and lower case count as equal.
  std::vector<std::string> archives;  ///< how names of archives with the set begin
  std::vector<DataForm> forms;        ///< in order of preference
  std::map<std::string, std::string> strangers;  ///< digests of other sets' files -> their set
};

/// Files of a set that lie together.
struct DataCopy {
  std::string path;                ///< folder or archive
  bool archive = false;            ///< what is in it turns out when it is read
  std::size_t form = 0;            ///< of a folder
  std::vector<std::string> files;  ///< of a folder: path of each file of the form; "": missing
  bool whole() const;              ///< of a folder: nothing is missing
};

/// What lies below the root, which may also be one of the folders or archives itself: whole
/// folders first, then archives, then folders that lack files. Throws a data error when no root is
/// set or it cannot be read.
std::vector<DataCopy> find_copies(const DataRoot& root, const DataLayout& layout);

/// The first of them. When there is none, or only with files missing, one data error says what was
/// looked for, what lies there, and what to do; LMDB, .npz, .csv and the like are named.
DataCopy find_copy(const DataRoot& root, const DataLayout& layout);

/// Which of a layout's files is read: layout.forms[form].files[file].
struct FileRole {
  std::size_t form = 0, file = 0;
};

/// What was read.
struct ReadFile {
  std::string name;    ///< the official name
  std::string path;    ///< for messages
  std::string sha256;  ///< of the unpacked bytes
  std::uint64_t bytes = 0;
  /// Compared with the official file: the same; of another size; of its size with another hash; of
  /// its size, and no official hash of this packing is known.
  enum class Verdict { official, other_size, changed, unknown } verdict = Verdict::unknown;
};

struct ReadOptions {
  /// Refuse a file that has the official size and not the official hash.
  bool refuse_changed = true;
};

/// Calls `visit` once for every file of the copy: a folder's in the order of the form, an archive's
/// in the archive's order and in one pass. Returns the files in the order of the form. Throws data
/// errors: what `visit` throws, damaged packing, files missing from an archive, refused hashes.
/// Hashes are remembered below root.cache and not computed again for an unchanged file, unless
/// root.verify_again.
std::vector<ReadFile> read_copy(const DataCopy& copy, const DataRoot& root,
                                const DataLayout& layout, const ReadOptions& options,
                                const std::function<void(const FileRole&, ByteStream&)>& visit);

}  // namespace bitwright
