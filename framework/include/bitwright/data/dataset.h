#pragma once
// A data set is three splits of 8-bit images with labels, held as they lie on disk; conversion to
// floating point, normalisation and batching are the loader's business.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <bitwright/core/error.h>

namespace bitwright {

/// Where the user keeps data: `data.root`, else the environment variable BITWRIGHT_DATA, else
/// empty.
struct DataRoot {
  std::string path;
  Place where;  ///< of the setting, for messages
  /// Folder for decoded copies and remembered hashes; empty: nothing is kept.
  std::string cache{};
  bool verify_again = false;  ///< hash files even when their hashes are remembered
};

/// Images of one size, stored one after the other: [count][height][width][channels], 8 bit. They
/// lie in `pixels`, or in a file that is mapped into memory.
struct ImageSet {
  std::int64_t height = 0, width = 0, channels = 0;
  int classes = 0;
  std::vector<std::uint8_t> pixels;
  std::shared_ptr<const std::uint8_t> mapped;  ///< where set, in place of `pixels`
  std::vector<std::int32_t> labels;            ///< in [0, classes)

  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t image_size() const { return height * width * channels; }
  const std::uint8_t* image(std::int64_t i) const {
    return (mapped ? mapped.get() : pixels.data()) + i * image_size();
  }
};

/// Input of a network, known before any data is read.
struct InputSpec {
  std::int64_t channels = 0, height = 0, width = 0;
  int classes = 0;
};

/// Per-channel mean and standard deviation of pixel / 255.
struct Normalization {
  std::vector<double> mean, standard_deviation;
};

/// Size of a set as its makers published it.
struct OfficialSize {
  std::int64_t train = 0, test = 0;
  int classes = 0;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  /// Reads nothing; after train() or test(), what was found counts where fewer classes are there.
  virtual InputSpec input() const = 0;
  /// Images of the training part as far as they are known without reading; else 0.
  virtual std::int64_t known_train_images() const {
    const auto whole = official();
    return whole ? whole->train : 0;
  }
  /// The official training part, before any validation images are split off. Throws data errors.
  virtual ImageSet train() = 0;
  virtual ImageSet test() = 0;
  /// Normalisation presets by name; the first one listed in the data set's options is the default.
  virtual std::map<std::string, Normalization> normalizations() const = 0;
  /// Provenance: name of each source (file or generator parameters) and its SHA-256.
  /// Complete after train() and test() were called.
  virtual std::map<std::string, std::string> hashes() const = 0;
  /// Nothing for sets that have no official size. A set with fewer images or classes than these is
  /// called a subset wherever its name is shown.
  virtual std::optional<OfficialSize> official() const { return {}; }
  /// Names of the classes in the order of the labels; empty when they have none.
  virtual std::vector<std::string> class_names() const { return {}; }
  /// Folders and archives below the root that the set could be read from, whole or not, the one
  /// that is read first. Empty for sets that need no files. Throws data errors.
  virtual std::vector<std::string> copies() const { return {}; }
};

}  // namespace bitwright
