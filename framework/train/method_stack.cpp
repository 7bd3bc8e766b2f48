#include "train/method_stack.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <bitwright/core/error.h>
#include <bitwright/core/glob.h>

namespace bitwright {

MethodStack::MethodStack(std::vector<std::unique_ptr<Method>> methods, const StageInfo& stage,
                         const std::vector<std::string>& held, const HandedOverByMethod& left)
    : network_(stage.network), methods_(std::move(methods)) {
  refuse_repeated();
  for (auto& method : methods_) {
    StageInfo own = stage;
    if (const auto at = left.find(std::string(method->name())); at != left.end())
      own.handed_over = at->second;
    method->attach(own);
  }
  for (Parameter& p : stage.network->parameters()) {
    Slot slot{&p, nullptr, false, nullptr, {}, {}, {}};
    slot.held = std::any_of(held.begin(), held.end(), [&](const std::string& pattern) {
      return glob_match(pattern, p.name);
    });
    for (auto& method : methods_) {
      if (slot.held) break;
      auto transform = method->transform(p);
      if (!transform) continue;
      if (slot.owner != nullptr)
        throw config_error({},
                           "methods '" + std::string(slot.owner->name()) + "' and '" +
                               std::string(method->name()) + "' both transform parameter '" +
                               p.name + "'",
                           "one weight transform per parameter", "exclude it from one of them");
      slot.owner = method.get();
      slot.transform = std::move(transform);
    }
    slot.latents = slot.transform ? slot.transform->latents() : std::vector<Tensor>{p.value};
    slots_.push_back(std::move(slot));
  }
  for (auto& method : methods_)
    for (TrainedTensor& tensor : method->trained()) {
      std::string layer = tensor.name.substr(0, tensor.name.rfind('.'));
      tensor.name = std::string(method->name()) + "." + tensor.name;
      owns_.push_back({std::move(tensor), std::move(layer), {}});
    }
}

void MethodStack::refuse_repeated() const {
  for (std::size_t i = 0; i < methods_.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (methods_[i]->name() == methods_[k]->name())
        throw config_error({},
                           fmt::format("method '{}' stands in the list twice", methods_[i]->name()),
                           "each method once", "use its options, such as rules for layers");
}

std::string MethodStack::Slot::latent_name(std::size_t i) const {
  return transform ? parameter->name + ":" + std::to_string(i) : parameter->name;
}

Optimized MethodStack::Slot::optimized(std::size_t i, Tensor gradient) const {
  return {latent_name(i),
          latents[i],
          std::move(gradient),
          parameter->name,
          std::string(name_of(parameter->kind)),
          transform ? transform->rule(i) : UpdateRule{}};
}

Optimized MethodStack::Own::optimized(Tensor gradient) const {
  return {tensor.name, tensor.value, std::move(gradient), tensor.name, "method", tensor.rule};
}

const MethodStack::Slot& MethodStack::slot(const Parameter& parameter) const {
  const auto at = std::find_if(slots_.begin(), slots_.end(),
                               [&](const Slot& s) { return s.parameter == &parameter; });
  require(at != slots_.end(), "parameter '" + parameter.name + "' is not of this network");
  return *at;
}

MethodStack::Slot& MethodStack::slot(const Parameter& parameter) {
  return const_cast<Slot&>(std::as_const(*this).slot(parameter));
}

Variable MethodStack::parameter(Forward& forward, const Parameter& parameter) {
  Slot& s = slot(parameter);
  s.variables.clear();
  for (const Tensor& latent : s.latents) s.variables.push_back(forward.tape.parameter(latent));
  const Variable effective =
      s.transform ? s.transform->effective(forward, s.variables) : s.variables.front();
  for (auto& method : methods_)
    method->weight_traced(forward, parameter, s.has_master() ? s.variables.front() : effective,
                          effective);
  return effective;
}

Variable MethodStack::trained(Forward& forward, const Tensor& value) {
  const auto own = std::find_if(owns_.begin(), owns_.end(),
                                [&](const Own& o) { return o.tensor.value.f32() == value.f32(); });
  require(own != owns_.end(), "a method put a tensor on the tape that trained() did not name");
  if (!own->variable.defined() || &own->variable.tape() != &forward.tape)
    own->variable = forward.tape.parameter(own->tensor.value);
  return own->variable;
}

Variable MethodStack::layer_input(Forward& forward, const Layer& layer, const Variable& x) {
  Variable input = x;
  for (auto& method : methods_) {
    const Variable before = std::exchange(input, method->layer_input(forward, layer, input));
    if (input != before) claims_.claim(*method, layer, ActivationClaims::Side::input);
  }
  return input;
}

Variable MethodStack::layer_output(Forward& forward, const Layer& layer, const Variable& y) {
  Variable output = y;
  for (auto& method : methods_) {
    const Variable before = std::exchange(output, method->layer_output(forward, layer, output));
    if (output != before) claims_.claim(*method, layer, ActivationClaims::Side::output);
  }
  return output;
}

Variable MethodStack::total_loss(Forward& forward, const Variable& data_loss) {
  Variable total = data_loss;
  loss_terms_.clear();
  for (auto& method : methods_)
    for (const LossTerm& term : method->loss_terms(forward)) {
      loss_terms_.push_back(term.value);
      total = add(total, term.value);
    }
  return total;
}

std::vector<Optimized> MethodStack::optimized() const {
  std::vector<Optimized> all;
  for (const Slot& s : slots_)
    for (std::size_t i = 0; i < s.variables.size(); ++i)
      all.push_back(s.optimized(i, s.variables[i].gradient()));
  for (const Own& own : owns_)
    if (own.variable.defined()) all.push_back(own.optimized(own.variable.gradient()));
  return all;
}

std::vector<Optimized> MethodStack::untraced() const {
  std::vector<Optimized> all;
  for (const Slot& s : slots_)
    for (std::size_t i = 0; i < s.latents.size(); ++i) all.push_back(s.optimized(i, {}));
  for (const Own& own : owns_) all.push_back(own.optimized({}));
  return all;
}

std::vector<ScaleTensor> MethodStack::scales() const {
  std::vector<ScaleTensor> all;
  for (const Slot& s : slots_)
    for (std::size_t i = 0; s.transform && i < s.latents.size(); ++i)
      if (const auto at = s.transform->collapsed_at(i))
        all.push_back({s.latent_name(i), s.parameter->layer, s.latents[i], *at});
  for (const Own& own : owns_)
    if (const auto at = own.tensor.collapsed_at)
      all.push_back({own.tensor.name, own.layer, own.tensor.value, *at});
  return all;
}

std::vector<MasterWeight> MethodStack::master_weights() const {
  std::vector<MasterWeight> all;
  for (const Slot& s : slots_)
    if (is_weight(s.parameter->kind) && s.has_master())
      all.push_back({s.parameter, s.latents.front()});
  return all;
}

bool MethodStack::transforms() const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const Slot& s) { return s.transform != nullptr; });
}

