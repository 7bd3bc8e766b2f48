#pragma once
// Images that are costly to make, such as decoded JPEGs: made once, kept in a file, mapped into
// memory from then on. framework/data/README.md has the format.

#include <cstdint>
#include <functional>
#include <string>

#include <bitwright/data/dataset.h>

namespace bitwright {

/// Images that are still to be made.
struct ImagePlan {
  std::int64_t height = 0, width = 0, channels = 0;
  int classes = 0;
  std::vector<std::int32_t> labels;  ///< one for each image
  /// Writes image i, height * width * channels bytes. Called once for each, from several threads.
  std::function<void(std::int64_t i, std::uint8_t* to)> make;
};

struct CachedImages {
  ImageSet images;     ///< mapped
  std::string sha256;  ///< of the pixels, then the labels as 32-bit little-endian numbers
  bool made = false;   ///< by this call
};

/// The images in `file` if they were made from `source`, a text that is another one whenever what
/// they are made from is; else those of plan(), which are then in `file`. A file that is damaged is
/// made anew. It is written under another name, synced and renamed: nobody ever sees a part of it,
/// and of several processes one makes it while the others wait. Throws a storage error when the
/// file cannot be written, and whatever plan() and make() throw. `anew`: made in any case.
CachedImages cached_images(const std::string& file, const std::string& source,
                           const std::function<ImagePlan()>& plan, bool anew = false);

}  // namespace bitwright
