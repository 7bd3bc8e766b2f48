#include "train/network_state.h"

namespace bitwright {

void visit_network(Network& network, MethodStack& methods, StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "network");
    network.visit(visitor);
  }
  const StateScope scope(visitor, "methods");
  methods.visit(visitor);
}

}  // namespace bitwright
