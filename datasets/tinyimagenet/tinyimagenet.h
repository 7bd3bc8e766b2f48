#pragma once
// TinyImageNet-200 from its official tree or an archive of it; README.md describes what is read.

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <bitwright/data/dataset.h>

#include "listing.h"

namespace bitwright::tinyimagenet {

inline constexpr std::int64_t side = 64;  ///< height and width of an image, pixels

enum class ClassOrder { wnids, alphabetical };

class TinyImageNet : public Dataset {
 public:
  TinyImageNet(DataRoot root, ClassOrder order) : root_(std::move(root)), order_(order) {}

  InputSpec input() const override { return {3, side, side, classes_}; }
  ImageSet train() override { return load("train", list_train); }
  /// The validation part: labels of the official test part were never published.
  ImageSet test() override { return load("val", list_validation); }
  std::map<std::string, Normalization> normalizations() const override;
  std::map<std::string, std::string> hashes() const override { return hashes_; }
  std::optional<OfficialSize> official() const override { return {{100'000, 10'000, 200}}; }
  std::vector<std::string> class_names() const override;
  std::vector<std::string> copies() const override;

 private:
  using List = std::function<Listing(const Source&, const std::vector<std::string>&)>;
  ImageSet load(const std::string& part, const List& list);

  DataRoot root_;
  ClassOrder order_;
  int classes_ = 200;
  std::map<std::string, std::string> hashes_;
};

}  // namespace bitwright::tinyimagenet
