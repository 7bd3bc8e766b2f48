#pragma once
// What a table needs of a finished run: read from its run file, or from a small text record that
// outlives it.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bitwright {

struct RunRecord {
  std::string experiment;
  std::int64_t seed = 0;
  std::map<std::string, std::string> config;  ///< what decides the numbers, flattened, seed aside
  std::map<std::string, std::string> data;    ///< hashes, by source
  std::map<std::string, std::string> environment;  ///< version, git, cpu, threads ...
  double images = 0;                               ///< training images seen in all stages
  std::map<std::string, double> results;           ///< logged values too; NaN: unknown

  std::string config_hash() const;  ///< SHA-256 of `config`
  std::string revision() const;     ///< "0.1.0 (abc123)"
};

/// Of a run directory; nothing when there is no finished run. `logged` are values of its series and
/// grids (results/logged_value.h) that join the results. Throws storage errors for a run that
/// cannot be read or did not log one of them.
std::optional<RunRecord> record_of_run(const std::string& directory,
                                       const std::set<std::string>& logged = {});

/// JSON, one value a line. Reading throws a storage error for what is no record.
std::string record_text(const RunRecord& record);
RunRecord read_record(const std::string& text, const std::string& file);

/// The keys that decide a run's numbers, flattened ("stages.0.steps"), from a resolved
/// configuration as YAML; without the seed.
std::map<std::string, std::string> deciding_values(const std::string& config);

/// Keys of a record whose values a configuration does not share. Keys that did not exist when the
/// record was made do not count.
std::vector<std::string> conflicts(const RunRecord& record,
                                   const std::map<std::string, std::string>& config);

}  // namespace bitwright
