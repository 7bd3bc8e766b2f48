#include "kernels/dnnl_api.h"

#include <omp.h>

namespace bitwright::kernels::api {

dnnl::engine& engine() {
  static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

dnnl::stream& stream() {
  thread_local dnnl::stream instance(engine());
  return instance;
}

SingleThread::SingleThread() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }
SingleThread::~SingleThread() { omp_set_num_threads(threads_); }

}  // namespace bitwright::kernels::api
