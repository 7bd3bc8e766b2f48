#pragma once
// The small table at the end of a run.

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bitwright {

/// Rows for the float reference and the quantized network, soft and hard, as far as `results` (by
/// the names of run.h5's /results) has them, then what `subset` says of the data, if anything, and
/// where the run lies.
std::string summary_table(const std::map<std::string, double>& results, const std::string& run_file,
                          const std::string& subset);

/// The test accuracies in a few words: "float 96.10 %, hard 94.03 %".
std::string summary_words(const std::map<std::string, double>& results);

/// What is known of one of several runs.
struct NamedResults {
  std::string name;
  std::string_view state;
  std::map<std::string, double> results;
};

/// A row for each run: its name, how it ended, test accuracies, bits per weight.
std::string sweep_table(const std::vector<NamedResults>& rows);

/// The same as summary_table() as one JSON object; results that are not known are left out.
std::string summary_json(const std::map<std::string, double>& results, const std::string& run_file,
                         const std::string& subset);

}  // namespace bitwright
