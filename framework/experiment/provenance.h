#pragma once
// Where a result comes from.

#include <map>
#include <string>
#include <vector>

namespace bitwright {

/// Version, source state, host, CPU, compiler, libraries, threads, command line. Nothing here
/// depends on the time.
std::map<std::string, std::string> gather_provenance(const std::vector<std::string>& command_line,
                                                     int threads);

/// "0.1.0 (abc1234, modified)"
std::string version_text();

}  // namespace bitwright
