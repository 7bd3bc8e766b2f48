#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include <bitwright/experiment/builtin.h>

#include "cli/commands.h"
#include "experiment/option_page.h"

namespace bitwright {
namespace {

std::map<std::string, std::string> pages() {
  std::map<std::string, std::string> all{{"experiments/OPTIONS.md", experiment_page()}};
  for (const BuiltinFolder& folder : builtin_folders()) {
    Registries own;
    folder.add(own);
    all[folder.path + "/OPTIONS.md"] = option_page(own, folder.path);
  }
  return all;
}

std::string read(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

int reference(const std::string& root, bool only_check) {
  if (!std::filesystem::is_directory(root + "/experiments"))
    throw config_error(Place{root}, "is no source tree of bitwright", "a folder with experiments/",
                       "name the folder that the program was built from");
  int stale = 0;
  for (const auto& [page, text] : pages()) {
    const std::string file = root + "/" + page;
    if (read(file) == text) continue;
    ++stale;
    fmt::print("{} {}\n", only_check ? "stale:" : "written:", page);
    if (only_check) continue;
    std::ofstream stream(file, std::ios::binary);
    stream << text;
    if (!stream.flush()) throw storage_error(file, "cannot be written");
  }
  if (stale == 0 || !only_check) return 0;
  throw config_error(Place{root}, fmt::format("{} pages are stale", stale),
                     "what the program prints", "run bitwright reference here");
}

}  // namespace bitwright
