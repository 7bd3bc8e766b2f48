#pragma once
// CIFAR-10 and CIFAR-100; README.md describes the layouts accepted.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <bitwright/data/data_files.h>
#include <bitwright/data/dataset.h>

#include "batch.h"

namespace bitwright::cifar {

/// What tells the sets apart. The last file of each form is the test part, the others are the
/// training part, in order.
struct Variant {
  std::string name;  ///< in configurations
  DataLayout layout;
  BatchFormat train, test;  ///< of one file
  std::vector<std::string> class_names;
  std::map<std::string, Normalization> normalizations;
};

const Variant& cifar10();
/// With the fine (100 classes) or the coarse labels (20).
const Variant& cifar100(bool coarse);

class Cifar : public Dataset {
 public:
  Cifar(const Variant& variant, DataRoot root, ReadOptions options)
      : variant_(variant), root_(std::move(root)), options_(options) {}

  InputSpec input() const override { return {3, 32, 32, classes()}; }
  ImageSet train() override { return take(train_); }
  ImageSet test() override { return take(test_); }
  std::map<std::string, Normalization> normalizations() const override {
    return variant_.normalizations;
  }
  std::map<std::string, std::string> hashes() const override { return hashes_; }
  std::optional<OfficialSize> official() const override {
    return OfficialSize{50000, 10000, classes()};
  }
  std::vector<std::string> class_names() const override { return variant_.class_names; }
  std::vector<std::string> copies() const override;

 private:
  int classes() const { return static_cast<int>(variant_.class_names.size()); }
  ImageSet take(ImageSet& part);
  void load();

  const Variant& variant_;
  DataRoot root_;
  ReadOptions options_;
  ImageSet train_, test_;  // read together, in one pass over an archive; empty once taken
  std::map<std::string, std::string> hashes_;
};

}  // namespace bitwright::cifar
