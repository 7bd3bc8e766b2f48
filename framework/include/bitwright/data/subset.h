#pragma once
// Less than a whole data set, chosen by what the configuration says.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <bitwright/data/dataset.h>

namespace bitwright {

/// Which images of a part stay. The rules act in this order.
struct Selection {
  std::vector<std::int64_t> classes;      ///< these only, numbered anew in this order; empty: all
  std::optional<std::int64_t> per_class;  ///< the first so many of each class
  std::optional<std::int64_t> first;      ///< the first so many of those

  bool all() const { return classes.empty() && !per_class && !first; }
};

/// Indices of the images that stay, in ascending order. Throws a configuration error at `where` for
/// a class that is not there or stands twice, and when too few images are there to take.
std::vector<std::uint32_t> selected(const ImageSet& images, const Selection& selection,
                                    const Place& where = {});

/// The images that stay, in memory, with their new labels.
ImageSet select(const ImageSet& images, const Selection& selection, const Place& where = {});

/// "subset: 400 of 60,000 training images, 10 of 100 classes", or nothing when the parts are as
/// large as published.
std::string subset_note(const OfficialSize& official, const ImageSet& train, const ImageSet& test);

}  // namespace bitwright
