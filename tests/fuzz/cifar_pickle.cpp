// Files of CIFAR's Python version.
#include "cifar_batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return bitwright::fuzz::read_cifar_batch(data, size, &bitwright::cifar::read_python_batch);
}
