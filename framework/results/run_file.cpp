#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include <bitwright/results/run_file.h>

namespace bitwright {

std::vector<std::size_t> Column::shape() const {
  if (layers.empty()) return {};
  if (bins == 0) return {layers.size()};
  return {layers.size(), bins};
}

std::string Column::place(std::size_t i) const {
  if (layers.empty()) return "";
  if (bins == 0) return layers[i];
  return fmt::format("{}, bin {}", layers[i / bins], i % bins);
}

std::size_t Table::row_width() const {
  std::size_t width = 0;
  for (const Column& column : columns) width += column.width();
  return width;
}

std::size_t TableData::rows() const {
  const std::size_t width = table.row_width();
  return width ? values.size() / width : 0;
}

std::size_t ResultGrid::cells() const {
  std::size_t cells = 1;
  for (const GridAxis& axis : axes) cells *= axis.size();
  return cells;
}

std::vector<std::size_t> ResultGrid::place(std::size_t cell) const {
  std::vector<std::size_t> place(axes.size());
  for (std::size_t a = axes.size(); a-- > 0; cell /= axes[a].size())
    place[a] = cell % axes[a].size();
  return place;
}

std::vector<ResultSlot> standard_wallclock() {
  return {{"started", "s", "when the process began, seconds since 1970-01-01 UTC"},
          {"training", "s", "time spent in training, evaluation during it included"},
          {"steps", "s", "time inside training steps, waiting for data included"},
          {"waiting", "s", "time that training steps waited for their batch"},
          {"total", "s", "time from the start of the process to its end"}};
}

std::string name_of(RunStatus status) {
  switch (status) {
    case RunStatus::running:
      return "running";
    case RunStatus::finished:
      return "finished";
    case RunStatus::stopped:
      return "stopped";
    case RunStatus::failed:
      return "failed";
  }
  return "unknown";
}

/// Where the column `step` stands in a row; the row's width when there is none.
static std::size_t step_offset(const Table& table) {
  std::size_t offset = 0;
  for (const Column& column : table.columns) {
    if (column.name == "step") return offset;
    offset += column.width();
  }
  return offset;
}

Carried carried_until(const RunReader& reader, std::int64_t step) {
  Carried carried;
  carried.results = reader.results();
  for (const ResultGrid& grid : reader.header().grids)
    carried.grids[grid.path] = reader.grid(grid.path).values;
  for (const Event& event : reader.events())
    if (event.step <= step) carried.events.push_back(event);
  for (const Table& table : reader.header().tables) {
    const TableData data = reader.table(table.path);
    const std::size_t width = table.row_width(), at = step_offset(table);
    std::vector<double>& kept = carried.rows[table.path];
    for (std::size_t row = 0; row < data.rows(); ++row) {
      const auto begin = data.values.begin() + static_cast<std::ptrdiff_t>(row * width);
      if (at == width || begin[static_cast<std::ptrdiff_t>(at)] <= static_cast<double>(step))
        kept.insert(kept.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
    }
  }
  return carried;
}

std::string run_file_of(const std::string& run) {
  return std::filesystem::is_directory(run) ? (std::filesystem::path(run) / "run.h5").string()
                                            : run;
}

}  // namespace bitwright
