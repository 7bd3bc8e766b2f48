#pragma once
// How fast batches are made.

#include <cstdint>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>

#include "bench/fed_step.h"

namespace bitwright::bench {

struct LoaderSpeed {
  int workers = 1;  ///< threads that prepare batches; whoever takes them helps
  std::int64_t batches = 0;
  double images_per_s = 0;
};

/// The usual CIFAR training transform: margins of 4 pixels and a crop, a flip by chance,
/// normalisation; batches of 128 from 50,000 images of noise, taken as fast as they come.
/// `batches` to time; 0: for about two seconds.
LoaderSpeed measure_loader(const Registries& registries, int workers, std::int64_t batches);

std::string loader_text(const LoaderSpeed& speed, const std::vector<FedStep>& steps);
std::string loader_as_json(const LoaderSpeed& speed, const std::vector<FedStep>& steps);

}  // namespace bitwright::bench
