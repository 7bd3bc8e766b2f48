#pragma once
// Which layers a quantizer acts on, and with how many bits: the options that all quantizers share.
//
//   weight_bits: 4
//   activation_bits: 4
//   rules:
//     - {position: last, weight_bits: 8, activation_bits: 8}
//     - {layers: ["layer1.*"], kind: conv2d, activation_bits: 32}     # later rules win

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <bitwright/core/options.h>
#include <bitwright/nn/network.h>

namespace bitwright {

/// Bits that stand for a float that is left alone.
inline constexpr int kFloatBits = 32;

/// A convolution or linear layer and what is asked of it. Activations are quantized at its input.
struct LayerBits {
  std::string layer;
  int weight = kFloatBits, activation = kFloatBits;
  bool first = false, last = false;
};

class LayerRules {
 public:
  struct Defaults {
    int weight = 4, activation = 4;
    int first_last = kFloatBits;      ///< of the first and last layer
    bool may_quantize_image = false;  ///< the method can take negative inputs: `quantize_input`
  };
  /// Declares weight_bits, activation_bits, first_last_bits, rules and, where the method can
  /// quantize images, quantize_input.
  static Options& declare(Options& options, const Defaults& defaults);

  /// Reads these options. Bits from 17 to 31 are a configuration error at their place.
  explicit LayerRules(const Settings& settings);

  /// Bits of every convolution and linear layer, in order: the general ones, those of the first and
  /// last layer, then the rules, the later ones winning. Throws a configuration error at a rule
  /// that matches no layer, or whose activation bits could only be those of the image, which is
  /// left alone.
  std::vector<LayerBits> resolve(const Network& network) const;
  /// The same, kept for the questions below; also refuses rules that leave everything float.
  void attach(const Network& network);

  const std::vector<LayerBits>& layers() const { return layers_; }
  /// Of a parameter: kFloatBits but for weights of convolutions and linear layers.
  int weight_bits(const Parameter& parameter) const;
  /// Of a layer's input.
  int activation_bits(const Layer& layer) const;
  /// The layer's input is the image, whose values may be negative.
  bool sees_image(const Layer& layer) const;

 private:
  struct Rule {
    std::vector<std::string> patterns;
    std::string kind, position;
    std::optional<int> weight, activation;
    Place where, activation_where;
  };
  static Rule rule_from(const Settings& settings);
  const LayerBits* find(std::string_view layer) const;

  int weight_, activation_, first_last_;
  bool image_;
  Place where_;
  std::vector<Rule> rules_;
  std::vector<LayerBits> layers_;
};

/// Names of the layers whose weights, or inputs, are quantized: what per-layer metrics are about.
std::vector<std::string> with_quantized_weights(const std::vector<LayerBits>& layers);
std::vector<std::string> with_quantized_activations(const std::vector<LayerBits>& layers);

}  // namespace bitwright
