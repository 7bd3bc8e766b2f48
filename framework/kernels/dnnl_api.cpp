#include "kernels/dnnl_api.h"

namespace bitwright::kernels::api {

dnnl::engine& engine() {
  static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

dnnl::stream& stream() {
  static dnnl::stream instance(engine());
  return instance;
}

}  // namespace bitwright::kernels::api
