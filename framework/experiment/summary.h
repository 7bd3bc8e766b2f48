#pragma once
// The small table at the end of a run.

#include <map>
#include <string>

namespace bitwright {

/// Rows for the float reference and the quantized network, soft and hard, as far as `results` (by
/// the names of run.h5's /results) has them, then what `subset` says of the data, if anything, and
/// where the run lies.
std::string summary_table(const std::map<std::string, double>& results, const std::string& run_file,
                          const std::string& subset);

/// The same as one JSON object; results that are not known are left out.
std::string summary_json(const std::map<std::string, double>& results, const std::string& run_file,
                         const std::string& subset);

}  // namespace bitwright
