#include "experiment/sweep_axes.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include <bitwright/core/rng.h>

namespace bitwright {
namespace {

constexpr std::size_t kLongestLabel = 40, kLongestFolder = 180;

void collect_scalars(const ConfigNode& value, std::vector<std::string>& all) {
  if (value.is_scalar()) all.push_back(value.text);
  for (const ConfigNode& item : value.items) collect_scalars(item, all);
  for (const ConfigNode::Entry& entry : value.entries) collect_scalars(entry.value, all);
}

// What no folder should hold becomes a hyphen, but for those at the end.
std::string fit(const std::string& text) {
  std::string label;
  for (const char c : text) {
    if (c == '+') continue;  // of exponents; a hyphen would turn their sign around
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_';
    if (plain || label.empty() || label.back() != '-') label += plain ? c : '-';
  }
  if (label.size() > kLongestLabel) label.resize(kLongestLabel);
  while (!label.empty() && label.back() == '-') label.pop_back();
  return label;
}

// Labels that several values share are told apart by the value's place in the list, from 1.
std::vector<std::string> labels_of(const std::vector<ConfigNode>& values) {
  std::vector<std::string> all;
  for (const ConfigNode& value : values) all.push_back(folder_label(value));
  const std::vector<std::string> plain = all;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (std::count(plain.begin(), plain.end(), plain[i]) > 1) all[i] += fmt::format(".{}", i + 1);
  return all;
}

// The last part that is no index; with what stands before it where that alone says too little.
std::string default_name(const std::string& key) {
  std::string rest = key;
  while (true) {
    const auto dot = rest.rfind('.');
    const std::string last = dot == std::string::npos ? rest : rest.substr(dot + 1);
    const bool index = last.find_first_not_of("0123456789") == std::string::npos;
    if (dot == std::string::npos || !(index || last == "seed" || last == "name"))
      return fit(index ? key : last + key.substr(rest.size()));
    if (!index) return fit(default_name(rest.substr(0, dot)) + "." + last);
    rest.resize(dot);
  }
}

class AxisReader {
 public:
  AxisReader(const Settings& sweep, const Settings& axis, const ConfigNode* values)
      : kind_(sweep.text("kind")), axis_(axis), values_(values) {}

  SweepAxis read() const {
    SweepAxis axis;
    axis.key = axis_.text("key");
    axis.key_place = axis_.where("key");
    axis.name = axis_.has("name") ? axis_.text("name") : default_name(axis.key);
    if (axis.key == "seed")
      throw config_error(axis.key_place, "seeds have a key of their own", "seeds: [1, 2, 3]",
                         "write it at the top of the file");
    check_folder_name(axis.name, axis_.has("name") ? axis_.where("name") : axis.key_place);
    refuse_what_is_not_used();
    if (axis_.has("values")) {
      axis.values = given_values();
      axis.labels = labels_of(axis.values);
    } else {
      read_bounds(axis);
    }
    return axis;
  }

 private:
  Error wrong(const std::string& key, std::string_view what, std::string_view expected,
              std::string_view remedy) const {
    const Place where = axis_.has(key) ? axis_.where(key) : axis_.place();
    return config_error(where, fmt::format("axis '{}' {}", axis_.text("key"), what), expected,
                        remedy);
  }

  void refuse_what_is_not_used() const {
    const bool drawn = kind_ == "random" && !axis_.has("values");
    if (drawn) return;
    for (const char* key : {"low", "high", "scale", "whole"})
      if (axis_.has(key) && axis_.where(key).file != "default")
        throw wrong(key, fmt::format("has no use for '{}'", key),
                    "values; or kind: random, and low and high", "remove one of the two");
  }

  std::vector<ConfigNode> given_values() const {
    require(values_ != nullptr, "an axis without values");
    if (values_->items.empty())
      throw config_error(values_->place, "the axis takes no value", "values: [a, b, ...]",
                         "give at least one");
    std::set<std::string> known;
    for (const ConfigNode& value : values_->items)
      if (!known.insert(flow_text(value)).second)
        throw config_error(value.place, fmt::format("the axis takes '{}' twice", flow_text(value)),
                           "every value once", "remove one of them");
    return values_->items;
  }

  void read_bounds(SweepAxis& axis) const {
    if (!axis_.has("low") || !axis_.has("high"))
      throw wrong("key", "has no values",
                  kind_ == "random" ? "values, or low and high" : "values: [a, b, ...]",
                  "add them");
    axis.low = axis_.real("low");
    axis.high = axis_.real("high");
    axis.log = axis_.text("scale") == "log";
    axis.whole = axis_.boolean("whole");
    if (!(axis.low < axis.high) || !std::isfinite(axis.high - axis.low))
      throw wrong("high", fmt::format("goes from {} to {}", axis.low, axis.high),
                  "a finite high above low", "correct one of them");
    if (axis.log && axis.low <= 0)
      throw wrong("low", fmt::format("is logarithmic and begins at {}", axis.low),
                  "a number above 0", "correct it, or scale: linear");
  }

