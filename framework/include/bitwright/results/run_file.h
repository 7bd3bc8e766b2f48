#pragma once
// run.h5: every metric of a run, readable while it is written and after a kill.
// The file is created complete under a temporary name, switched to SWMR, and only then renamed to
// its own; afterwards rows are appended and existing scalars overwritten, nothing else.

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
};

/// A group of series that share one axis, e.g. path "/metrics/epoch", scale "epoch".
/// `columns` holds the scale itself too. Rows are appended whole.
struct Table {
  std::string path;
  std::string scale;
  std::vector<Column> columns;

  std::size_t row_width() const;  ///< numbers per row, the layers of 2-D columns counted singly
};

/// A scalar under /results, NaN until it is known.
struct ResultSlot {
  std::string name;
  std::string unit;
  std::string description;
};

/// Everything that is known before the first step.
struct RunHeader {
  std::string experiment;
  std::string config;  ///< resolved configuration, YAML, verbatim
  std::int64_t seed = 0;
  std::map<std::string, std::string> provenance;  ///< version, git, host, cpu, threads, hashes ...
  std::vector<Table> tables;
  std::vector<ResultSlot> results;
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

/// Appends to a run file. Not thread-safe. All failures are storage errors (exit status 5).
class RunWriter {
 public:
  /// Creates DIR/run.h5. `seed_rows` carries over earlier rows, events and results (resume): the
  /// new file replaces the old one atomically, so a kill at any moment leaves one good file.
  struct Carried {
    std::map<std::string, std::vector<double>> rows;  ///< by table path
    std::vector<Event> events;
    std::map<std::string, double> results;
  };
  static std::unique_ptr<RunWriter> create(const std::string& path, const RunHeader& header,
                                           const Carried& carried = {});
  virtual ~RunWriter() = default;

  /// Buffers one row; integer columns are rounded. `table` indexes RunHeader::tables.
  virtual void append(std::size_t table, std::span<const double> row) = 0;
  virtual void event(const Event& event) = 0;
  virtual void result(const std::string& name, double value) = 0;
  /// Wall-clock facts of the run, kept apart under /wallclock (seconds).
  virtual void wallclock(const std::string& name, double seconds) = 0;
  /// Makes everything appended so far visible to readers; `sync` also forces it to the disk.
  virtual void flush(bool sync = false) = 0;
  /// Writes `/status` (1 finished, 2 stopped, 3 failed) and closes; clears the SWMR flag.
  virtual void close(int status) = 0;
};

/// Reads a run file, also one that is being written or whose writer was killed.
class RunReader {
 public:
  static std::unique_ptr<RunReader> open(const std::string& path);
  virtual ~RunReader() = default;
  virtual RunHeader header() const = 0;
  virtual TableData table(const std::string& path) const = 0;
  virtual std::vector<Event> events() const = 0;
  virtual std::map<std::string, double> results() const = 0;
  virtual int status() const = 0;  ///< 0 running or killed, 1 finished, 2 stopped, 3 failed
};

}  // namespace bitwright
