#pragma once
// The embedded data set: digits rendered in code, no files.

#include <map>
#include <string>

#include <bitwright/data/dataset.h>

namespace bitwright::glyphs {

class Glyphs : public Dataset {
 public:
  Glyphs(std::uint64_t generator_seed, std::int64_t train_images, std::int64_t test_images)
      : seed_(generator_seed), train_images_(train_images), test_images_(test_images) {}

  InputSpec input() const override;
  ImageSet train() override { return part("train", train_images_); }
  ImageSet test() override { return part("test", test_images_); }
  std::map<std::string, Normalization> normalizations() const override;
  std::map<std::string, std::string> hashes() const override { return hashes_; }

 private:
  ImageSet part(const std::string& name, std::int64_t count);

  std::uint64_t seed_;
  std::int64_t train_images_, test_images_;
  std::map<std::string, std::string> hashes_;
};

}  // namespace bitwright::glyphs