void MethodStack::before_step(const StepInfo& info) {
  for (auto& method : methods_) method->before_step(info);
}

bool MethodStack::after_backward(const StepInfo& info) {
  bool update = true;
  for (auto& method : methods_) update = method->after_backward(info) && update;
  return update;
}

void MethodStack::after_update(const StepInfo& info) {
  for (auto& method : methods_) method->after_update(info);
}

void MethodStack::after_step(const StepInfo& info) {
  for (auto& method : methods_) method->after_step(info);
}

void MethodStack::after_epoch(const StepInfo& info) {
  for (auto& method : methods_) method->after_epoch(info);
}

void MethodStack::finish(const StepInfo& info) {
  for (auto& method : methods_) method->finish(info);
}

std::vector<std::string> MethodStack::rewritten() {
  std::vector<std::string> names;
  for (const Slot& s : slots_)
    for (auto& method : methods_)
      if (method->rewritten(*s.parameter))
        for (std::size_t i = 0; i < s.latents.size(); ++i) names.push_back(s.latent_name(i));
  return names;
}

std::vector<std::string> MethodStack::frozen() const {
  std::vector<std::string> names;
  for (const Slot& s : slots_)
    if (s.held || std::any_of(methods_.begin(), methods_.end(),
                              [&](const auto& m) { return m->frozen(*s.parameter); }))
      for (std::size_t i = 0; i < s.latents.size(); ++i) names.push_back(s.latent_name(i));
  return names;
}

