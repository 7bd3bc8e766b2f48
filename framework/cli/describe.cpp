#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/option_text.h"

namespace bitwright {

static void describe_options(const Options& options, const std::string& indent) {
  for (const Option& option : options.list()) {
    fmt::print("{}{}{}\n", indent, option.name,
               option.symbol.empty() ? "" : fmt::format(" ({})", option.symbol));
    fmt::print("{}    {}; {}\n", indent, describe_type(option),
               option.fallback   ? "default " + yaml_text(*option.fallback)
               : option.optional ? "may be left out"
                                 : "required");
    fmt::print("{}    {}\n", indent, option.doc);
    if (option.type == OptionType::section || option.type == OptionType::section_list)
      describe_options(*option.section, indent + "    ");
  }
}

int describe(const Registries& registries, const std::string& name) {
  std::vector<std::string> known;
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
    found = true;
  }
  if (found) return 0;
  const std::string near = nearest_name(name, known);
  throw config_error(Place{"command line"}, fmt::format("nothing is called '{}'", name),
                     near.empty() ? "a name that 'bitwright list' prints"
                                  : fmt::format("did you mean '{}'?", near),
                     fmt::format("see bitwright list {}", fmt::join(Registries::kinds(), "|")));
}

}  // namespace bitwright
