#include "kernels/library_versions.h"

#include <fmt/format.h>

#include "kernels/convolution_rule.h"
#include "kernels/dnnl_api.h"

namespace bitwright::kernels {

std::string onednn_version() {
  const auto* v = dnnl_version();
  return fmt::format("{}.{}.{}", v->major, v->minor, v->patch);
}

std::string instruction_set() {
  const auto isa = dnnl::get_effective_cpu_isa();
  switch (isa) {  // the names that oneDNN 2 and 3 share
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    default:
      return fmt::format("{:#x}", static_cast<unsigned>(isa));
  }
}

std::string algorithms() {
  return fmt::format(
      "conv2d: rule {} (Winograd F(4x4, 3x3), patches, dense or oneDNN direct, nhwc); "
      "linear: oneDNN matmul; rest: own kernels",
      kConvolutionRule);
}

}  // namespace bitwright::kernels
