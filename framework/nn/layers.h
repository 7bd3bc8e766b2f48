#pragma once
// The layers of networks. Each is its geometry, pointers to its parameters, and one line of ops.

#include <string>
#include <utility>

#include <bitwright/nn/network.h>

namespace bitwright {

class NamedLayer : public Layer {
 public:
  explicit NamedLayer(std::string name) : name_(std::move(name)) {}
  const std::string& name() const override { return name_; }

 private:
  std::string name_;
};

class LinearLayer final : public NamedLayer {
 public:
  LinearLayer(std::string name, const Parameter* weight, const Parameter* bias)
      : NamedLayer(std::move(name)), weight_(weight), bias_(bias) {}
  std::string_view kind() const override { return "linear"; }
  Variable forward(Forward& f, const Variable& x) const override {
    return linear(x, f.parameter(weight_), f.parameter(bias_));
  }

 private:
  const Parameter *weight_, *bias_;
};

class Conv2dLayer final : public NamedLayer {
 public:
  Conv2dLayer(std::string name, const Parameter* weight, const Parameter* bias, ConvGeometry g)
      : NamedLayer(std::move(name)), weight_(weight), bias_(bias), geometry_(g) {}
  std::string_view kind() const override { return "conv2d"; }
  Variable forward(Forward& f, const Variable& x) const override {
    return conv2d(x, f.parameter(weight_), f.parameter(bias_), geometry_);
  }

 private:
  const Parameter *weight_, *bias_;
  ConvGeometry geometry_;
};

class BatchNormLayer final : public NamedLayer {
 public:
  BatchNormLayer(std::string name, const Parameter* scale, const Parameter* shift,
                 BatchNormState state)
      : NamedLayer(std::move(name)), scale_(scale), shift_(shift), state_(std::move(state)) {}
  std::string_view kind() const override { return "batch_norm"; }
  Variable forward(Forward& f, const Variable& x) const override {
    return batch_norm(x, f.parameter(scale_), f.parameter(shift_), state_, f.training);
  }

 private:
  const Parameter *scale_, *shift_;
  BatchNormState state_;
};

class ReluLayer final : public NamedLayer {
 public:
  using NamedLayer::NamedLayer;
  std::string_view kind() const override { return "relu"; }
  Variable forward(Forward&, const Variable& x) const override { return relu(x); }
};

class ElementwiseLayer final : public NamedLayer {
 public:
  ElementwiseLayer(std::string name, std::string_view kind, Variable (*function)(const Variable&))
      : NamedLayer(std::move(name)), kind_(kind), function_(function) {}
  std::string_view kind() const override { return kind_; }
  Variable forward(Forward&, const Variable& x) const override { return function_(x); }

 private:
  std::string_view kind_;
  Variable (*function_)(const Variable&);
};

class AvgPool2dLayer final : public NamedLayer {
 public:
  AvgPool2dLayer(std::string name, std::int64_t size, std::int64_t stride, std::int64_t padding)
      : NamedLayer(std::move(name)), size_(size), stride_(stride), padding_(padding) {}
  std::string_view kind() const override { return "avg_pool2d"; }
  Variable forward(Forward&, const Variable& x) const override {
    return avg_pool2d(x, size_, stride_, padding_);
  }

 private:
  std::int64_t size_, stride_, padding_;
};

class MaxPool2dLayer final : public NamedLayer {
 public:
  MaxPool2dLayer(std::string name, std::int64_t size, std::int64_t stride, std::int64_t padding)
      : NamedLayer(std::move(name)), size_(size), stride_(stride), padding_(padding) {}
  std::string_view kind() const override { return "max_pool2d"; }
  Variable forward(Forward&, const Variable& x) const override {
    return max_pool2d(x, size_, stride_, padding_);
  }

 private:
  std::int64_t size_, stride_, padding_;
};

class GlobalAvgPoolLayer final : public NamedLayer {
 public:
  using NamedLayer::NamedLayer;
  std::string_view kind() const override { return "global_avg_pool"; }
  Variable forward(Forward&, const Variable& x) const override { return global_avg_pool(x); }
};

class ShortcutALayer final : public NamedLayer {
 public:
  ShortcutALayer(std::string name, std::int64_t stride, std::int64_t channels)
      : NamedLayer(std::move(name)), stride_(stride), channels_(channels) {}
  std::string_view kind() const override { return "shortcut_a"; }
  Variable forward(Forward&, const Variable& x) const override {
    return shortcut_a(x, stride_, channels_);
  }

 private:
  std::int64_t stride_, channels_;
};

class FlattenLayer final : public NamedLayer {
 public:
  using NamedLayer::NamedLayer;
  std::string_view kind() const override { return "flatten"; }
  Variable forward(Forward&, const Variable& x) const override { return flatten(x); }
};

class ResidualLayer final : public NamedLayer {
 public:
  ResidualLayer(std::string name, Layers body, Layers shortcut)
      : NamedLayer(std::move(name)), body_(std::move(body)), shortcut_(std::move(shortcut)) {}
  std::string_view kind() const override { return "residual"; }
  Variable forward(Forward& f, const Variable& x) const override {
    const Variable y = f.through(body_, x);  // body first, whatever the order of arguments
    return add(y, f.through(shortcut_, x));
  }

 private:
  Layers body_, shortcut_;
};

}  // namespace bitwright
