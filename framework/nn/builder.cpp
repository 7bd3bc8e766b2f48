#include <utility>

#include <fmt/format.h>

#include <bitwright/core/error.h>
#include <bitwright/nn/network.h>

#include "nn/layers.h"

namespace bitwright {

NetworkBuilder::NetworkBuilder(InputSpec input, Place where)
    : network_(std::make_unique<Network>(input)),
      where_(std::move(where)),
      shape_{input.channels, input.height, input.width} {}

NetworkBuilder& NetworkBuilder::initialization(Initialization how) {
  network_->initialization_ = how;
  return *this;
}

NetworkBuilder& NetworkBuilder::at(Place where) {
  where_ = std::move(where);
  return *this;
}

std::string NetworkBuilder::named(std::string_view name, std::string_view kind) {
  const std::string own = name.empty() ? fmt::format("{}{}", kind, ++unnamed_) : std::string(name);
  std::string full = scope_ + own;
  if (!names_.insert(full).second)
    throw config_error(where_, fmt::format("two layers are called '{}'", full),
                       "a name of its own for each", "rename one");
  return full;
}

template <class L, class... Args>
NetworkBuilder& NetworkBuilder::append(std::string name, Args&&... args) {
  network_->layers_.push_back(std::make_unique<L>(std::move(name), std::forward<Args>(args)...));
  const Layer& layer = *network_->layers_.back();
  std::int64_t before = 0;
  for (const LayerSummary& earlier : network_->summary_) before += earlier.macs;
  network_->summary_.push_back(
      {layer.name(), std::string(layer.kind()), shape_, network_->macs_ - before});
  return *this;
}

Parameter* NetworkBuilder::add_parameter(const std::string& layer, std::string_view suffix,
                                         ParameterKind kind, Shape shape, std::int64_t fan_in,
                                         std::int64_t fan_out) {
  constexpr std::int64_t most = 1'000'000'000;  // elements: 4 GB of weights, far beyond a CPU's use
  auto& all = network_->parameters_;
  parameter_elements_ += static_cast<double>(shape.numel());
  if (parameter_elements_ > most)
    throw config_error(where_,
                       fmt::format("with layer '{}' the network has {:.3g} parameters", layer,
                                   parameter_elements_),
                       fmt::format("at most {}", most), "make it smaller");
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

Parameter* NetworkBuilder::add_bias(const std::string& layer, std::int64_t count) {
  return add_parameter(layer, "bias", ParameterKind::bias, Shape{count}, 0, 0);
}

void NetworkBuilder::require_image(const std::string& layer) const {
  if (shape_.rank() != 3)
    throw config_error(where_, fmt::format("'{}' has no image to work on", layer),
                       "a layer before 'flatten' or 'global_avg_pool'", "move it there");
}

// The shape behind a window that slides over the image.
void NetworkBuilder::slide(const std::string& layer, std::int64_t channels, std::int64_t window,
                           ConvGeometry g) {
  require_image(layer);
  const auto extent = [&](std::int64_t n) {
    if (n + 2 * g.padding < window)
      throw config_error(
          where_, fmt::format("the image is {}x{} at layer '{}'", shape_[1], shape_[2], layer),
          fmt::format("at least {0}x{0}", window - 2 * g.padding),
          "choose a network with fewer strides or pools, or larger images");
    return (n + 2 * g.padding - window) / g.stride + 1;
  };
  shape_ = Shape{channels, extent(shape_[1]), extent(shape_[2])};
}

NetworkBuilder& NetworkBuilder::conv2d(std::string_view given, std::int64_t channels,
                                       std::int64_t kernel, ConvGeometry g, bool bias) {
  const std::string name = named(given, "conv2d");
  require_image(name);
  const std::int64_t area = kernel * kernel, all = shape_[0], in = all / g.groups;
  if (all % g.groups != 0 || channels % g.groups != 0)
    throw config_error(
        where_,
        fmt::format("'{}' has {} channels in, {} out and {} groups", name, all, channels, g.groups),
        "numbers of channels that the groups divide", "change one of them");
  slide(name, channels, kernel, g);
  const Parameter* weight =
      add_parameter(name, "weight", ParameterKind::conv_weight, Shape{channels, in, kernel, kernel},
                    in * area, channels / g.groups * area);
  const Parameter* b = bias ? add_bias(name, channels) : nullptr;
  network_->macs_ += shape_.numel() * in * area;
  return append<Conv2dLayer>(name, weight, b, g);
}

NetworkBuilder& NetworkBuilder::linear(std::string_view given, std::int64_t features, bool bias) {
  const std::string name = named(given, "linear");
  if (shape_.rank() != 1)
    throw config_error(where_, fmt::format("'{}' would work on an image", name),
                       "features: a linear layer behind 'flatten' or 'global_avg_pool'",
                       "put one before it");
  const std::int64_t in = shape_[0];
  const Parameter* weight = add_parameter(name, "weight", ParameterKind::linear_weight,
                                          Shape{features, in}, in, features);
  const Parameter* b = bias ? add_bias(name, features) : nullptr;
  shape_ = Shape{features};
  network_->macs_ += features * in;
  return append<LinearLayer>(name, weight, b);
}

NetworkBuilder& NetworkBuilder::batch_norm(std::string_view given, bool affine) {
  const std::string name = named(given, "batch_norm");
  const Shape channels{shape_[0]};
  const Parameter *scale = nullptr, *shift = nullptr;
  if (affine) {
    scale = add_parameter(name, "scale", ParameterKind::norm_scale, channels, 0, 0);
    shift = add_parameter(name, "shift", ParameterKind::norm_shift, channels, 0, 0);
  }
  const BatchNormState state{Tensor::zeros(channels), Tensor::full(channels, 1)};
  network_->buffers_.push_back({name + ".running_mean", state.running_mean});
  network_->buffers_.push_back({name + ".running_variance", state.running_variance});
  return append<BatchNormLayer>(name, scale, shift, state);
}

NetworkBuilder& NetworkBuilder::relu(std::string_view name) {
  return append<ReluLayer>(named(name, "relu"));
}

NetworkBuilder& NetworkBuilder::elementwise(std::string_view kind,
                                            Variable (*function)(const Variable&),
                                            std::string_view name) {
  return append<ElementwiseLayer>(named(name, kind), kind, function);
}

NetworkBuilder& NetworkBuilder::max_pool2d(std::int64_t size, std::int64_t stride,
                                           std::int64_t padding, std::string_view given) {
  const std::string name = named(given, "pool");
  slide(name, shape_[0], size, {.stride = stride, .padding = padding});
  return append<MaxPool2dLayer>(name, size, stride, padding);
}

NetworkBuilder& NetworkBuilder::avg_pool2d(std::int64_t size, std::int64_t stride,
                                           std::int64_t padding, std::string_view given) {
  const std::string name = named(given, "pool");
  slide(name, shape_[0], size, {.stride = stride, .padding = padding});
  return append<AvgPool2dLayer>(name, size, stride, padding);
}

NetworkBuilder& NetworkBuilder::global_avg_pool(std::string_view given) {
  const std::string name = named(given, "pool");
  require_image(name);
  shape_ = Shape{shape_[0]};
  return append<GlobalAvgPoolLayer>(name);
}

NetworkBuilder& NetworkBuilder::shortcut_a(std::int64_t stride, std::int64_t channels,
                                           std::string_view given) {
  const std::string name = named(given, "shortcut");
  slide(name, channels, 1, {.stride = stride});
  return append<ShortcutALayer>(name, stride, channels);
}

NetworkBuilder& NetworkBuilder::flatten(std::string_view name) {
  shape_ = Shape{shape_.numel()};
  return append<FlattenLayer>(named(name, "flatten"));
}

NetworkBuilder& NetworkBuilder::scope(std::string_view name, const Part& part) {
  const std::string outer = scope_;
  scope_ += std::string(name) + ".";
  part(*this);
  scope_ = outer;
  return *this;
}

Layers NetworkBuilder::branch(const Part& part) {
  Layers outer = std::exchange(network_->layers_, {});
  if (part) part(*this);
  return std::exchange(network_->layers_, std::move(outer));
}

NetworkBuilder& NetworkBuilder::residual(std::string_view given, const Part& body,
                                         const Part& shortcut) {
  const std::string name = named(given, "residual");
  const Shape before = shape_;
  Layers bodies = branch(body);
  const Shape sum = std::exchange(shape_, before);
  Layers shortcuts = branch(shortcut);
  if (shape_ != sum)
    throw config_error(where_,
                       fmt::format("the branches of '{}' have the shapes {} and {}", name,
                                   sum.str(), shape_.str()),
                       "one shape", "give the shortcut the channels and stride of the body");
  return append<ResidualLayer>(name, std::move(bodies), std::move(shortcuts));
}

void NetworkBuilder::require_logits() const {
  if (shape_ == Shape{classes()}) return;
  throw config_error(where_, fmt::format("the network ends with the shape {}", shape_.str()),
                     fmt::format("{}, one output per class", Shape{classes()}.str()),
                     "end it with 'linear', which takes the number of classes by itself");
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
