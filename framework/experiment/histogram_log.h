#pragma once
// Histograms in a run file: the tables /histograms/weights, activations, gradients.

#include <vector>

#include <bitwright/core/options.h>
#include <bitwright/results/run_file.h>

#include "train/histograms.h"

namespace bitwright {

/// As the section log.histograms says.
HistogramOptions histogram_options(const Settings& settings);

/// What has a table, in the order of the tables; empty where there are no histograms.
std::vector<HistogramOf> recorded(const HistogramOptions& options);

/// The table of each of them.
std::vector<Table> histogram_tables(const HistogramOptions& options, const HistogramNames& names);

/// The row of such a table.
std::vector<double> histogram_row(std::int64_t run_step, std::size_t stage,
                                  const HistogramRecord& record);

}  // namespace bitwright
