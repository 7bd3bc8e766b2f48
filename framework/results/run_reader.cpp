#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <hdf5_hl.h>

#include <bitwright/core/error.h>
#include <bitwright/results/run_file.h>

#include "results/folder.h"
#include "results/run_layout.h"

namespace bitwright {

namespace {

using h5::Handle;

class Reader : public RunReader {
 public:
  explicit Reader(const std::string& path);

  RunHeader header() const override;
  TableData table(const std::string& path) const override;
  GridData grid(const std::string& path) const override;
  std::vector<Event> events() const override;
  std::map<std::string, double> results() const override { return scalars("/results"); }
  std::map<std::string, double> wallclock() const override { return scalars("/wallclock"); }
  int status() const override;
  bool closed() const override { return !live_; }
  std::string format_version() const override { return version_; }

 private:
  void open();
  Handle dataset(const std::string& path) const;
  hsize_t length(hid_t set, const std::string& name) const;
  Handle rows(hid_t set, hsize_t count, const std::vector<std::size_t>& shape,
              const std::string& name) const;
  std::vector<std::string> texts(const std::string& path, hsize_t count) const;
  std::map<std::string, double> scalars(const std::string& group) const;
  std::vector<ResultSlot> slots(const std::string& group) const;
  Column column(hid_t set, const std::string& name) const;
  std::vector<std::string> layers(hid_t set) const;
  Table describe_table(const std::string& path) const;
  ResultGrid describe_grid(const std::string& path) const;
  GridAxis axis(hid_t set, const std::string& name) const;
  std::vector<std::string> names(hid_t set, const std::string& what) const;
  std::vector<ResultGrid> grids() const;
  void find_tables(const std::string& group, std::vector<Table>& found) const;

  h5::File file_;
  Handle root_;
  std::string version_;
  bool live_ = false;  ///< opened for reading beside a writer, which may be dead
};

Reader::Reader(const std::string& path) : file_(path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (error) throw storage_error(path, "cannot read the run file: " + error.message());
  if (bytes == 0) throw storage_error(path, "the run file is empty");
  if (!std::ifstream(path).is_open())
    throw storage_error(path, "cannot read the run file: " + results::system_message(errno));
  if (H5Fis_hdf5(path.c_str()) <= 0)
    throw storage_error(path, "not an HDF5 file", "the run.h5 of a run");
  open();
  version_ = file_.check_format(root_, results::run_format, results::run_format_major);
}

void Reader::open() {
  const char* name = file_.name().c_str();
  root_ = Handle(H5Fopen(name, H5F_ACC_RDONLY, H5P_DEFAULT));
  if (root_.valid()) return;
  const std::string cause = h5::last_cause();
  // A plain open is refused while a writer is at work and after it was killed.
  // HDF5 1.14 doubles its wait after each attempt at damaged metadata, from 1 ns: 28 are 0.3 s,
  // the 100 of default never end.
  const Handle access(H5Pcreate(H5P_FILE_ACCESS));
  file_.check(H5Pset_metadata_read_attempts(access, 28), "open the run file");
  root_ = Handle(H5Fopen(name, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, access));
  if (!root_.valid())
    throw storage_error(file_.name(), fmt::format("cannot open the run file: {}", cause));
  live_ = true;
}

Handle Reader::dataset(const std::string& path) const {
  Handle set = file_.own(H5Dopen2(root_, path.c_str(), H5P_DEFAULT), "open " + path);
  if (live_) file_.check(H5Drefresh(set), "read " + path);
  return set;
}

hsize_t Reader::length(hid_t set, const std::string& name) const {
  const Handle space = file_.own(H5Dget_space(set), "read " + name);
  hsize_t extent[3] = {0, 0, 0};
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 1 || rank > 3) file_.damaged(fmt::format("'{}' is not a series", name));
  H5Sget_simple_extent_dims(space, extent, nullptr);
  return extent[0];
}

/// The file space of the first `count` rows.
Handle Reader::rows(hid_t set, hsize_t count, const std::vector<std::size_t>& shape,
                    const std::string& name) const {
  if (length(set, name) < count) file_.damaged(fmt::format("'{}' is shorter than its scale", name));
  Handle space = file_.own(H5Dget_space(set), "read " + name);
  std::vector<hsize_t> block{count};
  block.insert(block.end(), shape.begin(), shape.end());
  const std::vector<hsize_t> start(block.size(), 0);
  if (H5Sget_simple_extent_ndims(space) != static_cast<int>(block.size()))
    file_.damaged(fmt::format("'{}' has another rank", name));
  file_.check(
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, block.data(), nullptr),
      "read " + name);
  return space;
}

