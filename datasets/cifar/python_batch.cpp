#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <bitwright/core/error.h>

#include "batch.h"
#include "pickle.h"

namespace bitwright::cifar {

namespace {

using Kind = PickleValue::Kind;

constexpr const char* other_version = "fetch the file again, or use the binary version";

// The dictionary that each file of the Python version is.
class Batch {
 public:
  Batch(const Pickle& pickle, const BatchFormat& format, const std::string& file)
      : pickle_(pickle), format_(format), file_(file) {
    if (root().kind != Kind::dictionary) fail("the pickle is no dictionary", expected_keys());
    check_keys();
  }

  // [count][3072]
  const PickleValue& images() const {
    const PickleValue& data = value("data");
    if (data.kind != Kind::array || data.columns != image_size)
      fail(fmt::format("'data' is no array of {} columns", image_size), expected_keys());
    if (data.integer == 0) fail("0 images", "at least one image");
    if (data.integer > format_.capacity)
      fail(fmt::format("{} images", data.integer),
           fmt::format("at most {}, as many as the official file has", format_.capacity));
    return data;
  }

  std::vector<int> labels(const LabelKind& kind, std::int64_t count) const {
    const PickleValue& list = value(kind.name);
    if (list.kind != Kind::list || static_cast<std::int64_t>(list.items.size()) != count)
      fail(fmt::format("'{}' is no list of {} labels", kind.name, count),
           "one label for each image");
    std::vector<int> labels;
    for (const PickleValue::Ref ref : list.items) {
      const PickleValue& label = pickle_.at(ref);
      if (label.kind != Kind::integer || label.integer < 0 || label.integer >= kind.classes)
        fail(fmt::format("{} in '{}' of record {} (counted from 0)",
                         label.kind == Kind::integer ? fmt::format("label {}", label.integer)
                                                     : "no integer",
                         kind.name, labels.size()),
             fmt::format("0 to {}", kind.classes - 1));
      labels.push_back(static_cast<int>(label.integer));
    }
    return labels;
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& expected) const {
    throw data_error(file_, what, expected, other_version);
  }

  const PickleValue& root() const { return pickle_.at(pickle_.root); }

  std::vector<std::string> keys() const {
    std::vector<std::string> names{"data", "filenames", "batch_label"};
    for (const LabelKind& kind : format_.labels) names.push_back(kind.name);
    return names;
  }

  std::string expected_keys() const {
    return fmt::format("a dictionary with the keys {}; 'data' is an array [n][{}] of bytes",
                       fmt::join(keys(), ", "), image_size);
  }

  void check_keys() const {
    const std::vector<std::string> known = keys();
    std::vector<std::string_view> seen;
    for (std::size_t i = 0; i < root().items.size(); i += 2) {
      const PickleValue& key = pickle_.at(root().items[i]);
      if (key.kind != Kind::text || std::find(known.begin(), known.end(), key.text) == known.end())
        fail("the dictionary has an unknown key", expected_keys());
      if (std::find(seen.begin(), seen.end(), key.text) != seen.end())
        fail(fmt::format("the key '{}' occurs twice", key.text), expected_keys());
      seen.push_back(key.text);
    }
  }

  const PickleValue& value(const std::string& name) const {
    for (std::size_t i = 0; i < root().items.size(); i += 2)
      if (pickle_.at(root().items[i]).text == name) return pickle_.at(root().items[i + 1]);
    fail(fmt::format("the dictionary lacks '{}'", name), expected_keys());
  }

  const Pickle& pickle_;
  const BatchFormat& format_;
  const std::string& file_;
};

}  // namespace

void read_python_batch(ByteStream& bytes, const BatchFormat& format, BatchSink& sink) {
  // Beside its pixels an image takes a label or two and a file name, about 40 bytes.
  const auto limit = static_cast<std::size_t>(format.capacity * (image_size + 256) + (1 << 16));
  const std::vector<std::uint8_t> file = read_all(bytes, limit);
  const Pickle pickle =
      parse_pickle({reinterpret_cast<const char*>(file.data()), file.size()}, bytes.name());
  const Batch batch(pickle, format, bytes.name());
  const PickleValue& images = batch.images();
  std::vector<int> labels;
  for (std::size_t i = 0; i < format.labels.size(); ++i) {
    auto all = batch.labels(format.labels[i], images.integer);
    if (i == format.wanted) labels = std::move(all);
  }
  const auto* const pixels = reinterpret_cast<const std::uint8_t*>(images.text.data());
  for (std::int64_t i = 0; i < images.integer; ++i)
    sink.add(pixels + i * image_size, labels[static_cast<std::size_t>(i)]);
}

}  // namespace bitwright::cifar
