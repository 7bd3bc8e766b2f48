#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bitwright/core/error.h>
#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_file.h>

#include "results/folder.h"
#include "results/rows.h"
#include "results/run_layout.h"

namespace bitwright {

namespace {

using h5::Handle;

void check_header(const RunHeader& header) {
  for (const Table& table : header.tables) {
    require(table.path.size() > 1 && table.path[0] == '/', "a table's path begins with '/'");
    const auto scale = std::find_if(table.columns.begin(), table.columns.end(),
                                    [&](const Column& c) { return c.name == table.scale; });
    require(scale != table.columns.end() && scale->layers.empty(),
            "table '" + table.path + "' lacks its scale among its columns");
    for (const Column& column : table.columns)
      require(column.bins == 0 || !column.layers.empty(), "bins are those of layers");
  }
}

class Writer : public RunWriter {
 public:
  Writer(std::string path, const RunHeader& header, const Carried& carried);
  ~Writer() override;

  void append(std::size_t table, std::span<const double> row) override;
  void event(const Event& event) override;
  void result(const std::string& name, double value) override;
  void cell(std::size_t grid, std::size_t cell, std::span<const double> values) override;
  void wallclock(const std::string& name, double seconds) override;
  void flush(bool sync) override;
  void close(int status) override;

 private:
  struct Series {
    Handle set;
    std::size_t offset = 0, width = 1;  ///< where its numbers stand in a row
    bool integer = false;
    std::vector<std::size_t> shape;  ///< of a row
  };
  struct Stored {
    Table table;
    std::vector<Series> series;  ///< the scale last
    std::vector<double> pending;
    hsize_t rows = 0;
    std::size_t width = 0;
  };
  struct StoredGrid {
    ResultGrid grid;
    std::vector<Handle> sets;
    std::vector<std::vector<double>> values;  ///< of each array
    bool pending = false;
  };
  struct Scalar {
    Handle set;
    double value = 0;
    bool pending = false;
  };

  void fill(const RunHeader& header, const Carried& carried);
  void open_objects();
  void close_objects();
  void leave_open();
  void open_table(Stored& stored);
  void take_over(const Carried& carried);
  void write_pending();
  void write_rows(Stored& stored);
  void write_events();
  void write_grid(StoredGrid& stored);
  void put(const Series& series, const Stored& stored, hsize_t count);
  void set_scalar(const std::string& path, double value);
  void check_in_place();
  void put_back();
  void guarded(const std::function<void()>& writing);
  int descriptor() const;

