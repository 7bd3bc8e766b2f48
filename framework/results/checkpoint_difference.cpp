#include "results/checkpoint_difference.h"

#include <algorithm>
#include <cstring>
#include <map>

#include <fmt/format.h>

#include "results/hdf5.h"
#include "results/memory_file.h"

namespace bitwright::results {
namespace {

using h5::Handle;

// A dataset as it lies in the file: whole numbers, floating-point numbers, or a text.
struct Entry {
  std::string bytes, shape;
  std::size_t size = 0;  // of an element
  H5T_class_t kind = H5T_NO_CLASS;

  std::size_t elements() const { return size == 0 ? 0 : bytes.size() / size; }
  bool same_kind(const Entry& other) const {
    return kind == other.kind && size == other.size && shape == other.shape;
  }
  const char* at(std::size_t element) const { return bytes.data() + element * size; }
};

template <class T>
std::string number(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return fmt::format("{}", value);
}

// "0.25" of an element of a number's type; a text as it is.
std::string text_of(const Entry& entry, std::size_t element) {
  const char* const at = entry.at(element);
  if (entry.kind == H5T_FLOAT) return entry.size == 4 ? number<float>(at) : number<double>(at);
  if (entry.kind == H5T_INTEGER && entry.size == 8) return number<std::int64_t>(at);
  if (entry.kind == H5T_INTEGER && entry.size == 4) return number<std::int32_t>(at);
  if (entry.kind == H5T_INTEGER && entry.size == 1) return number<std::uint8_t>(at);
  return fmt::format("'{}'", std::string_view(entry.bytes.c_str()).substr(0, 40));
}

class Image {
 public:
  explicit Image(const Checkpoint& checkpoint)
      : file_(checkpoint.path()), root_(open_image(file_, checkpoint.image())) {}

  /// Paths of all datasets below a group.
  std::vector<std::string> entries(const std::string& group = "") const {
    const std::string path = group.empty() ? "/" : group;
    const Handle home = file_.own(H5Gopen2(root_, path.c_str(), H5P_DEFAULT), "open " + path);
    std::vector<std::string> all;
    for (const std::string& name : file_.links(home)) {
      const std::string entry = group.empty() ? name : group + "/" + name;
      if (!file_.is_group(home, name)) {
        all.push_back(entry);
        continue;
      }
      for (std::string& inner : entries(entry)) all.push_back(std::move(inner));
    }
    return all;
  }

  Entry read(const std::string& path) const {
    const std::string doing = "read state " + path;
    const Handle set = file_.own(H5Dopen2(root_, path.c_str(), H5P_DEFAULT), doing);
    const Handle type = file_.own(H5Dget_type(set), doing);
    const Handle space = file_.own(H5Dget_space(set), doing);
    Entry entry;
    entry.kind = H5Tget_class(type);
    entry.size = H5Tget_size(type);
    const int rank = H5Sget_simple_extent_ndims(space);
    std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(rank, 0)));
    if (rank > 0) H5Sget_simple_extent_dims(space, extent.data(), nullptr);
    entry.shape = fmt::format("[{}]", fmt::join(extent, ", "));
    const hssize_t points = H5Sget_simple_extent_npoints(space);
    entry.bytes.resize(static_cast<std::size_t>(std::max<hssize_t>(points, 0)) * entry.size);
    if (!entry.bytes.empty())
      file_.check(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, entry.bytes.data()), doing);
    return entry;
  }

 private:
  h5::File file_;
  Handle root_;
};

using Entries = std::map<std::string, Entry>;

// Closes the file before another one is opened: HDF5 takes two files in memory for one.
Entries read_all(const Checkpoint& checkpoint) {
  const Image image(checkpoint);
  Entries all;
  for (const std::string& path : image.entries()) all[path] = image.read(path);
  return all;
}

std::string difference(const Entry& a, const Entry& b) {
  if (!a.same_kind(b)) return fmt::format("of shape {}, and {}", a.shape, b.shape);
  std::size_t differing = 0, first = 0;
  for (std::size_t i = a.elements(); i-- > 0;)
    if (std::memcmp(a.at(i), b.at(i), a.size) != 0) {
      first = i;
      ++differing;
    }
  const std::string values = fmt::format("{}, and {}", text_of(a, first), text_of(b, first));
  if (a.elements() == 1) return values;
  return fmt::format("element {} of {} is {}; {} differ", first, a.elements(), values, differing);
}

}  // namespace

StateComparison compare_states(const Checkpoint& first, const Checkpoint& second) {
  const Entries ours = read_all(first), theirs = read_all(second);
  StateComparison result;
  for (const auto& [path, entry] : ours) {
    const auto other = theirs.find(path);
    if (other == theirs.end()) {
      result.differences.push_back({path, "only the first has it"});
      continue;
    }
    ++result.entries;
    if (entry.same_kind(other->second) && entry.bytes == other->second.bytes) continue;
    result.differences.push_back({path, difference(entry, other->second)});
  }
  for (const auto& [path, entry] : theirs)
    if (!ours.contains(path)) result.differences.push_back({path, "only the second has it"});
  return result;
}

}  // namespace bitwright::results
