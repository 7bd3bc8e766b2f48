#pragma once
// The file format of the image cache.

#include <optional>
#include <string>

#include <bitwright/data/image_cache.h>

namespace bitwright {

/// The images in a file, all check sums compared; nothing when it is not there, damaged in any way,
/// or made from another source.
std::optional<CachedImages> open_image_file(const std::string& path, const std::string& source);

/// Makes the images and writes them to a new file in place of what `path` may be, or leaves that as
/// it is when an exception passes.
void write_image_file(const std::string& path, const std::string& source, const ImagePlan& plan);

}  // namespace bitwright
