// bitwright probe: what a quantizer does to given numbers, as JSON.
#include "train/probe.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "experiment/config.h"

namespace bitwright {
namespace {

const Place kHere{"command line"};

std::vector<float> numbers(std::string_view option, std::string_view text) {
  std::vector<float> all;
  while (true) {
    const auto comma = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, comma);
    float value = 0;
    const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (failed != std::errc{} || end != word.data() + word.size() || !std::isfinite(value))
      throw config_error(kHere, fmt::format("{}: '{}' is not a finite number", option, word),
                         "numbers with commas between them, such as 0.1,-0.7,2");
    all.push_back(value);
    if (comma == text.size()) return all;
    text.remove_prefix(comma + 1);
  }
}

void check_name(const Registries& registries, const std::string& name) {
  if (registries.methods.find(name) != nullptr) return;
  const auto known = registries.methods.names();
  const std::string near = nearest_name(name, known);
  throw config_error(kHere, fmt::format("there is no method '{}'", name),
                     near.empty() ? fmt::format("one of {}", fmt::join(known, ", "))
                                  : fmt::format("did you mean '{}'?", near),
                     "see bitwright list methods");
}

// The method with options "key=value", validated as in an experiment file.
std::unique_ptr<Method> make_method(const Registries& registries, const std::string& name,
                                    const std::vector<std::string>& words) {
  std::vector<std::string> overrides;
  for (const std::string& word : words) {
    if (word.find('=') == std::string::npos)
      throw config_error(kHere, fmt::format("'{}' is no option of a method", word), "key=value",
                         fmt::format("see bitwright describe {}", name));
    overrides.push_back("method." + word);
  }
  const Options options = Options{}.component("method", "methods", "", "the method to probe");
  const Settings settings = parse_config(fmt::format("method: {{name: {}}}\n", name), kHere.file,
                                         overrides, options, registries);
  return registries.methods.make(settings.section("method"));
}

nlohmann::ordered_json as_json(const std::string& method, const std::string& of,
                               const std::vector<float>& input, const std::vector<float>& dy,
                               const Probed& p) {
  nlohmann::ordered_json json{{"method", method},
                              {"of", of},
                              {"input", input},
                              {"values", p.values},
                              {"deployed", p.deployed}};
  if (p.coded) {
    json["bits"] = p.coded->bits;
    json["codes"] = p.coded->codes;
    if (p.coded->book.empty()) {
      json["scale"] = p.coded->scale;
      json["offset"] =
          p.coded->offset.empty() ? std::vector<float>(p.coded->scale.size()) : p.coded->offset;
    } else {
      json["book"] = p.coded->book;
    }
  }
  json["output_gradient"] = dy;
  if (!p.gradient.empty()) json["gradient"] = p.gradient;
  json["trained"] = nlohmann::ordered_json::array();
  for (const Probed::Trained& t : p.trained)
    json["trained"].push_back({{"name", t.name}, {"value", t.value}, {"gradient", t.gradient}});
  return json;
}

}  // namespace

int probe(const Registries& registries, const ProbeArguments& a) {
  check_name(registries, a.words.front());
  const std::vector<float> values = numbers("--values", a.values);
  std::vector<float> dy(values.size(), 1);
  if (!a.gradient.empty()) dy = numbers("--grad", a.gradient);
  if (dy.size() != values.size())
    throw config_error(kHere,
                       fmt::format("--grad has {} numbers, --values {}", dy.size(), values.size()),
                       "one for each value");
  auto method = make_method(registries, a.words.front(), {a.words.begin() + 1, a.words.end()});
  const Probed probed = a.activations ? probe_activation(std::move(method), values, dy)
                                      : probe_weight(std::move(method), values, dy);
  fmt::print("{}\n",
             as_json(a.words.front(), a.activations ? "activations" : "weights", values, dy, probed)
                 .dump(2));
  return 0;
}

}  // namespace bitwright
