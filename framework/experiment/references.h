#pragma once

#include "experiment/config_node.h"

namespace bitwright {

/// Replaces references in values, once everything is merged and overridden:
///   ${stages.float.steps}         the value of another key: also a list or a mapping, if it is all
///                                 that stands there
///   ${env:STEPS}                  an environment variable
///   ${env:STEPS:-4000}            the same with a default; also for keys
///   ${stages.float.steps / 5}     + - * / ( ), round(), floor(), ceil() on numbers; a minus sign
///                                 behind a name needs a space, since names may hold one
///   $${                           the characters ${
/// With `partial`, a reference to a key that is not there stays as it is. Throws configuration
/// errors for all that cannot be replaced; circles show their chain.
void replace_references(ConfigNode& root, bool partial = false);

}  // namespace bitwright