std::vector<std::string> Reader::layers(hid_t set) const {
  const auto take = [](hid_t, unsigned, hid_t scale, void* out) -> herr_t {
    *static_cast<Handle*>(out) = Handle(scale);
    H5Iinc_ref(scale);
    return 1;
  };
  Handle scale;
  file_.check(H5DSiterate_scales(set, 1, nullptr, take, &scale), "read the layer names");
  if (!scale.valid()) file_.damaged("a per-layer series has no layer scale");
  return names(scale, "layer");
}

std::vector<std::string> Reader::names(hid_t set, const std::string& what) const {
  const std::string doing = "read the names of scale " + what;
  const Handle type = file_.own(H5Dget_type(set), doing);
  if (H5Tget_class(type) != H5T_STRING) file_.damaged(fmt::format("scale '{}' has no names", what));
  const std::size_t bytes = H5Tget_size(type);
  std::string packed(bytes * length(set, what), '\0');
  file_.check(H5Dread(set, file_.text_type(bytes), H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()),
              doing);
  std::vector<std::string> names;
  for (std::size_t at = 0; at < packed.size(); at += bytes) {
    const std::string padded = packed.substr(at, bytes);
    names.push_back(padded.substr(0, padded.find_last_not_of('\0') + 1));
  }
  return names;
}

Column Reader::column(hid_t set, const std::string& name) const {
  Column column;
  column.name = name;
  column.unit = file_.attribute(set, "units").value_or("");
  column.description = file_.attribute(set, "description").value_or("");
  const Handle type = file_.own(H5Dget_type(set), "read " + name);
  column.integer = H5Tget_class(type) == H5T_INTEGER;
  const Handle space = file_.own(H5Dget_space(set), "read " + name);
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank > 1) column.layers = layers(set);
  if (rank == 3) {
    hsize_t extent[3] = {0, 0, 0};
    H5Sget_simple_extent_dims(space, extent, nullptr);
    column.bins = extent[2];
  }
  return column;
}

Table Reader::describe_table(const std::string& path) const {
  const std::string doing = fmt::format("open table '{}'", path);
  const Handle home = file_.own(H5Gopen2(root_, path.c_str(), H5P_DEFAULT), doing);
  const auto scale = file_.attribute(home, results::scale_attribute);
  if (!scale) file_.damaged(fmt::format("'{}' is not a table", path));
  Table table{.path = path, .scale = *scale, .columns = {}};
  for (const std::string& name : file_.links(home)) {
    if (file_.is_group(home, name)) continue;
    const Handle set = file_.own(H5Dopen2(home, name.c_str(), H5P_DEFAULT), "open " + name);
    if (name != table.scale && H5DSis_scale(set) > 0) continue;  // layer names
    table.columns.push_back(column(set, name));
  }
  return table;
}

void Reader::find_tables(const std::string& group, std::vector<Table>& found) const {
  const Handle home = file_.own(H5Gopen2(root_, group.c_str(), H5P_DEFAULT), "open " + group);
  if (file_.attribute(home, results::scale_attribute)) found.push_back(describe_table(group));
  for (const std::string& name : file_.links(home))
    if (file_.is_group(home, name))
      find_tables(group == "/" ? "/" + name : group + "/" + name, found);
}

