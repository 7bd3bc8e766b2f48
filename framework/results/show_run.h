#pragma once
// What is in a run, for people and for programs.

#include <string>

#include <bitwright/results/run_file.h>

namespace bitwright::results {

/// Configuration, provenance, events, the last row of each table, bits per layer, results. Ends
/// with a line feed.
std::string run_as_text(const std::string& path, const RunReader& reader);

/// The same as one JSON object (FORMAT.md); numbers that are not known are null.
std::string run_as_json(const std::string& path, const RunReader& reader);

}  // namespace bitwright::results
