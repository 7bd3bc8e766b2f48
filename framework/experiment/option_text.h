#pragma once
// Declared options in words.

#include <string>

#include <bitwright/core/options.h>

namespace bitwright {

/// "an integer >= 1, in steps", "one of exact, eye", "a list of numbers" ...
std::string describe_type(const Option& option);
/// The range alone: ">= 1", "> 0, <= 1", "" when there is none.
std::string describe_range(const Option& option);
/// A value as YAML.
std::string yaml_text(const OptionValue& value);

}  // namespace bitwright
