#include <fmt/format.h>

#include "experiment/config.h"
#include "experiment/option_text.h"

namespace bitwright {
namespace {

class Emitter {
 public:
  Emitter(const Registries& registries, bool origins)
      : registries_(registries), origins_(origins) {}

  void mapping(const Settings& settings, const std::vector<const Options*>& lists,
               const std::string& indent) {
    for (const Options* options : lists)
      for (const Option& option : options->list())
        if (settings.has(option.name)) entry(settings, option, indent);
  }

  std::string text;

 private:
  void line(const std::string& content, const Place& origin) {
    text += origins_ ? fmt::format("{:<56} # {}\n", content, origin.str()) : content + "\n";
  }

  void entry(const Settings& settings, const Option& option, const std::string& indent) {
    const std::string key = indent + option.name + ":";
    switch (option.type) {
      case OptionType::section:
        if (settings.section(option.name).names().empty())
          return line(key + " {}", settings.section(option.name).place());
        text += key + "\n";
        return mapping(settings.section(option.name), {option.section.get()}, indent + "  ");
      case OptionType::component:
        text += key + "\n";
        return component(settings.section(option.name), option, indent + "  ");
      case OptionType::section_list:
      case OptionType::component_list:
        return list(settings.sections(option.name), settings.where(option.name), option, indent);
      default:
        line(key + " " + yaml_text(*settings.value(option.name)), settings.where(option.name));
    }
  }

  void component(const Settings& settings, const Option& option, const std::string& indent) {
    line(indent + "name: " + settings.name(), settings.where("name"));
    const ComponentInfo* info = registries_.find(option.registry)->find(settings.name());
    std::vector<const Options*> lists;
    if (option.section) lists.push_back(option.section.get());
    lists.push_back(&info->options);
    mapping(settings, lists, indent);
  }

  void list(const std::vector<Settings>& all, const Place& where, const Option& option,
            const std::string& indent) {
    if (all.empty()) return line(indent + option.name + ": []", where);
    text += indent + option.name + ":\n";
    for (const Settings& settings : all) {
      const std::size_t at = text.size();
      if (option.type == OptionType::section_list) {
        mapping(settings, {option.section.get()}, indent + "    ");
      } else {
        component(settings, option, indent + "    ");
      }
      if (text.size() == at) line(indent + "    {}", settings.place());
      text[at + indent.size() + 2] = '-';
    }
  }

  const Registries& registries_;
  const bool origins_;
};

}  // namespace

std::string emit_config(const Settings& settings, const Options& options,
                        const Registries& registries, bool origins) {
  Emitter emitter(registries, origins);
  emitter.mapping(settings, {&options}, "");
  return emitter.text;
}

}  // namespace bitwright
