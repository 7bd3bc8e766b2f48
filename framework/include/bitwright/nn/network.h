#pragma once
// Networks: named parameters and buffers, and a forward pass written with ops.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <bitwright/autograd/ops.h>
#include <bitwright/core/error.h>
#include <bitwright/core/state.h>
#include <bitwright/data/dataset.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright {

enum class ParameterKind { conv_weight, linear_weight, bias, norm_scale, norm_shift };
std::string_view name_of(ParameterKind kind);  ///< "conv_weight" ...
/// Of a convolution or a linear layer.
constexpr bool is_weight(ParameterKind kind) {
  return kind == ParameterKind::conv_weight || kind == ParameterKind::linear_weight;
}

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
using Layers = std::vector<std::unique_ptr<Layer>>;  ///< one after the other

/// What methods may do while a network is traced; the Trainer passes one that asks all of them.
class ForwardHooks {
 public:
  virtual ~ForwardHooks() = default;
  /// The variable that stands for a parameter; the default is the parameter itself.
  virtual Variable parameter(Forward& forward, const Parameter& parameter);
  /// The variable of a tensor that a method trains beside the network's parameters.
  virtual Variable trained(Forward& forward, const Tensor& value);
  virtual Variable layer_input(Forward&, const Layer&, const Variable& x) { return x; }
  virtual Variable layer_output(Forward&, const Layer&, const Variable& y) { return y; }
};

/// One pass through a network while it is being traced onto a tape.
class Forward {
 public:
  Forward(Tape& tape, bool training, ForwardHooks& hooks)
      : Forward(tape, training, hooks, !training) {}
  Forward(Tape& tape, bool training, ForwardHooks& hooks, bool deployed)
      : tape(tape), training(training), deployed(deployed), hooks_(hooks) {}
  Variable parameter(const Parameter* parameter);  ///< undefined for null
  /// One of the tensors that the calling method named in Method::trained().
  Variable trained(const Tensor& value);
  /// Every layer, also inside a residual branch, is called through this, so the hooks see it. Ops
  /// that the layer and the hooks record there carry the layer's name as their label.
  Variable through(const Layer& layer, const Variable& x);
  Variable through(const Layers& layers, const Variable& x);  ///< all in order; none: x itself

  Tape& tape;
  const bool training;  ///< batch normalisation goes by the batch, dropout drops
  /// The weights are deployed ones and nothing is learned from this pass: quantizers use what they
  /// have, instead of following the batch. True in evaluations, and where training passes only
  /// measure the statistics of batch normalisation.
  const bool deployed;

 private:
  ForwardHooks& hooks_;
};

/// How fresh weights are drawn; see initialize().
enum class Initialization { xavier, kaiming };

/// What a layer gives and costs, in the order in which a network was put together.
struct LayerSummary {
  std::string name, kind;
  Shape output;           ///< of one image: [C, H, W] or [features]
  std::int64_t macs = 0;  ///< multiply-accumulate operations of one image
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
  const std::vector<LayerSummary>& summary() const { return summary_; }
  Initialization initialization() const { return initialization_; }

  /// Images [N, C, H, W] -> logits [N, classes].
  virtual Variable forward(Forward& forward, const Variable& images) const;

  /// Parameters and buffers, under their names.
  void visit(StateVisitor& visitor);

 protected:
  friend class NetworkBuilder;
  InputSpec input_;
  std::deque<Parameter> parameters_;  // deque: pointers to elements stay valid
  std::deque<Buffer> buffers_;
  Layers layers_;
  std::vector<LayerSummary> summary_;
  std::int64_t macs_ = 0;
  Initialization initialization_ = Initialization::xavier;
};

/// Appends layers to a network and tracks the shape between them. Names are unique; a layer that is
/// given none is called after its kind and a number. A network that cannot be built (an image
/// smaller than a kernel, branches whose shapes differ ...) is a configuration error at `where`.
///   NetworkBuilder b(input);
///   b.conv2d("conv1", 16, 3, {.stride = 1, .padding = 1}, false).batch_norm("bn1").relu();
///   b.scope("layer1.0", [](NetworkBuilder& b) {
///     b.residual("add", [](NetworkBuilder& b) {
///       b.conv2d("conv1", 16, 3, {.stride = 1, .padding = 1}, false).batch_norm("bn1");
///     });                             // adds layer1.0.conv1, layer1.0.bn1, layer1.0.add
///   });
///   b.global_avg_pool().linear("fc", input.classes);
///   return b.build();
class NetworkBuilder {
 public:
  /// Layers that are appended together, such as a branch.
  using Part = std::function<void(NetworkBuilder&)>;

