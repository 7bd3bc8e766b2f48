#include "bench/report.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiment/provenance.h"

namespace bitwright::bench {

using Json = nlohmann::ordered_json;

std::string machine_text(int threads, const std::string& pytorch) {
  auto facts = gather_provenance({}, threads);
  std::string text = fmt::format(
      "bitwright {} ({}), {} build, {}\n{}, {} thread{}, {}\noneDNN {}, oneTBB {}",
      facts["version"], facts["git"], facts["build"], facts["compiler"], facts["cpu"], threads,
      threads == 1 ? "" : "s", facts["instruction_set"], facts["onednn"], facts["tbb"]);
  if (!pytorch.empty()) text += ", PyTorch " + pytorch;
  return text + "\n";
}

std::string table_head(bool compared) {
  std::string head =
      fmt::format("{:<14} {:<4} {:<5} {:>5} {:>10} {:>10} {:>10} {:>9} {:>7} {:>7}", "net", "type",
                  "mode", "batch", "ms", "least ms", "images/s", "step/sum", "peak MB", "allocs");
  if (compared)
    head += fmt::format(" {:>10} {:>8} {:>6} {:<13} {}", "PyTorch ms", "its MB", "ratio",
                        "(spread)", "its settings");
  return head + "\n";
}

std::string table_row(const Row& row) {
  const Case& c = row.measured;
  const Measurement& m = row.ours;
  std::string text = fmt::format(
      "{:<14} {:<4} {:<5} {:>5} {:>10.3f} {:>10.3f} {:>10.0f} {:>9.3f} {:>7.0f} {:>7}",
      c.method.empty() ? c.net.name : c.net.name + " " + c.method, c.dtype, c.mode, c.net.batch,
      m.median_ms, m.min_ms, 1000 * static_cast<double>(c.net.batch) / m.median_ms,
      m.median_ms / m.primitives_sum_ms, m.peak_rss_mb, m.allocations);
  if (row.peer)
    text += fmt::format(" {:>10.3f} {:>8.0f} {:>6.2f} {:<13} {}", row.peer->median_ms,
                        row.peer->peak_rss_mb, row.peer->ratio,
                        fmt::format("({:.2f}..{:.2f})", row.peer->ratio_min, row.peer->ratio_max),
                        row.peer->settings);
  return text + "\n";
}

// Six digits are more than any clock here is good for.
static double rounded(double value) { return std::stod(fmt::format("{:.6g}", value)); }

static Json row_as_json(const Row& row) {
  const Case& c = row.measured;
  const Measurement& m = row.ours;
  Json json = {{"net", c.net.name},
               {"dtype", c.dtype},
               {"mode", c.mode},
               {"method", c.method.empty() ? Json() : Json(c.method)},
               {"batch", c.net.batch},
               {"threads", row.threads},
               {"median_ms", rounded(m.median_ms)},
               {"min_ms", rounded(m.min_ms)},
               {"images_per_s", rounded(1000 * static_cast<double>(c.net.batch) / m.median_ms)},
               {"peak_rss_mb", rounded(m.peak_rss_mb)},
               {"allocations", m.allocations},
               {"primitives_sum_ms", rounded(m.primitives_sum_ms)},
               {"parameters", m.parameters},
               {"steps", m.steps},
               {"repetitions", row.repetitions}};
  if (row.peer) {
    json["pytorch_ms"] = rounded(row.peer->median_ms);
    json["ratio"] = rounded(row.peer->ratio);
    json["ratio_min"] = rounded(row.peer->ratio_min);
    json["ratio_max"] = rounded(row.peer->ratio_max);
    json["pytorch_peak_rss_mb"] = rounded(row.peer->peak_rss_mb);
    json["pytorch_settings"] = row.peer->settings;
  }
  return json;
}

std::string rows_as_json(const std::vector<Row>& rows) {
  Json all = Json::array();
  for (const Row& row : rows) all.push_back(row_as_json(row));
  return all.dump(2) + "\n";
}

Measurement measurement_from_json(const std::string& json) {
  const Json row = Json::parse(json).at(0);
  return {.steps = row.at("steps"),
          .median_ms = row.at("median_ms"),
          .min_ms = row.at("min_ms"),
          .primitives_sum_ms = row.at("primitives_sum_ms"),
          .allocations = row.at("allocations"),
          .peak_rss_mb = row.at("peak_rss_mb"),
          .parameters = row.at("parameters")};
}

}  // namespace bitwright::bench
