#pragma once
// Everything that ships with the program, registered once for all tests.

#include <bitwright/core/registry.h>
#include <bitwright/experiment/builtin.h>

namespace bitwright::test {

/// Never destroyed, so that what was made from them may go at any time.
inline const Registries& builtin_registries() {
  static const Registries* const all = [] {
    auto* registries = new Registries;
    register_builtin_components(*registries);
    return registries;
  }();
  return *all;
}

}  // namespace bitwright::test
