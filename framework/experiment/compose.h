#pragma once
// Files made of files: `extends` and what goes with it.

#include <string>

#include <bitwright/core/options.h>

#include "experiment/config_node.h"

namespace bitwright {

/// The keys that say how a file is put together. They are used up by compose(); no other part of
/// the program sees them.
Options composition_options();

/// The version of experiment files that this program writes and reads.
inline constexpr int config_version = 1;

struct Composed {
  ConfigNode tree;        ///< of the file on top of everything that it extends
  bool fragment = false;  ///< the file is only meant to be extended
};

/// Follows `extends` from the tree of `file`. Of several files the later wins over the earlier, and
/// the file itself over all. Paths are relative to the file that names them. Throws configuration
/// errors that show the chain of files.
Composed compose(ConfigNode tree, const std::string& file);

}  // namespace bitwright
