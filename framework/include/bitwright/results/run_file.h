#pragma once
// run.h5: every metric of a run, readable while it is written and after a kill.
// The file is created complete under a temporary name, switched to SWMR, and only then renamed to
// its own; afterwards rows are appended and existing scalars overwritten, nothing else.

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bitwright {

/// One metric series, stored as a dataset of its table's group.
struct Column {
  std::string name;
  std::string unit;
  std::string description;
  bool integer = false;                  ///< int64 instead of float64
  std::vector<std::string> layers = {};  ///< not empty: 2-D [row][layer], with a `layer` scale
  std::size_t bins = 0;                  ///< not 0: 3-D [row][layer][bin]

  std::size_t width() const {  ///< numbers in a row
    return std::max<std::size_t>(layers.size(), 1) * std::max<std::size_t>(bins, 1);
  }
  std::vector<std::size_t> shape() const;  ///< of a row: [], [layers], [layers, bins]
  /// Which of a row's numbers the i-th is: "", "fc1", "fc1, bin 3".
  std::string place(std::size_t i) const;
};

/// A group of series that share one axis, e.g. path "/metrics/epoch", scale "epoch".
/// `columns` holds the scale itself too. Rows are appended whole.
struct Table {
  std::string path;
  std::string scale;
  std::vector<Column> columns;

  std::size_t row_width() const;  ///< numbers per row, the layers of 2-D columns counted singly
};

/// A scalar under /results or /wallclock, NaN until it is known.
struct ResultSlot {
  std::string name;
  std::string unit;
  std::string description;
};

/// One axis of a grid: numbers, or texts.
struct GridAxis {
  std::string name;
  std::string unit;
  std::string description;
  std::vector<double> numbers = {};
  std::vector<std::string> texts = {};  ///< not empty: instead of numbers
  bool integer = false;                 ///< numbers are stored as int64

  std::size_t size() const { return texts.empty() ? numbers.size() : texts.size(); }
};

/// Results for every combination of some settings, such as accuracies of one network at many
/// precisions: arrays with one dimension for each axis, NaN until they are known.
struct ResultGrid {
  std::string path;  ///< "/grids/NAME"
  std::vector<GridAxis> axes;
  std::vector<ResultSlot> values;  ///< the arrays

  std::size_t cells() const;
  /// Index on each axis of a cell; the last axis is the fastest.
  std::vector<std::size_t> place(std::size_t cell) const;
};

/// A grid as read back.
struct GridData {
  ResultGrid grid;
  std::vector<std::vector<double>> values;  ///< of each array, row-major
};

/// What /wallclock holds unless a header says otherwise.
std::vector<ResultSlot> standard_wallclock();  ///< started, training, steps, waiting, total

/// Everything that is known before the first step.
struct RunHeader {
  std::string experiment;
  std::string config;  ///< resolved configuration, YAML, verbatim
  std::int64_t seed = 0;
  std::map<std::string, std::string> provenance;  ///< version, git, host, cpu, threads, hashes ...
  std::vector<Table> tables;
  std::vector<ResultSlot> results;
  std::vector<ResultSlot> wallclock = standard_wallclock();
  std::vector<ResultGrid> grids = {};
};

/// Rows of one table as read back; columns in the order of `Table::columns`.
struct TableData {
  Table table;
  std::vector<double> values;  ///< row-major, row_width() numbers a row
  std::size_t rows() const;
};

struct Event {
  std::int64_t step = 0;
  std::string kind;  ///< "started", "resumed", "stopped", "warning" ...
  std::string message;
};

/// Rows, events and results that a resumed run takes over from its earlier file.
struct Carried {
  std::map<std::string, std::vector<double>> rows;  ///< by table path, row-major
  std::vector<Event> events;
  std::map<std::string, double> results;
  std::map<std::string, std::vector<std::vector<double>>> grids = {};  ///< by path
};

/// How a run ended, as /status says it.
enum class RunStatus { running = 0, finished = 1, stopped = 2, failed = 3 };
std::string name_of(RunStatus status);

/// Appends to a run file. Not thread-safe. All failures are storage errors (exit status 5); a name
/// that the header does not declare is a bug (std::logic_error).
class RunWriter {
 public:
  using Carried = bitwright::Carried;

  /// Creates the file at `path`. Carried rows are in it from its first moment, and it replaces an
  /// earlier file atomically, so a kill at any moment leaves one good file. The caller holds the
  /// RunLock of the folder.
  static std::unique_ptr<RunWriter> create(const std::string& path, const RunHeader& header,
                                           const Carried& carried = {});
  /// Without close(): writes what it can and leaves the status "running".
  virtual ~RunWriter() = default;

  /// Buffers one row of row_width() numbers in the order of the columns; integer columns are
  /// rounded. `table` indexes RunHeader::tables.
  virtual void append(std::size_t table, std::span<const double> row) = 0;
  /// Buffers an event. Texts over event_kind_bytes or event_message_bytes (UTF-8) are cut.
  virtual void event(const Event& event) = 0;
  virtual void result(const std::string& name, double value) = 0;
  /// The numbers of one cell, one for each array of the grid. `grid` indexes RunHeader::grids.
  virtual void cell(std::size_t grid, std::size_t cell, std::span<const double> values) = 0;
  /// Wall-clock facts of the run, kept apart under /wallclock (seconds).
  virtual void wallclock(const std::string& name, double seconds) = 0;
  /// Makes everything appended so far visible to readers; `sync` also forces it to the disk.
  /// Nothing is written between two flushes.
  virtual void flush(bool sync = false) = 0;
  /// Flushes, writes `/status` (1 finished, 2 stopped, 3 failed) and closes; clears the SWMR flag.
  virtual void close(int status) = 0;
  void close(RunStatus status) { close(static_cast<int>(status)); }

  static constexpr std::size_t event_kind_bytes = 32;
  static constexpr std::size_t event_message_bytes = 480;
};

/// Reads a run file, also one that is being written or whose writer was killed. All failures are
/// storage errors (exit status 5).
class RunReader {
 public:
  static std::unique_ptr<RunReader> open(const std::string& path);
  virtual ~RunReader() = default;
  /// Everything that stood before the first step. Tables come in the order of their creation.
  virtual RunHeader header() const = 0;
  /// All rows that are complete at this moment; of a live file, call again for newer ones.
  virtual TableData table(const std::string& path) const = 0;
  virtual GridData grid(const std::string& path) const = 0;
  virtual std::vector<Event> events() const = 0;
  virtual std::map<std::string, double> results() const = 0;
  virtual std::map<std::string, double> wallclock() const = 0;
  virtual int status() const = 0;  ///< 0 running or killed, 1 finished, 2 stopped, 3 failed
  /// Whether its writer closed it. A writer that lives has not, nor has one that was killed, be it
  /// after the status was written; such a file does not open without SWMR.
  virtual bool closed() const = 0;
  /// "1.0"
  virtual std::string format_version() const = 0;
};

/// What a run that resumes at `step` keeps: the rows and events up to and including that step
/// (judged by the column `step`; tables without one are kept whole), all results and all grids.
Carried carried_until(const RunReader& reader, std::int64_t step);

/// "DIR" or "DIR/run.h5" to "DIR/run.h5".
std::string run_file_of(const std::string& run);

}  // namespace bitwright
