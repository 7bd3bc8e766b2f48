#include "experiment/histogram_log.h"

#include <algorithm>

#include <bitwright/core/error.h>

namespace bitwright {

HistogramOptions histogram_options(const Settings& settings) {
  return {.every = settings.has("every") ? settings.integer("every") : 0,
          .bins = settings.integer("bins"),
          .weights = settings.boolean("weights"),
          .activations = settings.boolean("activations"),
          .gradients = settings.boolean("gradients")};
}

std::vector<HistogramOf> recorded(const HistogramOptions& options) {
  std::vector<HistogramOf> all;
  if (options.every == 0) return all;
  if (options.weights) all.push_back(HistogramOf::weights);
  if (options.activations) all.push_back(HistogramOf::activations);
  if (options.gradients) all.push_back(HistogramOf::gradients);
  return all;
}

static std::string name_of(HistogramOf of) {
  switch (of) {
    case HistogramOf::weights:
      return "weights";
    case HistogramOf::activations:
      return "activations";
    case HistogramOf::gradients:
      return "gradients";
  }
  throw std::logic_error("histograms of what?");
}

std::vector<Table> histogram_tables(const HistogramOptions& options, const HistogramNames& names) {
  std::vector<Table> tables;
  for (const HistogramOf of : recorded(options)) {
    const auto& layers = of == HistogramOf::activations ? names.layers : names.weights;
    const auto bins = static_cast<std::size_t>(options.bins);
    tables.push_back(
        {"/histograms/" + name_of(of),
         "step",
         {{"step", "steps", "updates done, counted over the whole run", true, {}},
          {"stage", "1", "index of the stage, from 0", true, {}},
          {"low", "1", "smallest finite value: the lower edge of the first bin", false, layers},
          {"high", "1", "largest finite value: the upper edge of the last bin", false, layers},
          {"not_finite", "1", "values that are NaN or Inf, and in no bin", true, layers},
          {"counts", "1", "values in each of the equally wide bins", true, layers, bins}}});
  }
  return tables;
}

std::vector<double> histogram_row(std::int64_t run_step, std::size_t stage,
                                  const HistogramRecord& record) {
  std::vector<double> row{static_cast<double>(run_step), static_cast<double>(stage)};
  row.insert(row.end(), record.low.begin(), record.low.end());
  row.insert(row.end(), record.high.begin(), record.high.end());
  for (const auto* numbers : {&record.not_finite, &record.counts})
    std::ranges::transform(*numbers, std::back_inserter(row),
                           [](std::int64_t n) { return static_cast<double>(n); });
  return row;
}

}  // namespace bitwright
