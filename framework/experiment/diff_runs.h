#pragma once
// Two runs side by side: what was configured, what came out, where it ran.

#include <string>
#include <vector>

#include <bitwright/results/run_file.h>

namespace bitwright {

/// What two runs have under one name; empty where one of them has nothing.
struct Difference {
  std::string name, first, second;
};

struct RunDifferences {
  std::vector<Difference> config;      ///< keys whose values differ
  std::vector<Difference> provenance;  ///< entries that differ
  std::vector<Difference> results;     ///< all that one of them knows, equal ones too
  std::vector<Difference> metrics;     ///< last values of all series, equal ones too
};

RunDifferences diff_runs(const RunReader& first, const RunReader& second);

/// For people: four sections, numbers with their difference.
std::string differences_text(const RunDifferences& differences, const std::string& first,
                             const std::string& second);
/// One JSON object of four lists.
std::string differences_json(const RunDifferences& differences);

}  // namespace bitwright
