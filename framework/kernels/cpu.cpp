#include "kernels/cpu.h"

#include "kernels/dnnl_api.h"

namespace bitwright::kernels {

// oneDNN's instruction sets are bit masks in which a wider set holds the narrower ones.
static bool includes(dnnl::cpu_isa wanted) {
  const auto bits = [](dnnl::cpu_isa isa) { return static_cast<unsigned>(isa); };
  return (bits(dnnl::get_effective_cpu_isa()) & bits(wanted)) == bits(wanted);
}

bool has_amx() { return includes(dnnl::cpu_isa::avx512_core_amx); }
bool has_native_bf16() { return includes(dnnl::cpu_isa::avx512_core_bf16); }

}  // namespace bitwright::kernels
