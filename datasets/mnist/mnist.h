#pragma once
// MNIST and the sets that took over its format and file names, Fashion-MNIST and KMNIST; README.md
// describes the layouts accepted.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <bitwright/data/data_files.h>
#include <bitwright/data/dataset.h>

namespace bitwright::mnist {

/// What tells the sets apart.
struct Variant {
  std::string name;   ///< in configurations
  DataLayout layout;  ///< files: training images and labels, test images and labels
  std::vector<std::string> class_names;
  Normalization normalization;  ///< the preset called like the set
};

const Variant& mnist();
const Variant& fashion_mnist();
const Variant& kmnist();

class Mnist : public Dataset {
 public:
  Mnist(const Variant& variant, DataRoot root, ReadOptions options = {})
      : variant_(variant), root_(std::move(root)), options_(options) {}

  InputSpec input() const override { return {1, 28, 28, 10}; }
  ImageSet train() override { return take(train_); }
  ImageSet test() override { return take(test_); }
  std::map<std::string, Normalization> normalizations() const override {
    return {{variant_.name, variant_.normalization}};
  }
  std::map<std::string, std::string> hashes() const override { return hashes_; }
  std::optional<OfficialSize> official() const override { return OfficialSize{60000, 10000, 10}; }
  std::vector<std::string> class_names() const override { return variant_.class_names; }
  std::vector<std::string> copies() const override;

 private:
  ImageSet take(ImageSet& part);
  void load();

  const Variant& variant_;
  DataRoot root_;
  ReadOptions options_;
  ImageSet train_, test_;  // read together; empty once taken
  std::map<std::string, std::string> hashes_;
};

}  // namespace bitwright::mnist
