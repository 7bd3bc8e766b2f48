#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <bitwright/core/glob.h>
#include <bitwright/quant/layer_rules.h>

namespace bitwright {
namespace {

constexpr int kMostBits = 16;

int bits_from(const Settings& settings, std::string_view option) {
  const auto bits = static_cast<int>(settings.integer(option));
  if (bits <= kMostBits || bits == kFloatBits) return bits;
  throw config_error(settings.where(option), fmt::format("{}: {}", option, bits),
                     fmt::format("1 to {}, or {} for float", kMostBits, kFloatBits));
}

std::optional<int> optional_bits(const Settings& settings, std::string_view option) {
  if (!settings.has(option)) return {};
  return bits_from(settings, option);
}

Options rule_options() {
  Options o;
  o.texts("layers", {"*"}, "name patterns (* and ?) of layers");
  o.choice("kind", {"any", "conv2d", "linear"}, "any", "kind of layer");
  o.choice("position", {"any", "first", "last", "inner"}, "any",
           "first or last layer with weights, or one between them");
  o.integer("weight_bits", "bits of the weights, 1 to 16; 32: float; left out: as before this rule")
      .unit("bits")
      .min(1)
      .max(kFloatBits)
      .optional();
  o.integer("activation_bits",
            "bits of the layers' inputs, 1 to 16; 32: float; left out: as before this rule")
      .unit("bits")
      .min(1)
      .max(kFloatBits)
      .optional();
  return o;
}

struct Weighted {
  LayerBits bits;
  std::string_view kind;
};

// Convolutions and linear layers, all float.
std::vector<Weighted> weighted_layers(const Network& network) {
  std::vector<Weighted> layers;
  for (const Parameter& p : network.parameters()) {
    const bool conv = p.kind == ParameterKind::conv_weight;
    if (!conv && p.kind != ParameterKind::linear_weight) continue;
    layers.push_back({{p.layer, kFloatBits, kFloatBits, p.first_layer, p.last_layer},
                      conv ? "conv2d" : "linear"});
  }
  return layers;
}

bool in_position(const LayerBits& layer, const std::string& position) {
  if (position == "first") return layer.first;
  if (position == "last") return layer.last;
  return position == "any" || !(layer.first || layer.last);
}

std::vector<std::string> names(const std::vector<LayerBits>& layers, int LayerBits::*bits) {
  std::vector<std::string> all;
  for (const LayerBits& layer : layers)
    if (layer.*bits != kFloatBits) all.push_back(layer.layer);
  return all;
}

}  // namespace

Options& LayerRules::declare(Options& options, const Defaults& defaults) {
  options
      .integer("weight_bits", defaults.weight,
               "bits of the weights of convolutions and linear layers, 1 to 16; 32: float")
      .symbol("k_w")
      .unit("bits")
      .min(1)
      .max(kFloatBits);
  options
      .integer("activation_bits", defaults.activation,
               "bits of the inputs of these layers, 1 to 16; 32: float")
      .symbol("k_a")
      .unit("bits")
      .min(1)
      .max(kFloatBits);
  options
      .integer("first_last_bits", defaults.first_last,
               "both for the first and the last of these layers, where the general ones are not "
               "float; 32: float")
      .unit("bits")
      .min(1)
      .max(kFloatBits);
  if (defaults.may_quantize_image)
    options.boolean("quantize_input", false,
                    "quantize the image too, the input of the first layer");
  return options
      .sections("rules", rule_options(),
                "bits of some layers; later rules win, and all win over the above")
      .optional();
}

LayerRules::LayerRules(const Settings& settings)
    : weight_(bits_from(settings, "weight_bits")),
      activation_(bits_from(settings, "activation_bits")),
      first_last_(bits_from(settings, "first_last_bits")),
      image_(settings.has("quantize_input") && settings.boolean("quantize_input")),
      where_(settings.place()) {
  if (!settings.has("rules")) return;
  for (const Settings& rule : settings.sections("rules")) rules_.push_back(rule_from(rule));
}

LayerRules::Rule LayerRules::rule_from(const Settings& settings) {
  Rule rule{settings.texts("layers"),
            settings.text("kind"),
            settings.text("position"),
            optional_bits(settings, "weight_bits"),
            optional_bits(settings, "activation_bits"),
            settings.place(),
            settings.where("activation_bits")};
  if (!rule.weight && !rule.activation)
    throw config_error(rule.where, "the rule changes nothing", "weight_bits or activation_bits",
                       "add one of them");
  return rule;
}

std::vector<LayerBits> LayerRules::resolve(const Network& network) const {
  std::vector<Weighted> all = weighted_layers(network);
  for (auto& [bits, kind] : all) {
    const bool outer = bits.first || bits.last;
    bits.weight = outer && weight_ != kFloatBits ? first_last_ : weight_;
    bits.activation = outer && activation_ != kFloatBits ? first_last_ : activation_;
  }
  for (const Rule& rule : rules_) {
    int matches = 0, images = 0;
    for (auto& [bits, kind] : all) {
      const bool named = std::ranges::any_of(
          rule.patterns, [&](const std::string& p) { return glob_match(p, bits.layer); });
      if (!named || !in_position(bits, rule.position)) continue;
      if (rule.kind != "any" && rule.kind != kind) continue;
      ++matches;
      images += bits.first;
      bits.weight = rule.weight.value_or(bits.weight);
      bits.activation = rule.activation.value_or(bits.activation);
    }
    if (matches == 0) {
      std::vector<std::string> known;
      for (const Weighted& layer : all) known.push_back(layer.bits.layer);
      throw config_error(rule.where, "the rule matches no layer",
                         fmt::format("some of the layers {}", fmt::join(known, ", ")));
    }
    if (rule.activation && *rule.activation != kFloatBits && matches == images && !image_)
      throw config_error(rule.activation_where,
                         "the input of the first layer is the image, which stays float",
                         "a rule for another layer",
                         "leave activation_bits out, or set quantize_input where there is one");
  }
  std::vector<LayerBits> layers;
  for (auto& [bits, kind] : all) {
    if (bits.first && !image_) bits.activation = kFloatBits;
    layers.push_back(bits);
  }
  return layers;
}

void LayerRules::attach(const Network& network) {
  layers_ = resolve(network);
  if (std::ranges::all_of(layers_, [](const LayerBits& l) {
        return l.weight == kFloatBits && l.activation == kFloatBits;
      }))
    throw config_error(where_, "all weights and activations stay float",
                       "weight_bits or activation_bits below 32 for some layer");
}

const LayerBits* LayerRules::find(std::string_view layer) const {
  const auto at = std::ranges::find(layers_, layer, &LayerBits::layer);
  return at == layers_.end() ? nullptr : &*at;
}

int LayerRules::weight_bits(const Parameter& parameter) const {
  const bool weight = parameter.kind == ParameterKind::conv_weight ||
                      parameter.kind == ParameterKind::linear_weight;
  const LayerBits* const layer = weight ? find(parameter.layer) : nullptr;
  return layer == nullptr ? kFloatBits : layer->weight;
}

int LayerRules::activation_bits(const Layer& layer) const {
  const LayerBits* const bits = find(layer.name());
  return bits == nullptr ? kFloatBits : bits->activation;
}

bool LayerRules::sees_image(const Layer& layer) const {
  const LayerBits* const bits = find(layer.name());
  return bits != nullptr && bits->first;
}

std::vector<std::string> with_quantized_weights(const std::vector<LayerBits>& layers) {
  return names(layers, &LayerBits::weight);
}

std::vector<std::string> with_quantized_activations(const std::vector<LayerBits>& layers) {
  return names(layers, &LayerBits::activation);
}

}  // namespace bitwright
