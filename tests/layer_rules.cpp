// Which layers a quantizer acts on, and what is said about rules that cannot be meant.
#include <algorithm>

#include <doctest/doctest.h>

#include <bitwright/quant/layer_rules.h>

#include "experiment/config.h"
#include "method_fixture.h"

using namespace bitwright;
using test::builtin_registries;

namespace {

// Options of a quantizer that takes images, as a file says them.
LayerRules rules(const std::string& yaml, bool image = true) {
  Options o;
  LayerRules::declare(o,
                      {.weight = 4, .activation = 3, .first_last = 8, .may_quantize_image = image});
  return LayerRules(parse_config(yaml, "f.yaml", {}, o, builtin_registries()));
}

// conv1 -> block.conv -> block.fc -> out
std::unique_ptr<Network> network() {
  NetworkBuilder b(InputSpec{1, 4, 4, 2});
  b.conv2d("conv1", 2, 3).batch_norm("bn").relu();
  b.scope("block", [](NetworkBuilder& n) { n.conv2d("conv", 2, 1).flatten().linear("fc", 5); });
  return b.linear("out", 2).build();
}

std::string bits(const LayerRules& r) {
  std::string text;
  for (const LayerBits& l : r.resolve(*network()))
    text += l.layer + " " + std::to_string(l.weight) + "/" + std::to_string(l.activation) + ", ";
  return text;
}

std::string refusal(const std::string& yaml, bool image = true) {
  try {
    auto net = network();
    rules(yaml, image).attach(*net);
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("general bits, those of the ends, and rules of which the later ones win") {
  CHECK(bits(rules("{}")) == "conv1 8/32, block.conv 4/3, block.fc 4/3, out 8/8, ");
  CHECK(bits(rules("quantize_input: true")) ==
        "conv1 8/8, block.conv 4/3, block.fc 4/3, out 8/8, ");
  CHECK(bits(rules("{weight_bits: 32, first_last_bits: 2}")) ==
        "conv1 32/32, block.conv 32/3, block.fc 32/3, out 32/2, ");
  CHECK(
      bits(rules("rules: [{layers: [block.*], weight_bits: 2}, {kind: linear, weight_bits: 1}]")) ==
      "conv1 8/32, block.conv 2/3, block.fc 1/3, out 1/8, ");
  CHECK(
      bits(rules("rules: [{kind: linear, weight_bits: 1}, {layers: [block.*], weight_bits: 2}]")) ==
      "conv1 8/32, block.conv 2/3, block.fc 2/3, out 1/8, ");
  CHECK(bits(rules("rules: [{position: last, weight_bits: 32, activation_bits: 32}, {position: "
                   "first, weight_bits: 6}, {position: inner, activation_bits: 16}]")) ==
        "conv1 6/32, block.conv 4/16, block.fc 4/16, out 32/32, ");
}

TEST_CASE("questions about parameters and layers") {
  auto net = network();
  LayerRules r = rules("rules: [{layers: [out], activation_bits: 32}]");
  r.attach(*net);
  for (const Parameter& p : net->parameters()) {
    const bool weight =
        p.kind == ParameterKind::conv_weight || p.kind == ParameterKind::linear_weight;
    CHECK(r.weight_bits(p) == (!weight ? 32 : p.first_layer || p.last_layer ? 8 : 4));
  }
  CHECK(with_quantized_activations(r.layers()) ==
        std::vector<std::string>{"block.conv", "block.fc"});
  CHECK(with_quantized_weights(r.layers()).size() == 4);
}

TEST_CASE("rules that cannot be meant") {
  const auto said = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  said(refusal("weight_bits: 17"), "f.yaml:1:14: error: weight_bits: 17; 1 to 16, or 32 for float");
  said(refusal("rules: [{activation_bits: 20}]"), "f.yaml:1:27: error: activation_bits: 20");
  said(refusal("weight_bits: 0"), "f.yaml:1:14: error");
  said(refusal("rules: [{layers: [fc9]}]"), "f.yaml:1:9: error: the rule changes nothing");
  said(refusal("rules: [{weight_bits: 2}, {layers: [fc9], weight_bits: 2}]"),
       "f.yaml:1:27: error: the rule matches no layer; some of the layers conv1, block.conv, "
       "block.fc, out");
  said(refusal("rules: [{kind: linear, position: first, weight_bits: 2}]"), "matches no layer");
  said(refusal("rules: [{position: first, activation_bits: 8}]"), "is the image");
  said(refusal("rules: [{position: first, activation_bits: 32}]"), "accepted");
  said(refusal("{quantize_input: true, rules: [{position: first, activation_bits: 8}]}"),
       "accepted");
  said(refusal("quantize_input: true", false), "quantize_input");
  said(refusal("{weight_bits: 32, activation_bits: 32}"), "stay float");
}
