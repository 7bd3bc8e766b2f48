#include "results/show_grid.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace bitwright::results {
namespace {

using Json = nlohmann::ordered_json;

std::string label(const GridAxis& axis, std::size_t i) {
  return axis.texts.empty() ? fmt::format("{}", axis.numbers[i]) : axis.texts[i];
}

std::size_t longest_axis(const ResultGrid& grid) {
  std::size_t longest = 0;
  for (std::size_t a = 1; a < grid.axes.size(); ++a)
    if (grid.axes[a].size() > grid.axes[longest].size()) longest = a;
  return longest;
}

/// Lines of words, each column as wide as its widest word.
std::string aligned(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths;
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], line[i].size());
    }
  std::string text;
  for (const auto& line : lines) {
    text += " ";
    for (std::size_t i = 0; i < line.size(); ++i)
      text += fmt::format(" {:>{}}", line[i], widths[i]);
    text += "\n";
  }
  return text;
}

class TableText {
 public:
  explicit TableText(const GridData& data)
      : grid_(data.grid), columns_(longest_axis(data.grid)), strides_(grid_.axes.size(), 1) {
    for (std::size_t a = grid_.axes.size(); a-- > 1;)
      strides_[a - 1] = strides_[a] * grid_.axes[a].size();
  }

  std::string operator()(const ResultSlot& value, const std::vector<double>& cells) const {
    std::string text = fmt::format("{}: {}{}\n", grid_.path, value.name, fixed());
    std::vector<std::vector<std::string>> lines(1);
    for (std::size_t a : rows()) lines[0].push_back(grid_.axes[a].name);
    const GridAxis& across = grid_.axes[columns_];
    lines[0].push_back(across.name);
    for (std::size_t i = 0; i < across.size(); ++i) lines[0].push_back(label(across, i));
    for (std::size_t cell = 0; cell < cells.size(); ++cell) {
      const std::vector<std::size_t> place = grid_.place(cell);
      if (place[columns_] != 0) continue;
      std::vector<std::string>& line = lines.emplace_back();
      for (std::size_t a : rows()) line.push_back(label(grid_.axes[a], place[a]));
      line.emplace_back();
      for (std::size_t i = 0; i < across.size(); ++i) {
        const double number = cells[cell + i * strides_[columns_]];
        line.push_back(std::isnan(number) ? "-" : fmt::format("{:.4f}", number));
      }
    }
    return text + aligned(lines);
  }

 private:
  std::vector<std::size_t> rows() const {
    std::vector<std::size_t> all;
    for (std::size_t a = 0; a < grid_.axes.size(); ++a)
      if (a != columns_ && grid_.axes[a].size() > 1) all.push_back(a);
    return all;
  }
  std::string fixed() const {
    std::string text;
    for (std::size_t a = 0; a < grid_.axes.size(); ++a)
      if (a != columns_ && grid_.axes[a].size() == 1)
        text += fmt::format(", {} {}", grid_.axes[a].name, label(grid_.axes[a], 0));
    return text;
  }

  const ResultGrid& grid_;
  std::size_t columns_;
  std::vector<std::size_t> strides_;
};

Json nested(const ResultGrid& grid, const std::vector<double>& cells, std::size_t axis,
            std::size_t& next) {
  Json list = Json::array();
  for (std::size_t i = 0; i < grid.axes[axis].size(); ++i)
    list.push_back(axis + 1 == grid.axes.size() ? Json(cells[next++])
                                                : nested(grid, cells, axis + 1, next));
  return list;
}

}  // namespace

std::string grid_as_text(const GridData& data) {
  std::string text;
  const TableText table(data);
  for (std::size_t v = 0; v < data.values.size(); ++v)
    text += table(data.grid.values[v], data.values[v]);
  return text;
}

Json grid_as_json(const GridData& data) {
  Json axes = Json::object(), values = Json::object();
  for (const GridAxis& axis : data.grid.axes)
    axes[axis.name] = axis.texts.empty() ? Json(axis.numbers) : Json(axis.texts);
  for (std::size_t v = 0; v < data.values.size(); ++v) {
    std::size_t next = 0;
    values[data.grid.values[v].name] = nested(data.grid, data.values[v], 0, next);
  }
  return {{"axes", axes}, {"values", values}};
}

}  // namespace bitwright::results
