#pragma once
// MNIST from a folder with the four official files; README.md describes the layouts accepted.

#include <map>
#include <string>
#include <utility>

#include <bitwright/data/dataset.h>

namespace bitwright::mnist {

class Mnist : public Dataset {
 public:
  explicit Mnist(DataRoot root) : root_(std::move(root)) {}

  InputSpec input() const override { return {1, 28, 28, 10}; }
  ImageSet train() override { return load("train"); }
  ImageSet test() override { return load("t10k"); }
  std::map<std::string, Normalization> normalizations() const override;
  std::map<std::string, std::string> hashes() const override { return hashes_; }

 private:
  ImageSet load(const std::string& part);

  DataRoot root_;
  std::map<std::string, std::string> hashes_;
};

/// Path of the file PART-KIND below `root`, for instance ("t10k", "labels-idx1-ubyte"). Throws a
/// data error that says where was looked and what for.
std::string find_file(const DataRoot& root, const std::string& part, const std::string& kind);

}  // namespace bitwright::mnist
