#include <bitwright/core/error.h>
#include <bitwright/nn/network.h>

#include "nn/layers.h"

namespace bitwright {

NetworkBuilder::NetworkBuilder(InputSpec input)
    : network_(std::make_unique<Network>(input)),
      shape_{input.channels, input.height, input.width} {}

Parameter* NetworkBuilder::add_parameter(const std::string& layer, std::string_view suffix,
                                         ParameterKind kind, Shape shape, std::int64_t fan_in,
                                         std::int64_t fan_out) {
  auto& all = network_->parameters_;
  const int index = all.empty()                 ? 0
                    : all.back().layer == layer ? all.back().layer_index
                                                : all.back().layer_index + 1;
  all.push_back({.name = layer + "." + std::string(suffix),
                 .layer = layer,
                 .kind = kind,
                 .layer_index = index,
                 .fan_in = fan_in,
                 .fan_out = fan_out,
                 .value = Tensor::zeros(std::move(shape))});
  return &all.back();
}

std::string NetworkBuilder::numbered(const std::string& kind) {
  return kind + std::to_string(++unnamed_);
}

NetworkBuilder& NetworkBuilder::conv2d(std::string name, std::int64_t channels, std::int64_t kernel,
                                       ConvGeometry g, bool bias) {
  require(shape_.rank() == 3, name + ": a convolution needs an image");
  const std::int64_t area = kernel * kernel, in = shape_[0];
  const Parameter* weight =
      add_parameter(name, "weight", ParameterKind::conv_weight, Shape{channels, in, kernel, kernel},
                    in * area, channels * area);
  const Parameter* b =
      bias ? add_parameter(name, "bias", ParameterKind::bias, Shape{channels}, 0, 0) : nullptr;
  const auto extent = [&](std::int64_t n) { return (n + 2 * g.padding - kernel) / g.stride + 1; };
  shape_ = Shape{channels, extent(shape_[1]), extent(shape_[2])};
  require(shape_[1] > 0 && shape_[2] > 0, name + ": the image is smaller than the kernel");
  network_->macs_ += shape_.numel() * in * area;
  network_->layers_.push_back(std::make_unique<Conv2dLayer>(std::move(name), weight, b, g));
  return *this;
}

NetworkBuilder& NetworkBuilder::linear(std::string name, std::int64_t features, bool bias) {
  require(shape_.rank() == 1, name + ": flatten before a linear layer");
  const std::int64_t in = shape_[0];
  const Parameter* weight = add_parameter(name, "weight", ParameterKind::linear_weight,
                                          Shape{features, in}, in, features);
  const Parameter* b =
      bias ? add_parameter(name, "bias", ParameterKind::bias, Shape{features}, 0, 0) : nullptr;
  shape_ = Shape{features};
  network_->macs_ += features * in;
  network_->layers_.push_back(std::make_unique<LinearLayer>(std::move(name), weight, b));
  return *this;
}

NetworkBuilder& NetworkBuilder::batch_norm(std::string name, bool affine) {
  const Shape channels{shape_[0]};
  const Parameter *scale = nullptr, *shift = nullptr;
  if (affine) {
    scale = add_parameter(name, "scale", ParameterKind::norm_scale, channels, 0, 0);
    shift = add_parameter(name, "shift", ParameterKind::norm_shift, channels, 0, 0);
  }
  network_->buffers_.push_back({name + ".running_mean", Tensor::zeros(channels)});
  network_->buffers_.push_back({name + ".running_variance", Tensor::full(channels, 1)});
  const auto n = network_->buffers_.size();
  const BatchNormState state{network_->buffers_[n - 2].value, network_->buffers_[n - 1].value};
  network_->layers_.push_back(
      std::make_unique<BatchNormLayer>(std::move(name), scale, shift, state));
  return *this;
}

NetworkBuilder& NetworkBuilder::relu() {
  network_->layers_.push_back(std::make_unique<ReluLayer>(numbered("relu")));
  return *this;
}

NetworkBuilder& NetworkBuilder::max_pool2d(std::int64_t size, std::int64_t stride) {
  require(shape_.rank() == 3, "pooling needs an image");
  shape_ = Shape{shape_[0], (shape_[1] - size) / stride + 1, (shape_[2] - size) / stride + 1};
  network_->layers_.push_back(std::make_unique<MaxPool2dLayer>(numbered("pool"), size, stride));
  return *this;
}

NetworkBuilder& NetworkBuilder::flatten() {
  shape_ = Shape{shape_.numel()};
  network_->layers_.push_back(std::make_unique<FlattenLayer>(numbered("flatten")));
  return *this;
}

std::unique_ptr<Network> NetworkBuilder::build() {
  const auto holds_weights = [](const Parameter& p) {
    return p.kind == ParameterKind::conv_weight || p.kind == ParameterKind::linear_weight;
  };
  std::string first, last;
  for (const Parameter& p : network_->parameters_)
    if (holds_weights(p)) {
      if (first.empty()) first = p.layer;
      last = p.layer;
    }
  for (Parameter& p : network_->parameters_) {
    p.first_layer = p.layer == first;
    p.last_layer = p.layer == last;
  }
  return std::move(network_);
}

}  // namespace bitwright
