#include "results/run_layout.h"

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <hdf5_hl.h>

namespace bitwright::results {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class Builder {
 public:
  Builder(const h5::File& file, hid_t root) : file_(file), root_(root) {}

  void root_attributes(const RunHeader& header);
  void provenance(const std::map<std::string, std::string>& facts);
  void table(const Table& table);
  void events();
  void slots(const std::string& group, const std::vector<ResultSlot>& slots);
  void grid(const ResultGrid& grid);
  void status();

 private:
  h5::Handle group(const std::string& path);
  h5::Handle scalar(hid_t parent, const std::string& name, hid_t type);
  h5::Handle series(hid_t parent, const std::string& name, hid_t type,
                    const std::vector<std::size_t>& shape = {});
  h5::Handle text_scale(hid_t parent, const std::string& name,
                        const std::vector<std::string>& texts, const std::string& description);
  h5::Handle number_scale(hid_t parent, const GridAxis& axis);
  void describe(hid_t object, const std::string& unit, const std::string& description);
  void attach(hid_t column, hid_t scale, unsigned dimension);

  const h5::File& file_;
  hid_t root_;
  h5::Handle creation_ = h5::dataset_properties();
};

void Builder::root_attributes(const RunHeader& header) {
  file_.put_attribute(root_, "format", run_format);
  file_.put_attribute(root_, "format_version", run_format_version);
  file_.put_attribute(root_, "experiment", header.experiment);
  const h5::Handle space = file_.own(H5Screate(H5S_SCALAR), "write the seed");
  const h5::Handle seed = file_.own(
      H5Acreate2(root_, "seed", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT), "write the seed");
  file_.check(H5Awrite(seed, H5T_NATIVE_INT64, &header.seed), "write the seed");
  file_.put_text(root_, "config", header.config, creation_);
}

void Builder::provenance(const std::map<std::string, std::string>& facts) {
  const h5::Handle home = group("/provenance");
  for (const auto& [name, value] : facts) file_.put_attribute(home, name.c_str(), value);
}

h5::Handle Builder::group(const std::string& path) {
  const h5::Handle properties = h5::group_properties();
  h5::Handle at = file_.own(H5Gopen2(root_, "/", H5P_DEFAULT), "open the root group");
  for (std::size_t begin = 1; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const std::string doing = fmt::format("make group '{}'", path);
    at = file_.own(file_.has_link(at, name)
                       ? H5Gopen2(at, name.c_str(), H5P_DEFAULT)
                       : H5Gcreate2(at, name.c_str(), H5P_DEFAULT, properties, H5P_DEFAULT),
                   doing);
    begin = end + 1;
  }
  return at;
}

void Builder::describe(hid_t object, const std::string& unit, const std::string& description) {
  file_.put_attribute(object, "units", unit);
  file_.put_attribute(object, "description", description);
}

h5::Handle Builder::scalar(hid_t parent, const std::string& name, hid_t type) {
  // Space is taken now: SWMR lets values be overwritten, not storage be added.
  const h5::Handle creation = h5::dataset_properties();
  H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
  const std::string doing = fmt::format("make '{}'", name);
  const h5::Handle space = file_.own(H5Screate(H5S_SCALAR), doing);
  return file_.own(
      H5Dcreate2(parent, name.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT), doing);
}

// Rows of two dimensions (counts in bins) are large and come rarely: each is a chunk of its own,
// written once, and compressed. Chunks of several rows are not: every flush would write them anew
// in another size and, in SWMR mode, leave the old ones behind.
h5::Handle Builder::series(hid_t parent, const std::string& name, hid_t type,
                           const std::vector<std::size_t>& shape) {
  const std::string doing = fmt::format("make '{}'", name);
  const bool compressed = shape.size() > 1;
  std::vector<hsize_t> now{0}, most{H5S_UNLIMITED}, chunk{1};
  for (const std::size_t extent : shape)
    for (auto* extents : {&now, &most, &chunk}) extents->push_back(extent);
  if (!compressed) chunk[0] = std::max<hsize_t>(32, 1024 / (shape.empty() ? 1 : shape[0]));
  const int rank = static_cast<int>(now.size());
  const h5::Handle space = file_.own(H5Screate_simple(rank, now.data(), most.data()), doing);
  const h5::Handle creation = h5::dataset_properties();
  file_.check(H5Pset_chunk(creation, rank, chunk.data()), doing);
  if (compressed) {
    file_.check(H5Pset_shuffle(creation), doing);
    file_.check(H5Pset_deflate(creation, 4), doing);
  }
  // The part of a chunk that holds no rows yet is written as zeros, never as stale memory.
  file_.check(H5Pset_fill_time(creation, H5D_FILL_TIME_ALLOC), doing);
  return file_.own(
      H5Dcreate2(parent, name.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT), doing);
}

h5::Handle Builder::text_scale(hid_t parent, const std::string& name,
                               const std::vector<std::string>& texts,
                               const std::string& description) {
  const std::string doing = fmt::format("make '{}'", name);
  std::size_t bytes = 1;
  for (const std::string& text : texts) bytes = std::max(bytes, text.size());
  std::string packed(bytes * texts.size(), '\0');
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i].copy(&packed[i * bytes], bytes);
  const h5::Handle type = file_.text_type(bytes);
  const hsize_t extent = texts.size();
  const h5::Handle space = file_.own(H5Screate_simple(1, &extent, nullptr), doing);
  h5::Handle set = file_.own(
      H5Dcreate2(parent, name.c_str(), type, space, H5P_DEFAULT, creation_, H5P_DEFAULT), doing);
  file_.check(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()), doing);
  file_.check(H5DSset_scale(set, name.c_str()), doing);
  describe(set, "1", description);
  return set;
}

