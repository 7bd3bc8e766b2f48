#pragma once
// Comma-separated values (RFC 4180).

#include <string>
#include <vector>

namespace bitwright::results {

/// One line with its end; fields are quoted where they must be.
std::string csv_line(const std::vector<std::string>& fields);

}  // namespace bitwright::results
