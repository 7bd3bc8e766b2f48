#include "experiment/summary.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace bitwright {
namespace {

using Results = std::map<std::string, double>;

double value(const Results& results, const std::string& name) {
  const auto at = results.find(name);
  return at == results.end() ? NAN : at->second;
}

std::string percent(double fraction) {
  return std::isnan(fraction) ? "-" : fmt::format("{:.2f} %", 100 * fraction);
}

std::string row(const std::string& name, const Results& results, const std::string& accuracy,
                double bits, double bytes) {
  const double best = value(results, "test_accuracy_" + accuracy);
  if (std::isnan(best)) return "";
  return fmt::format("{:<24}{:>14}{:>14}{:>14.2f}{:>12.1f} kB\n", name, percent(best),
                     percent(value(results, "test_accuracy_" + accuracy + "_last")), bits,
                     bytes / 1000);
}

}  // namespace

std::string summary_table(const Results& results, const std::string& run_file,
                          const std::string& subset) {
  const double float_bytes = value(results, "size_float");
  std::string text = fmt::format("{:<24}{:>14}{:>14}{:>14}{:>15}\n", "network", "test, best",
                                 "test, last", "bits/weight", "size");
  text += row("float reference", results, "float", 32, float_bytes);
  text += row("quantized, soft", results, "soft", 32, float_bytes);
  text += row("quantized, hard", results, "hard", value(results, "bits_per_weight"),
              value(results, "size_hard"));
  text +=
      "best: weights with the highest validation accuracy of the deployed network; "
      "last: after the last step\n";
  if (!subset.empty()) text += "data: " + subset + "\n";
  return text + run_file + "\n";
}

std::string summary_words(const Results& results) {
  std::string text;
  for (const std::string kind : {"float", "hard"})
    if (const double accuracy = value(results, "test_accuracy_" + kind); !std::isnan(accuracy))
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", kind, percent(accuracy));
  return text;
}

std::string sweep_table(const std::vector<NamedResults>& rows) {
  std::size_t widest = 4;
  for (const NamedResults& row : rows) widest = std::max(widest, row.name.size());
  std::string text = fmt::format("{:<{}}{:>10}{:>14}{:>14}{:>14}{:>14}\n", "cell", widest, "state",
                                 "float, test", "soft, test", "hard, test", "bits/weight");
  for (const NamedResults& row : rows) {
    const double bits = value(row.results, "bits_per_weight");
    text += fmt::format("{:<{}}{:>10}", row.name, widest, row.state);
    for (const std::string kind : {"float", "soft", "hard"})
      text += fmt::format("{:>14}", percent(value(row.results, "test_accuracy_" + kind)));
    text += fmt::format("{:>14}\n", std::isnan(bits) ? "-" : fmt::format("{:.2f}", bits));
  }
  return text;
}

std::string summary_json(const Results& results, const std::string& run_file,
                         const std::string& subset) {
  nlohmann::json json{{"run", run_file}};
  if (!subset.empty()) json["subset"] = subset;
  for (const auto& [name, number] : results)
    if (!std::isnan(number)) json["results"][name] = number;
  return json.dump();
}

}  // namespace bitwright
