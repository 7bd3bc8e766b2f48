#include "kernels/convolution.h"

#include "kernels/channels.h"
#include "kernels/convolution_choice.h"

namespace bitwright::kernels {

Convolution::Convolution(const ConvShape& shape) : shape_(shape), choice_(choose(shape)) {}

void Convolution::forward(const void* x, const float* weight, const ConvEpilogueData& more,
                          void* y) {
  if (!forward_) forward_ = entry_of(choice_.forward).forward(shape_);
  forward_->run(x, weight, more, y);
}

void Convolution::backward_data(const void* dy, const float* weight, void* dx) {
  if (!backward_data_) backward_data_ = entry_of(choice_.backward_data).backward_data(shape_);
  backward_data_->run(dy, weight, dx);
}

void Convolution::backward_weights(const void* x, const void* dy, float* dw) {
  if (!backward_weights_)
    backward_weights_ = entry_of(choice_.backward_weights).backward_weights(shape_);
  backward_weights_->run(x, dy, dw);
}

void Convolution::backward_bias(const void* dy, float* db) {
  const std::int64_t rows = shape_.n * shape_.out_h() * shape_.out_w();
  for_float_type(shape_.type, [&]<class T>(T*) {
    column_sums(rows, shape_.out_channels, static_cast<const T*>(dy), db);
  });
}

}  // namespace bitwright::kernels
