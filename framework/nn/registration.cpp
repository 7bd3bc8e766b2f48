#include "nn/networks.h"

namespace bitwright {

void register_networks(Registries& registries) {
  register_layers(registries);
  register_lenet(registries);
  register_mlp(registries);
  register_resnet(registries);
  register_vgg(registries);
}

}  // namespace bitwright
