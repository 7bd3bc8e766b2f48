// `report`: scripts/report draws and writes the page.
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "core/source_script.h"

namespace bitwright {

int report(const std::string& folder, const std::string& target) {
  const std::string script = source_script("report");
  // A folder whose name begins with '-' is no option.
  std::vector<const char*> words{kPython, script.c_str()};
  if (!target.empty()) words.insert(words.end(), {"-o", target.c_str()});
  words.insert(words.end(), {"--", folder.c_str(), nullptr});
  execv(kPython, const_cast<char* const*>(words.data()));
  throw config_error(Place{kPython}, fmt::format("cannot be run: {}", std::strerror(errno)),
                     "Python with h5py, matplotlib and yaml",
                     "apt-get install python3-h5py python3-matplotlib python3-yaml");
}

}  // namespace bitwright