void MethodStack::write_deployed(const Parameter& parameter, Deployment deployment,
                                 Tensor& out) const {
  const Slot& s = slot(parameter);
  if (s.deployed.defined()) {
    out.copy_from(s.deployed);
  } else if (s.transform) {
    s.transform->write_deployed(deployment, out);
  } else {
    out.copy_from(parameter.value);
  }
}

double MethodStack::bits(const Parameter& parameter) const {
  const Slot& s = slot(parameter);
  return s.transform ? s.transform->bits() : 32.0;
}

std::vector<float> MethodStack::label_set(const Parameter& parameter) const {
  const Slot& s = slot(parameter);
  return s.transform ? s.transform->label_set() : std::vector<float>{};
}

std::optional<Coded> MethodStack::coded(const Parameter& parameter) const {
  const Slot& s = slot(parameter);
  return s.transform ? s.transform->coded() : std::nullopt;
}

void MethodStack::replace_deployed(const Parameter& parameter, Tensor weight) {
  require(weight.shape() == parameter.value.shape(), "a deployed weight of another shape");
  slot(parameter).deployed = std::move(weight);
}

void MethodStack::hand_over() {
  for (Slot& s : slots_)
    if (s.transform) s.transform->hand_over(s.parameter->value);
}

void MethodStack::leave(HandedOverByMethod& left) const {
  for (const auto& method : methods_) left[std::string(method->name())] = method->hand_over();
}

std::vector<MetricDeclaration> method_metrics(const std::vector<std::unique_ptr<Method>>& methods,
                                              const Network& network) {
  std::vector<MetricDeclaration> all;
  for (const auto& method : methods)
    for (MetricDeclaration& m : method->metrics(network)) {
      const bool taken = std::any_of(all.begin(), all.end(),
                                     [&](const MetricDeclaration& o) { return o.name == m.name; });
      if (taken) m.name = std::string(method->name()) + "_" + m.name;
      all.push_back(std::move(m));
    }
  return all;
}

std::vector<double> MethodStack::measure() {
  std::vector<double> all;
  for (auto& method : methods_) {
    const auto values = method->measure();
    std::size_t declared = 0;
    for (const MetricDeclaration& m : method->metrics(*network_)) declared += m.width();
    require(values.size() == declared,
            std::string(method->name()) + ": measured and declared metrics differ in number");
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void MethodStack::visit(StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "latents");
    for (Slot& s : slots_)
      if (s.transform)
        for (std::size_t i = 0; i < s.latents.size(); ++i)
          visitor.tensor(s.latent_name(i), s.latents[i]);
    for (Own& own : owns_) visitor.tensor(own.tensor.name, own.tensor.value);
  }
  for (std::size_t i = 0; i < methods_.size(); ++i) {
    const StateScope scope(visitor, std::to_string(i) + "-" + std::string(methods_[i]->name()));
    methods_[i]->visit(visitor);
  }
}

void MethodStack::visit_deployed(StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "trained");
    for (Own& own : owns_) visitor.tensor(own.tensor.name, own.tensor.value);
  }
  for (std::size_t i = 0; i < methods_.size(); ++i) {
    const StateScope scope(visitor, std::to_string(i) + "-" + std::string(methods_[i]->name()));
    methods_[i]->visit_deployed(visitor);
  }
}

}  // namespace bitwright
