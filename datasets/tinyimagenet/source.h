#pragma once
// The files of the set, wherever they lie.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/data/dataset.h>

namespace bitwright::tinyimagenet {

/// Files by their path below the folder that holds wnids.txt, such as "val/val_annotations.txt".
class Source {
 public:
  virtual ~Source() = default;
  /// Sorted.
  virtual const std::vector<std::string>& paths() const = 0;
  /// Throws a data error that names the file when it is not there or cannot be read. Thread-safe.
  virtual std::vector<std::uint8_t> read(const std::string& path) const = 0;
  /// What messages call a file.
  virtual std::string name_of(const std::string& path) const = 0;
};

/// Where a copy of the set lies.
struct Copy {
  std::string path;  ///< folder with wnids.txt, or archive
  bool archive = false;
};

/// The copies below the root, which may be one itself: folders, then archives.
std::vector<Copy> find_copies(const DataRoot& root);
/// The first of them; a data error says where was looked and what for.
Copy find_copy(const DataRoot& root);

/// Lists a folder, or takes in an archive: all of it lies in memory then.
std::unique_ptr<Source> open_source(const Copy& copy);

/// Another text whenever a file of the copy has another name, size or time of modification.
std::string fingerprint(const Copy& copy);

}  // namespace bitwright::tinyimagenet
