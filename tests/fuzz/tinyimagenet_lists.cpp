// TinyImageNet's lists: wnids.txt, val_annotations.txt, words.txt and the paths that there are,
// with a zero byte between them.
#include <algorithm>
#include <array>
#include <sstream>
#include <string>

#include "datasets/tinyimagenet/listing.h"
#include "fuzz_input.h"

using namespace bitwright;

namespace {

class Given : public tinyimagenet::Source {
 public:
  Given(const std::uint8_t* data, std::size_t size) {
    const std::string all(reinterpret_cast<const char*>(data), size);
    std::size_t begin = 0;
    for (std::string& part : parts_) {
      const std::size_t end = std::min(all.find('\0', begin), all.size());
      part = all.substr(begin, end - begin);
      begin = std::min(end + 1, all.size());
    }
    std::istringstream lines(parts_[3]);
    for (std::string line; std::getline(lines, line);) paths_.push_back(line);
    std::sort(paths_.begin(), paths_.end());
  }

  const std::vector<std::string>& paths() const override { return paths_; }
  std::string name_of(const std::string& path) const override {
    return path.find('\n') == std::string::npos ? path : "?";
  }
  std::vector<std::uint8_t> read(const std::string& path) const override {
    const std::string& part = parts_[path == "wnids.txt"                 ? 0
                                     : path == "val/val_annotations.txt" ? 1
                                                                         : 2];
    return {part.begin(), part.end()};
  }

 private:
  std::array<std::string, 4> parts_;
  std::vector<std::string> paths_;
};

void check(const tinyimagenet::Listing& listing, std::size_t classes) {
  fuzz::expect(listing.paths.size() == listing.labels.size(), "an image has a label");
  fuzz::expect(!listing.paths.empty(), "there are images");
  for (const std::int32_t label : listing.labels)
    fuzz::expect(label >= 0 && static_cast<std::size_t>(label) < classes, "labels are in range");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Given source(data, size);
  fuzz::may_refuse([&] {
    const auto classes = tinyimagenet::read_classes(source);
    fuzz::expect(tinyimagenet::read_class_names(source, classes).size() == classes.size(),
                 "a class has a name");
    fuzz::may_refuse([&] { check(tinyimagenet::list_train(source, classes), classes.size()); });
    check(tinyimagenet::list_validation(source, classes), classes.size());
  });
  return 0;
}