h5::Handle Builder::number_scale(hid_t parent, const GridAxis& axis) {
  const std::string doing = fmt::format("make '{}'", axis.name);
  const hsize_t extent = axis.size();
  const h5::Handle space = file_.own(H5Screate_simple(1, &extent, nullptr), doing);
  h5::Handle set =
      file_.own(H5Dcreate2(parent, axis.name.c_str(), axis.integer ? H5T_STD_I64LE : H5T_IEEE_F64LE,
                           space, H5P_DEFAULT, creation_, H5P_DEFAULT),
                doing);
  file_.check(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, axis.numbers.data()),
              doing);
  file_.check(H5DSset_scale(set, axis.name.c_str()), doing);
  describe(set, axis.unit, axis.description);
  return set;
}

void Builder::grid(const ResultGrid& grid) {
  const h5::Handle home = group(grid.path);
  std::vector<h5::Handle> scales;
  std::vector<hsize_t> extents;
  std::string names;
  for (const GridAxis& axis : grid.axes) {
    scales.push_back(axis.texts.empty()
                         ? number_scale(home, axis)
                         : text_scale(home, axis.name, axis.texts, axis.description));
    extents.push_back(axis.size());
    names += (names.empty() ? "" : " ") + axis.name;
  }
  file_.put_attribute(home, axes_attribute, names);
  const std::vector<double> unknown(grid.cells(), nan);
  for (const ResultSlot& value : grid.values) {
    const std::string doing = fmt::format("make '{}'", value.name);
    // Space is taken now: SWMR lets values be overwritten, not storage be added.
    const h5::Handle creation = h5::dataset_properties();
    H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
    const h5::Handle space = file_.own(
        H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), doing);
    const h5::Handle set = file_.own(H5Dcreate2(home, value.name.c_str(), H5T_IEEE_F64LE, space,
                                                H5P_DEFAULT, creation, H5P_DEFAULT),
                                     doing);
    describe(set, value.unit, value.description);
    for (std::size_t a = 0; a < scales.size(); ++a)
      attach(set, scales[a], static_cast<unsigned>(a));
    file_.check(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, unknown.data()),
                doing);
  }
}

void Builder::attach(hid_t column, hid_t scale, unsigned dimension) {
  file_.check(H5DSattach_scale(column, scale, dimension), "attach a dimension scale");
}

