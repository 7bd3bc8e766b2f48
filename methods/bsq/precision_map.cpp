#include "precision_map.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include <bitwright/core/glob.h>
#include <bitwright/results/run_file.h>

namespace bitwright::bsq {
namespace {

std::string trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  const auto first = text.find_first_not_of(blank);
  if (first == text.npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(blank) - first + 1));
}

}  // namespace

PrecisionMap::PrecisionMap(const Settings& settings) {
  const std::string& path = settings.text("bits_from");
  where_ = settings.where(path.empty() ? "bits" : "bits_from");
  if (path.ends_with(".h5"))
    add_run(path, where_);
  else if (!path.empty())
    add_file(path, where_);
  for (const std::string& entry : settings.texts("bits")) add(entry, settings.where("bits"));
}

void PrecisionMap::add(const std::string& text, const Place& where) {
  const auto equals = text.rfind('=');
  const std::string pattern = trimmed(text.substr(0, equals));
  const std::string number = equals == text.npos ? "" : trimmed(text.substr(equals + 1));
  int bits = -1;
  const char* const end = number.data() + number.size();
  const auto read = std::from_chars(number.data(), end, bits);
  if (pattern.empty() || read.ec != std::errc{} || read.ptr != end || bits < 0 || bits > kMostBits)
    throw config_error(where, fmt::format("'{}' is no entry of a precision map", text),
                       fmt::format("PATTERN=BITS with 0 to {} bits", kMostBits),
                       "such as layer1.*=6");
  entries_.push_back({pattern, bits, where, false});
}

void PrecisionMap::add_file(const std::string& path, const Place& where) {
  std::ifstream file(path);
  if (!file)
    throw config_error(where, fmt::format("cannot read '{}'", path),
                       "a file of lines PATTERN=BITS, or the run.h5 of a run");
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const std::string entry = trimmed(line.substr(0, line.find('#')));
    if (!entry.empty()) add(entry, {path, number, 1});
  }
  if (entries_.empty())
    throw config_error(where, fmt::format("'{}' has no entries", path), "lines PATTERN=BITS");
}

void PrecisionMap::add_run(const std::string& path, const Place& where) {
  if (!std::filesystem::exists(path))
    throw config_error(where, fmt::format("there is no run file '{}'", path),
                       "the run.h5 of a run with this method", "run that experiment first");
  const auto reader = RunReader::open(path);
  for (const Table& table : reader->header().tables) {
    std::size_t at = 0;
    for (const Column& column : table.columns) {
      if (column.name != "bits" || column.layers.empty()) {
        at += column.width();
        continue;
      }
      const TableData data = reader->table(table.path);
      for (std::size_t layer = 0; layer < column.layers.size(); ++layer)
        for (std::size_t row = data.rows(); row-- > 0;) {
          const double bits = data.values[row * table.row_width() + at + layer];
          if (std::isnan(bits)) continue;
          entries_.push_back({column.layers[layer], static_cast<int>(bits), where, true});
          break;
        }
      at += column.width();
    }
  }
  if (entries_.empty())
    throw config_error(where, fmt::format("'{}' has no per-layer series 'bits'", path),
                       "a run of this method that was validated at least once");
}

std::vector<int> PrecisionMap::bits_of(const std::vector<std::string>& tensors) const {
  std::vector<int> all;
  std::vector<bool> used(entries_.size());
  for (const std::string& tensor : tensors) {
    int bits = -1;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (!glob_match(entries_[i].pattern, tensor)) continue;
      bits = entries_[i].bits;
      used[i] = true;
    }
    if (bits < 0)
      throw config_error(where_, fmt::format("the precision map says nothing of '{}'", tensor),
                         "an entry for every quantized tensor",
                         fmt::format("add {}=BITS, or *=BITS in front, or exclude it", tensor));
    all.push_back(bits);
  }
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (!used[i] && !entries_[i].may_match_nothing)
      throw config_error(entries_[i].where,
                         fmt::format("pattern '{}' matches no tensor", entries_[i].pattern),
                         fmt::format("a pattern for one of {}", fmt::join(tensors, ", ")));
  return all;
}

}  // namespace bitwright::bsq
