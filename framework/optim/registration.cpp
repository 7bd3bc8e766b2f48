#include <bitwright/core/registry.h>

#include "optim/optimizers.h"
#include "optim/schedules.h"

namespace bitwright {

void register_optimizers(Registries& registries) {
  registries.optimizers.add({"adam", "Adam", "arXiv:1412.6980", adam_options()}, make_adam);
  registries.optimizers.add(
      {"adamw", "Adam with decoupled weight decay", "arXiv:1711.05101", adamw_options()},
      make_adamw);
  registries.optimizers.add({"sgd", "stochastic gradient descent with momentum", "", sgd_options()},
                            make_sgd);
  register_schedules(registries);
}

}  // namespace bitwright