  explicit NetworkBuilder(InputSpec input, Place where = {});
  NetworkBuilder& initialization(Initialization how);  ///< Xavier unless set
  NetworkBuilder& at(Place where);                     ///< where the layers that follow are said

  NetworkBuilder& conv2d(std::string_view name, std::int64_t channels, std::int64_t kernel,
                         ConvGeometry geometry = {}, bool bias = true);
  NetworkBuilder& linear(std::string_view name, std::int64_t features, bool bias = true);
  NetworkBuilder& batch_norm(std::string_view name, bool affine = false);
  NetworkBuilder& relu(std::string_view name = {});
  /// A function of each element, such as tanh. `kind` is a string that never goes away.
  NetworkBuilder& elementwise(std::string_view kind, Variable (*function)(const Variable&),
                              std::string_view name = {});
  NetworkBuilder& avg_pool2d(std::int64_t size, std::int64_t stride, std::int64_t padding = 0,
                             std::string_view name = {});
  NetworkBuilder& max_pool2d(std::int64_t size, std::int64_t stride, std::int64_t padding = 0,
                             std::string_view name = {});
  NetworkBuilder& global_avg_pool(std::string_view name = {});
  NetworkBuilder& shortcut_a(std::int64_t stride, std::int64_t channels,
                             std::string_view name = {});
  NetworkBuilder& flatten(std::string_view name = {});

  /// Puts "NAME." before the names of the part's layers.
  NetworkBuilder& scope(std::string_view name, const Part& part);
  /// y = body(x) + shortcut(x), both of one shape; without a shortcut, body(x) + x. To hooks the
  /// sum is a layer of the kind "residual" around the layers of both branches.
  NetworkBuilder& residual(std::string_view name, const Part& body, const Part& shortcut = {});

  int classes() const { return network_->input_.classes; }
  /// Throws the configuration error of a network that does not end in one output per class.
  void require_logits() const;
  const Shape& shape() const { return shape_; }  ///< of one image so far: [C, H, W] or [features]
  std::unique_ptr<Network> build();              ///< also marks first and last layers

 private:
  std::string named(std::string_view name, std::string_view kind);
  Parameter* add_parameter(const std::string& layer, std::string_view suffix, ParameterKind kind,
                           Shape shape, std::int64_t fan_in, std::int64_t fan_out);
  Parameter* add_bias(const std::string& layer, std::int64_t count);
  void require_image(const std::string& layer) const;
  void slide(const std::string& layer, std::int64_t channels, std::int64_t window,
             ConvGeometry geometry);
  Layers branch(const Part& part);
  template <class L, class... Args>
  NetworkBuilder& append(std::string name, Args&&... args);

  std::unique_ptr<Network> network_;
  Place where_;
  std::string scope_;
  std::set<std::string> names_;
  Shape shape_;
  int unnamed_ = 0;
  double parameter_elements_ = 0;
};

/// Draws all parameters afresh and resets the running statistics (mean 0, variance 1). Each tensor
/// draws from Rng(seed, "init", hash_name(name)). Normalisation: scale 1, shift 0.
///   xavier   weights U(-b, b), b = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010);
///            biases N(0, 0.1^2), as the reference code of arXiv:1812.04353 draws them
///   kaiming  convolutions N(0, 2 / fan_out) (He et al. 2015, with the backward pass's count);
///            linear weights U(-b, b), b = 1 / sqrt(fan_in) (PyTorch's default); biases 0
void initialize(Network& network, std::uint64_t seed);

/// Fills with U(-bound, bound), bound = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).
void xavier_uniform(Tensor& tensor, double fan_in, double fan_out, std::uint64_t seed,
                    std::string_view name);
void uniform(Tensor& tensor, double bound, std::uint64_t seed, std::string_view name);
void normal(Tensor& tensor, double standard_deviation, std::uint64_t seed, std::string_view name);

}  // namespace bitwright
