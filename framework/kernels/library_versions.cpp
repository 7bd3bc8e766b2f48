#include "kernels/library_versions.h"

#include <fmt/format.h>

#include "kernels/dnnl_api.h"

namespace bitwright::kernels {

std::string onednn_version() {
  const auto* v = dnnl_version();
  return fmt::format("{}.{}.{}", v->major, v->minor, v->patch);
}

std::string instruction_set() {
  return fmt::format("{:#x}", static_cast<unsigned>(dnnl::get_effective_cpu_isa()));
}

std::string algorithms() {
  return "conv2d: oneDNN direct, nhwc, all passes; linear: oneDNN matmul; rest: own kernels";
}

}  // namespace bitwright::kernels