std::vector<ResultSlot> Reader::slots(const std::string& group) const {
  const Handle home = file_.own(H5Gopen2(root_, group.c_str(), H5P_DEFAULT), "open " + group);
  std::vector<ResultSlot> slots;
  for (const std::string& name : file_.links(home)) {
    if (file_.is_group(home, name)) continue;
    const Handle set = file_.own(H5Dopen2(home, name.c_str(), H5P_DEFAULT), "open " + name);
    slots.push_back({name, file_.attribute(set, "units").value_or(""),
                     file_.attribute(set, "description").value_or("")});
  }
  return slots;
}

std::map<std::string, double> Reader::scalars(const std::string& group) const {
  std::map<std::string, double> values;
  for (const ResultSlot& slot : slots(group)) {
    const std::string path = group + "/" + slot.name;
    const Handle set = dataset(path);
    const Handle space = file_.own(H5Dget_space(set), "read " + path);
    if (H5Sget_simple_extent_npoints(space) != 1) continue;
    file_.check(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &values[slot.name]),
                "read " + path);
  }
  return values;
}

RunHeader Reader::header() const {
  RunHeader header;
  header.experiment = file_.attribute(root_, "experiment").value_or("");
  header.config = file_.text(root_, "config");
  const Handle seed = file_.own(H5Aopen(root_, "seed", H5P_DEFAULT), "read the seed");
  file_.check(H5Aread(seed, H5T_NATIVE_INT64, &header.seed), "read the seed");
  const Handle provenance =
      file_.own(H5Gopen2(root_, "/provenance", H5P_DEFAULT), "read the provenance");
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  file_.check(H5Aiterate2(provenance, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names),
              "read the provenance");
  for (const std::string& name : names)
    header.provenance[name] = file_.attribute(provenance, name.c_str()).value_or("");
  find_tables("/", header.tables);
  header.results = slots("/results");
  header.wallclock = slots("/wallclock");
  header.grids = grids();
  return header;
}

TableData Reader::table(const std::string& path) const {
  TableData data{.table = describe_table(path), .values = {}};
  const std::size_t width = data.table.row_width();
  // The scale first: every column is at least as long as it.
  const hsize_t count = length(dataset(path + "/" + data.table.scale), data.table.scale);
  data.values.resize(count * width);
  std::size_t offset = 0;
  for (const Column& column : data.table.columns) {
    const std::string name = path + "/" + column.name;
    const Handle set = dataset(name);
    const Handle source = rows(set, count, column.shape(), name);
    const hsize_t shape[2] = {count, column.width()};
    const Handle memory = file_.own(H5Screate_simple(2, shape, nullptr), "read " + name);
    std::vector<double> values(count * column.width());
    if (count > 0)
      file_.check(H5Dread(set, H5T_NATIVE_DOUBLE, memory, source, H5P_DEFAULT, values.data()),
                  "read " + name);
    for (std::size_t row = 0; row < count; ++row)
      std::copy_n(&values[row * column.width()], column.width(),
                  &data.values[row * width + offset]);
    offset += column.width();
  }
  return data;
}

GridAxis Reader::axis(hid_t set, const std::string& name) const {
  GridAxis axis;
  axis.name = name;
  axis.unit = file_.attribute(set, "units").value_or("");
  axis.description = file_.attribute(set, "description").value_or("");
  const Handle type = file_.own(H5Dget_type(set), "read " + name);
  axis.integer = H5Tget_class(type) == H5T_INTEGER;
  if (H5Tget_class(type) == H5T_STRING) {
    axis.texts = names(set, name);
    return axis;
  }
  axis.numbers.resize(length(set, name));
  file_.check(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, axis.numbers.data()),
              "read " + name);
  return axis;
}

