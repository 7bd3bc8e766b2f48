#include <utility>

#include <bitwright/train/rounded_weight.h>

namespace bitwright {

// A copy: evaluation and the end of the stage write into the parameter.
RoundedWeight::RoundedWeight(const Parameter& parameter, int bits, Round round, Code code)
    : master_(parameter.value.clone()),
      bits_(bits),
      round_(std::move(round)),
      code_(std::move(code)) {}

void RoundedWeight::write_deployed(Deployment, Tensor& out) const {
  code_(master_).decode(out.values());
}

}  // namespace bitwright
