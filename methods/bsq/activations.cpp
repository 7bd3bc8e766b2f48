// Which ReLUs are quantized, and with what.

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <bitwright/core/glob.h>

#include "activation.h"
#include "planes.h"

namespace bitwright::bsq {
namespace {

constexpr int kFloatBits = 32;

double number_of(const HandedOver& numbers, const std::string& name, double otherwise) {
  const auto at = numbers.find(name);
  return at == numbers.end() ? otherwise : at->second;
}

}  // namespace

void Activations::declare(Options& o) {
  o.integer("activation_bits", 4,
            "width of the outputs of ReLUs, 1 to 16; 32: they stay as they are")
      .symbol("a")
      .unit("bits")
      .min(1)
      .max(kFloatBits)
      .choice("activation_clip", {"auto", "relu6", "pact", "none"}, "auto",
              "what bounds them before they are rounded: 6, a learned A, nothing; auto: relu6 from "
              "4 bits on, else pact")
      .real("pact_init", 10, "first value of a learned clip")
      .symbol("A")
      .above(0)
      .choice("activation_range", {"batch", "ema"}, "batch",
              "top of the grid: the largest value of each batch, also in evaluations (the paper's "
              "code: accuracies then depend on how images are batched), or a moving average")
      .symbol("S")
      .real("ema_momentum", 0.1, "share of a batch in an update of the average")
      .above(0)
      .max(1)
      .boolean("activation_stem", false, "quantize the output of the network's first ReLU as well")
      .texts("activation_exclude", {},
             "name patterns (* and ?) of ReLUs whose outputs stay as they are");
}

Activations::Activations(const Settings& s)
    : first_clip_(s.real("pact_init")),
      with_stem_(s.boolean("activation_stem")),
      exclude_(s.texts("activation_exclude")),
      where_(s.where("activation_exclude")) {
  const auto bits = static_cast<int>(s.integer("activation_bits"));
  if (bits > kMostBits && bits != kFloatBits)
    throw config_error(s.where("activation_bits"), fmt::format("no activations of {} bits", bits),
                       fmt::format("1 to {}, or {} for float", kMostBits, kFloatBits));
  if (bits == kFloatBits) return;
  bits_ = bits;
  const std::string& clip = s.text("activation_clip");
  clip_ = clip == "none"                 ? Clip::none
          : clip == "relu6"              ? Clip::relu6
          : clip == "pact" || (bits < 4) ? Clip::pact
                                         : Clip::relu6;
  options_ = {bits, s.text("activation_range") == "ema", s.real("ema_momentum")};
}

std::vector<std::string> Activations::layers(const Network& network) const {
  std::vector<std::string> chosen;
  bool first = true;
  for (const LayerSummary& layer : network.summary()) {
    if (layer.kind != "relu") continue;
    const bool stem = std::exchange(first, false);
    const bool excluded = std::ranges::any_of(
        exclude_, [&](const std::string& pattern) { return glob_match(pattern, layer.name); });
    if (any() && !excluded && (with_stem_ || !stem)) chosen.push_back(layer.name);
  }
  return chosen;
}

void Activations::attach(const StageInfo& stage) {
  for (const std::string& pattern : exclude_) {
    const bool used = std::ranges::any_of(stage.network->summary(), [&](const LayerSummary& l) {
      return l.kind == "relu" && glob_match(pattern, l.name);
    });
    if (!used)
      throw config_error(where_, fmt::format("pattern '{}' matches no ReLU", pattern),
                         "a pattern for the name of one");
  }
  all_.clear();
  for (const std::string& layer : layers(*stage.network)) {
    One one{layer, {}, std::make_shared<RunningRange>()};
    const double clip =
        clip_ == Clip::relu6 ? 6 : number_of(stage.handed_over, layer + ".clip", first_clip_);
    if (clip_ != Clip::none) one.clip = Tensor::full({1}, static_cast<float>(clip));
    const double range = number_of(stage.handed_over, layer + ".range", -1);
    if (range >= 0) *one.range = {range, true};
    all_.push_back(std::move(one));
  }
}

std::vector<TrainedTensor> Activations::trained() const {
  std::vector<TrainedTensor> tensors;
  if (learns_clips())
    for (const One& one : all_) tensors.push_back({one.layer + ".clip", one.clip, {}, 0.0f});
  return tensors;
}

Variable Activations::quantize(Forward& forward, const Layer& layer, const Variable& y) {
  const auto one =
      std::ranges::find_if(all_, [&](const One& o) { return o.layer == layer.name(); });
  if (one == all_.end() || layer.kind() != "relu") return y;
  Variable clip;
  if (one->clip.defined())
    clip = learns_clips() ? forward.trained(one->clip) : forward.tape.constant(one->clip);
  return quantize_activation(y, clip, options_, one->range, forward.deployed);
}

std::vector<double> Activations::clips() const {
  std::vector<double> values;
  for (const One& one : all_) values.push_back(static_cast<double>(one.clip.item()));
  return values;
}

std::vector<double> Activations::ranges() const {
  std::vector<double> values;
  for (const One& one : all_) values.push_back(one.range->known ? one.range->value : NAN);
  return values;
}

void Activations::leave(HandedOver& numbers) const {
  for (const One& one : all_) {
    if (learns_clips()) numbers[one.layer + ".clip"] = static_cast<double>(one.clip.item());
    if (one.range->known) numbers[one.layer + ".range"] = one.range->value;
  }
}

void Activations::visit(StateVisitor& visitor) {
  if (!keeps_ranges()) return;
  const StateScope scope(visitor, "ranges");
  for (One& one : all_) {
    std::int64_t known = one.range->known ? 1 : 0;
    visitor.real(one.layer, one.range->value);
    visitor.integer(one.layer + ".known", known);
    one.range->known = known == 1;
  }
}

}  // namespace bitwright::bsq
