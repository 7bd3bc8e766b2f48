#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/option_text.h"
#include "experiment/schema.h"

namespace bitwright {

static void describe_options(const Options& options, const std::string& indent) {
  for (const Option& option : options.list()) {
    const bool may_be_left_out = option.optional || option.type == OptionType::section ||
                                 option.type == OptionType::component_list;
    fmt::print("{}{}{}\n", indent, option.name,
               option.symbol.empty() ? "" : fmt::format(" ({})", option.symbol));
    fmt::print("{}    {}; {}\n", indent, describe_type(option),
               option.fallback   ? "default " + yaml_text(*option.fallback)
               : may_be_left_out ? "may be left out"
                                 : "required");
    fmt::print("{}    {}\n", indent, option.doc);
    if (option.type == OptionType::section || option.type == OptionType::section_list)
      describe_options(*option.section, indent + "    ");
  }
}

// The options that an experiment file takes beside those of a component's own.
static const Option* find_component(const Options& options, const std::string& kind) {
  for (const Option& option : options.list()) {
    if (option.type == OptionType::component && option.registry == kind) return &option;
    if (!option.section || option.type == OptionType::component) continue;
    if (const Option* found = find_component(*option.section, kind)) return found;
  }
  return nullptr;
}

static void describe_common_options(const std::string& kind) {
  const Options all = experiment_options();
  const Option* const component = find_component(all, kind);
  if (component == nullptr || component->section->list().empty()) return;
  fmt::print("options of all {}:\n", kind);
  describe_options(*component->section, "  ");
}

static int describe_experiment() {
  fmt::print("experiment: everything that an experiment file may say\noptions:\n");
  describe_options(file_options(), "  ");
  return 0;
}

int describe(const Registries& registries, const std::string& name) {
  if (name == "experiment") return describe_experiment();
  std::vector<std::string> known{"experiment"};
  bool found = false;
  for (const std::string& kind : Registries::kinds()) {
    const RegistryBase& registry = *registries.find(kind);
    for (const std::string& entry : registry.names()) known.push_back(entry);
    const ComponentInfo* const info = registry.find(name);
    if (info == nullptr) continue;
    fmt::print("{}{}: {}\n", found ? "\n" : "", info->name, info->summary);
    if (!info->source.empty()) fmt::print("source: {}\n", info->source);
    fmt::print("kind: {}\n", kind);
    fmt::print("{}", info->options.list().empty() ? "no options\n" : "options:\n");
    describe_options(info->options, "  ");
    describe_common_options(kind);
    found = true;
  }
  if (found) return 0;
  const std::string near = nearest_name(name, known);
  throw config_error(Place{"command line"}, fmt::format("nothing is called '{}'", name),
                     near.empty() ? "a name that 'bitwright list' prints, or experiment"
                                  : fmt::format("did you mean '{}'?", near),
                     fmt::format("see bitwright list {}", fmt::join(Registries::kinds(), "|")));
}

}  // namespace bitwright
