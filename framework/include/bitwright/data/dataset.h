#pragma once
// A data set is three splits of 8-bit images with labels, held as they lie on disk; conversion to
// floating point, normalisation and batching are the loader's business.

#include <cstdint>
#include <map>
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
};

/// Images of one size, stored one after the other: [count][height][width][channels], 8 bit.
struct ImageSet {
  std::int64_t height = 0, width = 0, channels = 0;
  int classes = 0;
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;  ///< in [0, classes)

  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t image_size() const { return height * width * channels; }
  const std::uint8_t* image(std::int64_t i) const { return pixels.data() + i * image_size(); }
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

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual InputSpec input() const = 0;  ///< reads nothing
  /// The official training part, before any validation images are split off. Throws data errors.
  virtual ImageSet train() = 0;
  virtual ImageSet test() = 0;
  /// Normalisation presets by name; the first one listed in the data set's options is the default.
  virtual std::map<std::string, Normalization> normalizations() const = 0;
  /// Provenance: name of each source (file or generator parameters) and its SHA-256.
  /// Complete after train() and test() were called.
  virtual std::map<std::string, std::string> hashes() const = 0;
};

}  // namespace bitwright