ResultGrid Reader::describe_grid(const std::string& path) const {
  const Handle home = file_.own(H5Gopen2(root_, path.c_str(), H5P_DEFAULT), "open " + path);
  ResultGrid grid{.path = path, .axes = {}, .values = {}};
  std::istringstream axes(file_.attribute(home, results::axes_attribute).value_or(""));
  for (std::string name; axes >> name;) grid.axes.push_back(axis(dataset(path + "/" + name), name));
  if (grid.axes.empty()) file_.damaged(fmt::format("'{}' is not a grid", path));
  for (const std::string& name : file_.links(home)) {
    const Handle set = dataset(path + "/" + name);
    if (H5DSis_scale(set) > 0) continue;
    grid.values.push_back({name, file_.attribute(set, "units").value_or(""),
                           file_.attribute(set, "description").value_or("")});
  }
  return grid;
}

std::vector<ResultGrid> Reader::grids() const {
  std::vector<ResultGrid> found;
  if (!file_.has_link(root_, "grids")) return found;  // none, or a file of version 1.1
  const Handle home = file_.own(H5Gopen2(root_, "/grids", H5P_DEFAULT), "open /grids");
  for (const std::string& name : file_.links(home))
    found.push_back(describe_grid("/grids/" + name));
  return found;
}

GridData Reader::grid(const std::string& path) const {
  GridData data{.grid = describe_grid(path), .values = {}};
  for (const ResultSlot& value : data.grid.values) {
    const std::string name = path + "/" + value.name;
    const Handle set = dataset(name);
    const Handle space = file_.own(H5Dget_space(set), "read " + name);
    if (H5Sget_simple_extent_npoints(space) != static_cast<hssize_t>(data.grid.cells()))
      file_.damaged(fmt::format("'{}' does not fit its axes", name));
    std::vector<double>& cells = data.values.emplace_back(data.grid.cells());
    file_.check(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, cells.data()),
                "read " + name);
  }
  return data;
}

std::vector<std::string> Reader::texts(const std::string& path, hsize_t count) const {
  const Handle set = dataset(path);
  const Handle type = file_.own(H5Dget_type(set), "read " + path);
  if (H5Tget_class(type) != H5T_STRING) file_.damaged(fmt::format("'{}' holds no texts", path));
  const std::size_t bytes = H5Tget_size(type);
  const Handle source = rows(set, count, {}, path);
  const Handle memory = file_.own(H5Screate_simple(1, &count, nullptr), "read " + path);
  std::string packed(bytes * count, '\0');
  file_.check(H5Dread(set, file_.text_type(bytes), memory, source, H5P_DEFAULT, packed.data()),
              "read " + path);
  std::vector<std::string> found;
  for (std::size_t at = 0; at < packed.size(); at += bytes) {
    const std::string padded = packed.substr(at, bytes);
    found.push_back(padded.substr(0, padded.find_last_not_of('\0') + 1));
  }
  return found;
}

std::vector<Event> Reader::events() const {
  const Handle set = dataset("/events/step");
  const hsize_t count = length(set, "/events/step");
  if (count == 0) return {};
  std::vector<std::int64_t> steps(count);
  const Handle source = rows(set, count, {}, "/events/step");
  const Handle memory = file_.own(H5Screate_simple(1, &count, nullptr), "read /events");
  file_.check(H5Dread(set, H5T_NATIVE_INT64, memory, source, H5P_DEFAULT, steps.data()),
              "read /events");
  const auto kinds = texts("/events/kind", count), messages = texts("/events/message", count);
  std::vector<Event> events;
  for (std::size_t i = 0; i < count; ++i) events.push_back({steps[i], kinds[i], messages[i]});
  return events;
}

int Reader::status() const {
  const Handle set = dataset("/status");
  int status = 0;
  file_.check(H5Dread(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &status),
              "read the status");
  return status;
}

}  // namespace

std::unique_ptr<RunReader> RunReader::open(const std::string& path) {
  return std::make_unique<Reader>(path);
}

}  // namespace bitwright
