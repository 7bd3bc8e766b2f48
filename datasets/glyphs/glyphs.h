#pragma once
// The embedded data set: digits rendered in code, no files. Grey 28x28, or in colour.

#include <map>
#include <optional>
#include <string>

#include <bitwright/data/dataset.h>

#include "generator.h"

namespace bitwright::glyphs {

class Glyphs : public Dataset {
 public:
  /// Without a colour style: grey.
  Glyphs(std::uint64_t generator_seed, std::int64_t train_images, std::int64_t test_images,
         std::optional<ColorStyle> color = {})
      : seed_(generator_seed),
        train_images_(train_images),
        test_images_(test_images),
        color_(color) {}

  InputSpec input() const override;
  std::int64_t known_train_images() const override { return train_images_; }
  ImageSet train() override { return part("train", train_images_); }
  ImageSet test() override { return part("test", test_images_); }
  std::map<std::string, Normalization> normalizations() const override;
  std::map<std::string, std::string> hashes() const override { return hashes_; }

 private:
  ImageSet part(const std::string& name, std::int64_t count);

  std::uint64_t seed_;
  std::int64_t train_images_, test_images_;
  std::optional<ColorStyle> color_;
  std::map<std::string, std::string> hashes_;
};

}  // namespace bitwright::glyphs
