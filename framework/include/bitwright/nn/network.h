#pragma once
// Networks: named parameters and buffers, and a forward pass written with ops.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/autograd/ops.h>
#include <bitwright/core/state.h>
#include <bitwright/data/dataset.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

enum class ParameterKind { conv_weight, linear_weight, bias, norm_scale, norm_shift };
std::string_view name_of(ParameterKind kind);  ///< "conv_weight" ...

/// One learnable tensor of a network. Weights are plain OIHW or [out, in].
struct Parameter {
  std::string name;   ///< "fc1.weight"; unique in its network
  std::string layer;  ///< "fc1"
  ParameterKind kind = ParameterKind::linear_weight;
  int layer_index = 0;       ///< position among the layers that have parameters, from 0
  bool first_layer = false;  ///< of the first / last layer with weights
  bool last_layer = false;
  std::int64_t fan_in = 0;   ///< inputs of one output, kernel area included; 0 for 1-D tensors
  std::int64_t fan_out = 0;  ///< outputs fed by one input, kernel area included
  Tensor value;
};

/// Running statistics and the like: state of a layer that no optimizer touches.
struct Buffer {
  std::string name;  ///< "bn1.running_mean"
  Tensor value;
};

class Forward;

/// A layer owns nothing but its geometry and references to its network's parameters and buffers.
class Layer {
 public:
  virtual ~Layer() = default;
  virtual const std::string& name() const = 0;
  virtual std::string_view kind() const = 0;  ///< "linear", "conv2d", "relu" ...
  virtual Variable forward(Forward& forward, const Variable& x) const = 0;
};

/// What methods may do while a network is traced; the Trainer passes one that asks all of them.
class ForwardHooks {
 public:
  virtual ~ForwardHooks() = default;
  /// The variable that stands for a parameter; the default is the parameter itself.
  virtual Variable parameter(Forward& forward, const Parameter& parameter);
  virtual Variable layer_input(Forward&, const Layer&, const Variable& x) { return x; }
  virtual Variable layer_output(Forward&, const Layer&, const Variable& y) { return y; }
};

/// One pass through a network while it is being traced onto a tape.
class Forward {
 public:
  Forward(Tape& tape, bool training, ForwardHooks& hooks)
      : tape(tape), training(training), hooks_(hooks) {}
  Variable parameter(const Parameter* parameter);  ///< undefined for null
  /// Ops that the layer and the hooks record there carry the layer's name as their label.
  Variable through(const Layer& layer, const Variable& x);

  Tape& tape;
  const bool training;

 private:
  ForwardHooks& hooks_;
};

class Network {
 public:
  explicit Network(InputSpec input) : input_(input) {}
  virtual ~Network() = default;

  const InputSpec& input() const { return input_; }
  std::deque<Parameter>& parameters() { return parameters_; }
  const std::deque<Parameter>& parameters() const { return parameters_; }
  std::deque<Buffer>& buffers() { return buffers_; }
  std::int64_t parameter_count() const;
  /// Multiply-accumulate operations of one image through convolutions and linear layers.
  std::int64_t macs() const { return macs_; }

  /// Images [N, C, H, W] -> logits [N, classes].
  virtual Variable forward(Forward& forward, const Variable& images) const;

  /// Parameters and buffers, under their names.
  void visit(StateVisitor& visitor);

 protected:
  // For builders: append layers in order; each returns its output shape by updating `shape_`.
  friend class NetworkBuilder;
  InputSpec input_;
  std::deque<Parameter> parameters_;  // deque: pointers to elements stay valid
  std::deque<Buffer> buffers_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::int64_t macs_ = 0;
};

/// Appends layers to a sequential network and tracks the shape between them.
///   NetworkBuilder b(input);
///   b.flatten().linear("fc1", 300).batch_norm("bn1").relu().linear("fc2", classes);
///   return b.build();
class NetworkBuilder {
 public:
  explicit NetworkBuilder(InputSpec input);
  NetworkBuilder& conv2d(std::string name, std::int64_t channels, std::int64_t kernel,
                         ConvGeometry geometry = {}, bool bias = true);
  NetworkBuilder& linear(std::string name, std::int64_t features, bool bias = true);
  NetworkBuilder& batch_norm(std::string name, bool affine = false);
  NetworkBuilder& relu();
  NetworkBuilder& max_pool2d(std::int64_t size, std::int64_t stride);
  NetworkBuilder& flatten();
  std::unique_ptr<Network> build();  ///< also marks first and last layers

 private:
  Parameter* add_parameter(const std::string& layer, std::string_view suffix, ParameterKind kind,
                           Shape shape, std::int64_t fan_in, std::int64_t fan_out);
  std::string numbered(const std::string& kind);
  std::unique_ptr<Network> network_;
  Shape shape_;  // of one image: [C, H, W] or [features]
  int unnamed_ = 0;
};

/// Default initialisation: Xavier uniform for weights, N(0, 0.1^2) for biases, scale 1, shift 0;
/// running mean 0 and variance 1. Each tensor draws from Rng(seed, "init", hash_name(name)).
void initialize(Network& network, std::uint64_t seed);

/// Fills with U(-bound, bound), bound = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).
void xavier_uniform(Tensor& tensor, double fan_in, double fan_out, std::uint64_t seed,
                    std::string_view name);
void normal(Tensor& tensor, double standard_deviation, std::uint64_t seed, std::string_view name);

}  // namespace bitwright
