#pragma once
// The scripts of the source tree, for the commands that one of them carries out.

#include <string>

namespace bitwright {

/// Debian's Python, the one that has Debian's modules.
inline constexpr const char* kPython = "/usr/bin/python3";

/// Path of scripts/NAME: the program lies somewhere below the folder that holds scripts/. Throws a
/// configuration error when it does not.
std::string source_script(const std::string& name);

}  // namespace bitwright
