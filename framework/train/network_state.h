#pragma once
// What a network needs to be evaluated again.

#include <bitwright/core/state.h>

#include "train/method_stack.h"

namespace bitwright {

/// Weights, statistics, and the methods' state, in scopes "network" and "methods".
void visit_network(Network& network, MethodStack& methods, StateVisitor& visitor);

}  // namespace bitwright
