// Completion scripts for shells, made from the same declarations as everything else.
#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/schema.h"

namespace bitwright {
namespace {

// "data.batch=" and the like: what an override may begin with.
void override_words(const Options& options, const std::string& path,
                    std::vector<std::string>& words) {
  for (const Option& o : options.list()) {
    const std::string here = path + o.name;
    switch (o.type) {
      case OptionType::section:
        override_words(*o.section, here + ".", words);
        break;
      case OptionType::component:
        words.push_back(here + ".name=");
        override_words(*o.section, here + ".", words);
        break;
      case OptionType::section_list:
      case OptionType::component_list:
        break;
      default:
        words.push_back(here + "=");
    }
  }
}

std::vector<std::string> component_names(const Registries& registries) {
  std::vector<std::string> names{"experiment"};
  for (const std::string& kind : Registries::kinds())
    for (const std::string& name : registries.find(kind)->names()) names.push_back(name);
  return names;
}

// What may follow a sub-command, beside its options and files.
std::vector<std::string> arguments_of(const Registries& registries, const std::string& command) {
  std::vector<std::string> words;
  if (command == "run" || command == "check") override_words(file_options(), "", words);
  if (command == "list") words = Registries::kinds();
  if (command == "describe") words = component_names(registries);
  if (command == "completion") words = {"bash", "zsh"};
  return words;
}

std::string bash(const Registries& registries, const std::vector<CommandWords>& commands) {
  std::string names, cases;
  for (const CommandWords& c : commands) {
    names += (names.empty() ? "" : " ") + c.name;
    cases +=
        fmt::format("    {}) words=\"{} {}\" ;;\n", c.name,
                    fmt::join(arguments_of(registries, c.name), " "), fmt::join(c.options, " "));
  }
  return fmt::format(
      R"(# bash completion of bitwright; use: source <(bitwright completion bash)
_bitwright() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "{} --help --version" -- "$word"))
    return
  fi
  if [[ ${{COMP_WORDS[COMP_CWORD - 1]}} == --profile ]]; then
    COMPREPLY=($(compgen -W "full smoke" -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{}    *) words= ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word") $(compgen -f -X '!*.@(yaml|yml|h5)' -- "$word")
             $(compgen -d -- "$word"))
  [[ ${{#COMPREPLY[@]}} -ne 1 || $COMPREPLY != *= ]] || compopt -o nospace
}}
shopt -s extglob
complete -o filenames -F _bitwright bitwright
)",
      names, cases);
}

std::string zsh(const Registries& registries, const std::vector<CommandWords>& commands) {
  std::string names, cases;
  for (const CommandWords& c : commands) {
    std::string help = c.help;
    std::erase_if(help, [](char h) { return h == '\'' || h == ':'; });
    names += fmt::format("    '{}:{}'\n", c.name, help);
    cases +=
        fmt::format("    {}) words=({} {}) ;;\n", c.name,
                    fmt::join(arguments_of(registries, c.name), " "), fmt::join(c.options, " "));
  }
  return fmt::format(
      R"(#compdef bitwright
# zsh completion of bitwright; use: source <(bitwright completion zsh)
_bitwright() {{
  local -a commands overrides words
  commands=(
{})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  if [[ ${{words[CURRENT - 1]}} == --profile ]]; then
    compadd full smoke
    return
  fi
  local command=${{words[2]}}
  case $command in
{}    *) words=() ;;
  esac
  overrides=(${{(M)words:#*=}})
  compadd -S '' -a overrides
  words=(${{words:#*=}})
  compadd -a words
  _files -g '*.(yaml|yml|h5)'
}}
compdef _bitwright bitwright
)",
      names, cases);
}

}  // namespace

int completion(const Registries& registries, const std::string& shell,
               const std::vector<CommandWords>& commands) {
  if (shell != "bash" && shell != "zsh")
    throw config_error(Place{"command line"}, fmt::format("no completion for '{}'", shell),
                       "bash or zsh", "name one of the two");
  fmt::print("{}", shell == "bash" ? bash(registries, commands) : zsh(registries, commands));
  return 0;
}

}  // namespace bitwright