  const std::string kind_;
  const Settings& axis_;
  const ConfigNode* const values_;
};

void refuse_twins(const std::vector<SweepAxis>& axes) {
  for (std::size_t i = 0; i < axes.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      if (axes[i].key == axes[j].key)
        throw config_error(axes[i].key_place, fmt::format("two axes set '{}'", axes[i].key),
                           "one axis for each key", "remove one, or put its values into the other");
      if (axes[i].name == axes[j].name)
        throw config_error(axes[i].key_place, fmt::format("two axes are called '{}'", axes[i].name),
                           "a name of its own for each", "add 'name: ...'");
    }
}

// One more value of a cell, and of its folder's name.
void add(SweepCell& cell, const SweepAxis& axis, ConfigNode value, const std::string& label) {
  cell.folder += fmt::format("{}{}-{}", cell.folder.empty() ? "" : "_", axis.name, label);
  cell.choices.push_back({axis.key, std::move(value), axis.key_place});
}

void add(SweepCell& cell, const SweepAxis& axis, std::size_t index) {
  add(cell, axis, axis.values[index], axis.labels[index]);
}

void shorten(std::vector<SweepCell>& cells) {
  for (SweepCell& cell : cells)
    if (cell.folder.size() > kLongestFolder)
      cell.folder =
          fmt::format("{}-{:016x}", cell.folder.substr(0, kLongestFolder), hash_name(cell.folder));
}

// Four digits say enough about what chance chose, and leave names that can be read.
ConfigNode drawn(const SweepAxis& axis, double share) {
  const double value = axis.log ? axis.low * std::pow(axis.high / axis.low, share)
                                : axis.low + share * (axis.high - axis.low);
  const std::string text =
      axis.whole ? fmt::format("{}", std::llround(value)) : fmt::format("{:.4g}", value);
  return ConfigNode::scalar(text, axis.key_place);
}

SweepCell random_cell(const std::vector<SweepAxis>& axes, std::uint64_t seed, std::uint64_t draw) {
  SweepCell cell;
  for (const SweepAxis& axis : axes) {
    const Rng rng(seed, "sweep", hash_name(axis.key));
    if (!axis.values.empty()) {
      add(cell, axis, rng.below(draw, axis.values.size()));
    } else {
      const ConfigNode value = drawn(axis, rng.uniform(draw));
      add(cell, axis, value, folder_label(value));
    }
  }
  return cell;
}

}  // namespace

std::string folder_label(const ConfigNode& value) {
  std::vector<std::string> parts;
  collect_scalars(value, parts);
  const std::string label = fit(fmt::format("{}", fmt::join(parts, "_")));
  return label.empty() ? "empty" : label;
}

std::vector<SweepAxis> sweep_axes(const Settings& sweep, const ConfigNode& node) {
  std::vector<SweepAxis> axes;
  for (const Settings& axis : sweep.sections("axes"))
    axes.push_back(
        AxisReader(sweep, axis, find_path(node, fmt::format("axes.{}.values", axes.size())))
            .read());
  refuse_twins(axes);
  return axes;
}

std::vector<SweepCell> grid_cells(const std::vector<SweepAxis>& axes, const Place& where) {
  std::vector<SweepCell> cells(1);
  for (const SweepAxis& axis : axes) {
    if (cells.size() * axis.values.size() > max_sweep_cells)
      throw config_error(where, fmt::format("the sweep has more than {} cells", max_sweep_cells),
                         "fewer combinations", "give fewer values, or kind: random");
    std::vector<SweepCell> longer;
    for (const SweepCell& cell : cells)
      for (std::size_t i = 0; i < axis.values.size(); ++i) {
        longer.push_back(cell);
        add(longer.back(), axis, i);
      }
    cells = std::move(longer);
  }
  shorten(cells);
  return cells;
}

std::vector<SweepCell> zipped_cells(const std::vector<SweepAxis>& axes, const Settings& sweep) {
  std::vector<SweepCell> cells(axes.front().values.size());
  for (const SweepAxis& axis : axes) {
    if (axis.values.size() != cells.size())
      throw config_error(
          sweep.sections("axes")[static_cast<std::size_t>(&axis - axes.data())].where("values"),
          fmt::format("axis '{}' takes {} values, and '{}' {}", axis.key, axis.values.size(),
                      axes.front().key, cells.size()),
          "as many values on every axis", "add or remove some, or kind: grid");
    for (std::size_t i = 0; i < cells.size(); ++i) add(cells[i], axis, i);
  }
  shorten(cells);
  return cells;
}

std::vector<SweepCell> random_cells(const std::vector<SweepAxis>& axes, const Settings& sweep) {
  const auto samples = static_cast<std::size_t>(sweep.integer("samples"));
  const auto seed = static_cast<std::uint64_t>(sweep.integer("seed"));
  const std::size_t most_draws = 10 * samples + 1000;
  std::vector<SweepCell> cells;
  std::set<std::string> known;
  for (std::size_t draw = 0; cells.size() < samples; ++draw) {
    if (draw == most_draws)
      throw config_error(sweep.where("samples"),
                         fmt::format("only {} different cells were found", cells.size()),
                         "as many as the axes allow", "lower 'samples', or kind: grid");
    SweepCell cell = random_cell(axes, seed, draw);
    if (known.insert(cell.folder).second) cells.push_back(std::move(cell));
  }
  shorten(cells);
  return cells;
}

}  // namespace bitwright