void Builder::table(const Table& table) {
  const h5::Handle home = group(table.path);
  file_.put_attribute(home, scale_attribute, table.scale);
  const auto add = [&](const Column& column) {
    h5::Handle set =
        series(home, column.name, column.integer ? H5T_STD_I64LE : H5T_IEEE_F64LE, column.shape());
    describe(set, column.unit, column.description);
    return set;
  };
  std::vector<h5::Handle> sets;
  for (const Column& column : table.columns) sets.push_back(add(column));
  const auto is_scale = [&](const Column& column) { return column.name == table.scale; };
  const auto at = std::find_if(table.columns.begin(), table.columns.end(), is_scale);
  const h5::Handle& scale = sets[static_cast<std::size_t>(at - table.columns.begin())];
  file_.check(H5DSset_scale(scale, table.scale.c_str()), "make a dimension scale");

  std::map<std::vector<std::string>, h5::Handle> layer_scales;  // equal lists share one
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const Column& column = table.columns[i];
    if (is_scale(column)) continue;
    attach(sets[i], scale, 0);
    if (column.layers.empty()) continue;
    auto found = layer_scales.find(column.layers);
    if (found == layer_scales.end()) {
      const auto n = layer_scales.size();
      const std::string name = n == 0 ? "layer" : fmt::format("layer_{}", n + 1);
      found =
          layer_scales.emplace(column.layers, text_scale(home, name, column.layers, "layer names"))
              .first;
    }
    attach(sets[i], found->second, 1);
    if (column.bins == 0) continue;
    GridAxis bins{"bin", "1", "index of the bin, from 0", {}, {}, true};
    for (std::size_t b = 0; b < column.bins; ++b) bins.numbers.push_back(static_cast<double>(b));
    attach(sets[i], number_scale(home, bins), 2);
  }
}

void Builder::events() {
  const h5::Handle home = group("/events");
  const h5::Handle step = series(home, "step", H5T_STD_I64LE);
  describe(step, "steps", "training step at which it happened");
  file_.check(H5DSset_scale(step, "step"), "make a dimension scale");
  const auto text = [&](const char* name, std::size_t bytes, const char* description) {
    const h5::Handle set = series(home, name, file_.text_type(bytes));
    describe(set, "1", description);
    attach(set, step, 0);
  };
  text("kind", RunWriter::event_kind_bytes, "started, resumed, stopped, warning ...");
  text("message", RunWriter::event_message_bytes, "what happened");
}

void Builder::slots(const std::string& path, const std::vector<ResultSlot>& slots) {
  const h5::Handle home = group(path);
  for (const ResultSlot& slot : slots) {
    const h5::Handle set = scalar(home, slot.name, H5T_IEEE_F64LE);
    describe(set, slot.unit, slot.description);
    file_.check(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &nan),
                fmt::format("write '{}'", slot.name));
  }
}

void Builder::status() {
  const h5::Handle set = scalar(root_, "status", H5T_STD_I32LE);
  describe(set, "1", "0 running or killed, 1 finished, 2 stopped, 3 failed");
  const int running = 0;
  file_.check(H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &running),
              "write the status");
}

}  // namespace

h5::Handle run_access() {
  h5::Handle properties(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_libver_bounds(properties, H5F_LIBVER_V110, H5F_LIBVER_V110);
  // The kernel looks for signals between two pages of a write: a kill there would leave half of an
  // object header, whose checksum is then wrong for ever. So placed, none crosses a page: the
  // headers that change are those of series, whose size is a few hundred bytes, of a scale 16 more
  // for each series of its table.
  H5Pset_alignment(properties, 1, 1024);
  return properties;
}

void make_layout(const h5::File& file, hid_t root, const RunHeader& header) {
  Builder builder(file, root);
  builder.root_attributes(header);
  builder.status();
  builder.provenance(header.provenance);
  for (const Table& table : header.tables) builder.table(table);
  builder.events();
  builder.slots("/results", header.results);
  builder.slots("/wallclock", header.wallclock);
  for (const ResultGrid& grid : header.grids) builder.grid(grid);
}

}  // namespace bitwright::results