  std::string path_;
  h5::File file_;
  Handle root_;
  std::vector<Stored> tables_;
  std::vector<StoredGrid> grids_;
  std::map<std::string, Scalar> scalars_;  ///< by path
  Handle event_step_, event_kind_, event_message_, status_;
  std::vector<Event> events_;
  hsize_t event_rows_ = 0;
  struct stat identity_ = {};
  bool abandoned_ = false;
};

Writer::Writer(std::string path, const RunHeader& header, const Carried& carried)
    : path_(std::move(path)), file_(path_) {
  check_header(header);
  results::TemporaryFile temporary(results::temporary_name(path_));
  h5::forget_failed_close();
  root_ = file_.own(H5Fcreate(temporary.path().c_str(), H5F_ACC_TRUNC, h5::file_properties(),
                              results::run_access()),
                    "create the run file");
  try {
    guarded([&] { fill(header, carried); });
  } catch (const Error&) {
    leave_open();
    throw;
  }
  if (fsync(descriptor()) != 0)
    throw results::system_error(path_, "cannot force to the disk", errno);
  results::rename_durably(temporary.path(), path_);
  temporary.keep();
  fstat(descriptor(), &identity_);
}

void Writer::fill(const RunHeader& header, const Carried& carried) {
  results::make_layout(file_, root_, header);
  for (const Table& table : header.tables)
    tables_.push_back({.table = table, .series = {}, .pending = {}, .width = table.row_width()});
  for (const ResultGrid& grid : header.grids)
    grids_.push_back(
        {.grid = grid,
         .sets = {},
         .values = std::vector<std::vector<double>>(
             grid.values.size(),
             std::vector<double>(grid.cells(), std::numeric_limits<double>::quiet_NaN()))});
  for (const ResultSlot& slot : header.results) scalars_["/results/" + slot.name] = {};
  for (const ResultSlot& slot : header.wallclock) scalars_["/wallclock/" + slot.name] = {};
  open_objects();
  take_over(carried);
  write_pending();
  close_objects();
  file_.check_closed("write the run file");
  file_.check(H5Fflush(root_, H5F_SCOPE_GLOBAL), "write the run file");
  file_.check(H5Fstart_swmr_write(root_), "let readers in while writing (SWMR)");
  open_objects();
}

Writer::~Writer() {
  if (!root_.valid()) return;
  try {
    guarded([&] { write_pending(); });
  } catch (const std::exception&) {
    // Whoever drops an unclosed writer is reporting something else already.
  }
  abandoned_ ? leave_open() : close_objects();
}

void Writer::guarded(const std::function<void()>& writing) {
  try {
    writing();
  } catch (const Error&) {
    abandoned_ = true;
    results::write_no_more(root_);
    throw;
  }
}

int Writer::descriptor() const {
  void* fd = nullptr;
  file_.check(H5Fget_vfd_handle(root_, H5P_DEFAULT, &fd), "reach the run file");
  return *static_cast<int*>(fd);
}

void Writer::open_table(Stored& stored) {
  std::size_t offset = 0;
  std::vector<Series> scale;
  for (const Column& column : stored.table.columns) {
    const std::string name = stored.table.path + "/" + column.name;
    Series series{.set = file_.own(H5Dopen2(root_, name.c_str(), H5P_DEFAULT), "open " + name),
                  .offset = offset,
                  .width = column.width(),
                  .integer = column.integer,
                  .shape = column.shape()};
    offset += series.width;
    (column.name == stored.table.scale ? scale : stored.series).push_back(std::move(series));
  }
  stored.series.push_back(std::move(scale.front()));
}

void Writer::open_objects() {
  const auto open = [&](const std::string& name) {
    return file_.own(H5Dopen2(root_, name.c_str(), H5P_DEFAULT), "open " + name);
  };
  for (Stored& stored : tables_) open_table(stored);
  for (auto& [name, scalar] : scalars_) scalar.set = open(name);
  for (StoredGrid& stored : grids_)
    for (const ResultSlot& value : stored.grid.values)
      stored.sets.push_back(open(stored.grid.path + "/" + value.name));
  event_step_ = open("/events/step");
  event_kind_ = open("/events/kind");
  event_message_ = open("/events/message");
  status_ = open("/status");
}

void Writer::close_objects() {
  for (Stored& stored : tables_) stored.series.clear();
  for (auto& [name, scalar] : scalars_) scalar.set.reset();
  for (StoredGrid& stored : grids_) stored.sets.clear();
  for (Handle* set : {&event_step_, &event_kind_, &event_message_, &status_}) set->reset();
}

// HDF5 may crash when it closes a file that it could not write to (1.14, where the space that
// metadata need at the last flush was never recorded). The system closes it when the process ends.
void Writer::leave_open() {
  for (Stored& stored : tables_)
    for (Series& series : stored.series) series.set.release();
  for (auto& [name, scalar] : scalars_) scalar.set.release();
  for (StoredGrid& stored : grids_)
    for (Handle& set : stored.sets) set.release();
  for (Handle* object : {&event_step_, &event_kind_, &event_message_, &status_, &root_})
    object->release();
}

void Writer::take_over(const Carried& carried) {
  for (Stored& stored : tables_) {
    const auto rows = carried.rows.find(stored.table.path);
    if (rows == carried.rows.end()) continue;
    require(rows->second.size() % stored.width == 0, "carried rows are not whole");
    stored.pending = rows->second;
  }
  for (StoredGrid& stored : grids_)
    if (const auto grid = carried.grids.find(stored.grid.path); grid != carried.grids.end()) {
      require(grid->second.size() == stored.values.size(), "a carried grid has other arrays");
      for (std::size_t v = 0; v < stored.values.size(); ++v)
        require(grid->second[v].size() == stored.values[v].size(), "a carried grid has other axes");
      stored.values = grid->second;
      stored.pending = true;
    }
  events_ = carried.events;
  for (const auto& [name, value] : carried.results)
    if (scalars_.contains("/results/" + name)) set_scalar("/results/" + name, value);
}

void Writer::append(std::size_t table, std::span<const double> row) {
  Stored& stored = tables_.at(table);
  require(row.size() == stored.width, "a row of '" + stored.table.path + "' has another width");
  stored.pending.insert(stored.pending.end(), row.begin(), row.end());
}

void Writer::event(const Event& event) { events_.push_back(event); }

void Writer::set_scalar(const std::string& path, double value) {
  const auto at = scalars_.find(path);
  require(at != scalars_.end(), "'" + path + "' was not declared in the run's header");
  at->second.value = value;
  at->second.pending = true;
}

void Writer::result(const std::string& name, double value) {
  set_scalar("/results/" + name, value);
}

void Writer::cell(std::size_t grid, std::size_t cell, std::span<const double> values) {
  StoredGrid& stored = grids_.at(grid);
  require(values.size() == stored.values.size(), "a number for each array of a grid");
  for (std::size_t v = 0; v < values.size(); ++v) stored.values[v].at(cell) = values[v];
  stored.pending = true;
}

void Writer::wallclock(const std::string& name, double seconds) {
  set_scalar("/wallclock/" + name, seconds);
}

void Writer::put(const Series& series, const Stored& stored, hsize_t count) {
  std::vector<double> reals;
  std::vector<std::int64_t> integers;
  for (hsize_t row = 0; row < count; ++row) {
    const double* from = &stored.pending[row * stored.width + series.offset];
    for (std::size_t i = 0; i < series.width; ++i) {
      if (!series.integer) {
        reals.push_back(from[i]);
        continue;
      }
      require(std::isfinite(from[i]), "an integer column was given NaN or infinity");
      integers.push_back(std::llround(from[i]));
    }
  }
  const results::Block block{.at = stored.rows, .count = count, .shape = series.shape};
  if (series.integer)
    results::append_rows(file_, series.set, block, H5T_NATIVE_INT64, integers.data());
  else
    results::append_rows(file_, series.set, block, H5T_NATIVE_DOUBLE, reals.data());
}

void Writer::write_rows(Stored& stored) {
  const hsize_t count = stored.pending.size() / stored.width;
  if (count == 0) return;
  // The scale is last: its length is what readers trust.
  for (const Series& series : stored.series) put(series, stored, count);
  stored.rows += count;
  stored.pending.clear();
}

void Writer::write_events() {
  const hsize_t count = events_.size();
  if (count == 0) return;
  std::vector<std::int64_t> steps;
  std::string kinds, messages;
  for (const Event& event : events_) {
    steps.push_back(event.step);
    kinds += results::fixed_text(event.kind, event_kind_bytes);
    messages += results::fixed_text(event.message, event_message_bytes);
  }
  const auto append = [&](hid_t set, hid_t type, const void* values) {
    results::append_rows(file_, set, {.at = event_rows_, .count = count}, type, values);
  };
  append(event_kind_, file_.text_type(event_kind_bytes), kinds.data());
  append(event_message_, file_.text_type(event_message_bytes), messages.data());
  append(event_step_, H5T_NATIVE_INT64, steps.data());
  event_rows_ += count;
  events_.clear();
}

void Writer::write_grid(StoredGrid& stored) {
  for (std::size_t v = 0; stored.pending && v < stored.sets.size(); ++v) {
    const std::string doing = "write " + stored.grid.path;
    file_.check(H5Dwrite(stored.sets[v], H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                         stored.values[v].data()),
                doing);
    file_.check(H5Dflush(stored.sets[v]), doing);
  }
  stored.pending = false;
}

void Writer::write_pending() {
  for (Stored& stored : tables_) write_rows(stored);
  for (StoredGrid& stored : grids_) write_grid(stored);
  write_events();
  for (auto& [name, scalar] : scalars_) {
    if (!scalar.pending) continue;
    file_.check(
        H5Dwrite(scalar.set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &scalar.value),
        "write " + name);
    file_.check(H5Dflush(scalar.set), "write " + name);
    scalar.pending = false;
  }
}

// The file lives on as long as we have it open.
void Writer::put_back() {
  guarded([&] { write_pending(); });
  abandoned_ = true;
  std::string bytes(static_cast<std::size_t>(::lseek(descriptor(), 0, SEEK_END)), '\0');
  if (::pread(descriptor(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw storage_error(path_, "cannot be read");
  write_atomically(path_, bytes);
}

void Writer::check_in_place() {
  struct stat now = {};
  if (::stat(path_.c_str(), &now) != 0) {
    const std::string cause = results::system_message(errno);
    try {
      put_back();
    } catch (const Error&) {
      throw storage_error(path_, "the run file is gone, and cannot be put back: " + cause,
                          "it must stay while the run writes it");
    }
    throw storage_error(path_, "the run file was removed; it was put back",
                        "it must stay while the run writes it", "continue with --resume");
  }
  if (now.st_ino != identity_.st_ino || now.st_dev != identity_.st_dev)
    throw storage_error(path_, "another file took the place of the run file",
                        "it must stay while the run writes it");
}

void Writer::flush(bool sync) {
  require(root_.valid(), "flush() of a closed run file");
  if (abandoned_) throw storage_error(path_, "the run file could not be written earlier");
  check_in_place();
  guarded([&] {
    write_pending();
    if (sync && fsync(descriptor()) != 0)
      throw results::system_error(path_, "cannot force to the disk", errno);
  });
}

void Writer::close(int status) {
  flush(true);
  guarded([&] {
    file_.check(H5Dwrite(status_, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &status),
                "write the status");
    file_.check(H5Dflush(status_), "write the status");
  });
  close_objects();
  file_.check_closed("close the run file");
  file_.check(H5Fclose(root_.release()), "close the run file");
  results::sync_file(path_);
}

}  // namespace

std::unique_ptr<RunWriter> RunWriter::create(const std::string& path, const RunHeader& header,
                                             const Carried& carried) {
  return std::make_unique<Writer>(path, header, carried);
}

}  // namespace bitwright
