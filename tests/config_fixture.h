#pragma once
// A small experiment schema with components of its own, so that tests of configurations depend on
// no real method, network or data set.

#include <string>
#include <vector>

#include <bitwright/core/registry.h>

#include "experiment/config.h"

namespace bitwright::testing {

inline const Registries& fake_registries() {
  static const Registries* const registries = [] {
    auto* r = new Registries;
    r->networks.add({"plain", "a network without options", "", {}}, {});
    r->datasets.add({"tiny", "a data set", "", Options{}.integer("images", 10, "how many").min(1)},
                    {});
    r->optimizers.add({"adam", "", "", Options{}.real("learning_rate", 0.001, "step").above(0)},
                      {});
    r->optimizers.add({"sgd", "", "",
                       Options{}
                           .real("learning_rate", "step")  // required
                           .above(0)
                           .boolean("nesterov", false, "look ahead")},
                      {});
    r->schedules.add({"constant", "", "", {}}, {});
    r->schedules.add({"step", "", "", Options{}.integers("milestones", {}, "when").min(1)}, {});
    r->methods.add({"proximal", "", "",
                    Options{}
                        .choice("jacobian", {"exact", "eye", "eye_double"}, "backward map")
                        .reals("labels", {-1, 1}, "allowed weights")
                        .texts("exclude", {}, "patterns of layers")
                        .real("beta_rate", 1.2, "factor")
                        .symbol("rho")
                        .min(1)
                        .max(2)},
                   {});
    r->methods.add({"uniform", "", "", Options{}.integer("bits", 4, "width").unit("bits").min(1)},
                   {});
    return r;
  }();
  return *registries;
}

inline Options fake_options() {
  return Options{}
      .text("experiment", "name")
      .text("description", "", "for people")
      .text("note", "left out when there is none")
      .optional()
      .integer("seed", 1, "randomness")
      .min(0)
      .component("data", "datasets", "", "input",
                 Options{}
                     .integer("batch", 100, "images of a batch")
                     .min(1)
                     .section("split", Options{}.choice("kind", {"last", "seeded"}, "last", ""),
                              "validation"))
      .component("network", "networks", "plain", "what learns")
      .sections("stages",
                Options{}
                    .text("name", "unique")
                    .integer("steps", "length")
                    .unit("steps")
                    .min(1)
                    .components("methods", "methods", "what quantizes")
                    .component("optimizer", "optimizers", "", "updates")
                    .component("schedule", "schedules", "constant", "rate"),
                "one after the other")
      .section("log",
               Options{}
                   .boolean("verbose", false, "all of it")
                   .real("flush", 1, "delay")
                   .unit("seconds")
                   .above(0),
               "output");
}

/// A whole file that is right.
inline const std::string good_config =
    "experiment: good\n"
    "seed: 3\n"
    "data: {name: tiny, batch: 50}\n"
    "stages:\n"
    "  - name: float\n"
    "    steps: 100\n"
    "    optimizer: adam\n"
    "  - name: quantize\n"
    "    steps: 200\n"
    "    methods:\n"
    "      - {name: proximal, jacobian: eye}\n"
    "      - uniform\n"
    "    optimizer: {name: sgd, learning_rate: 1e-2}\n";

inline Settings parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_config(text, "f.yaml", overrides, fake_options(), fake_registries());
}

inline std::string emit(const Settings& settings, bool origins = false) {
  return emit_config(settings, fake_options(), fake_registries(), origins);
}

/// The line that a wrong configuration is answered with, "no error" when there is none.
inline std::string error_of(const std::string& text,
                            const std::vector<std::string>& overrides = {}) {
  try {
    parse(text, overrides);
  } catch (const Error& error) {
    return error.status() == ExitStatus::config ? error.what() : "not a configuration error";
  }
  return "no error";
}

}  // namespace bitwright::testing
