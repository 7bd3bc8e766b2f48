#pragma once

namespace bitwright {

struct Registries;
void register_networks(Registries& registries);  ///< all of the below
void register_layers(Registries& registries);    ///< layers, and the network made of them
void register_lenet(Registries& registries);
void register_mlp(Registries& registries);
void register_resnet(Registries& registries);
void register_vgg(Registries& registries);

}  // namespace bitwright
