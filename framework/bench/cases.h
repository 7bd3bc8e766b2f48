#pragma once
// What `bitwright bench` measures: standard networks, number formats, training and evaluation.
//
// bench is a part of its own above experiment: it resolves settings and reports the machine as
// experiments do, and times what train executes; nothing but the command line needs it.

#include <cstdint>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/data/dataset.h>

namespace bitwright::bench {

/// A network with the images and the batch that it is measured on.
struct StandardNet {
  std::string name;     ///< on the command line and in results
  std::string network;  ///< in the registry
  std::string options;  ///< of the entry, as in a YAML flow mapping
  InputSpec input;
  std::int64_t batch = 0;
};

/// One line of the result.
struct Case {
  StandardNet net;
  std::string dtype;        ///< "f32", "bf16"
  std::string mode;         ///< "train", "eval"
  std::string method = {};  ///< a name or a YAML flow mapping; empty: the plain network
};

/// What the command line asks for; an empty list stands for all that there is, of methods for the
/// plain network, which "none" also means.
struct Selection {
  std::vector<std::string> nets, dtypes, modes, methods = {};
};

/// Every combination, nets outermost, methods innermost. Throws a configuration error for a name
/// that does not exist, and for one that is asked for by name but that this program lacks.
std::vector<Case> select(const Registries& registries, const Selection& selection);

/// The settings of a case: sections "network" and "optimizer", the list "methods".
Settings settings_of(const Registries& registries, const Case& chosen);

}  // namespace bitwright::bench
