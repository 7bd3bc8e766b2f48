#pragma once
// Which images there are and what class each belongs to.

#include <cstdint>
#include <string>
#include <vector>

#include "source.h"

namespace bitwright::tinyimagenet {

struct Listing {
  std::vector<std::string> paths;    ///< of the images
  std::vector<std::int32_t> labels;  ///< line of the class in wnids.txt, from 0
};

/// The classes (WordNet identifiers), one a line of wnids.txt.
std::vector<std::string> read_classes(const Source& source);

/// train/CLASS/images/*, class by class, in the order of their numbers. Folders of classes that
/// wnids.txt does not name are left out; a class without images is a data error.
Listing list_train(const Source& source, const std::vector<std::string>& classes);

/// The images of val/val_annotations.txt, in its order. It is a data error when one has no file, a
/// file has no line, or a line is not understood or names a class that wnids.txt does not.
Listing list_validation(const Source& source, const std::vector<std::string>& classes);

/// The first name that words.txt gives to each class; the identifier where it gives none.
std::vector<std::string> read_class_names(const Source& source,
                                          const std::vector<std::string>& classes);

}  // namespace bitwright::tinyimagenet
