#include "experiment/provenance.h"

#include <fstream>

#include <fmt/format.h>
#include <hdf5.h>
#include <oneapi/tbb/version.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernels/library_versions.h"
#include "version.h"  // generated

namespace bitwright {

static std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

static std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

static std::string system_name() {
  utsname name{};
  return uname(&name) == 0 ? fmt::format("{} {} {}", name.sysname, name.release, name.machine)
                           : "unknown";
}

static std::string host() {
  char name[256] = "";
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

std::string version_text() { return fmt::format("{} ({})", BITWRIGHT_VERSION, BITWRIGHT_GIT); }

std::map<std::string, std::string> gather_provenance(const std::vector<std::string>& command_line,
                                                     int threads) {
  return {{"version", BITWRIGHT_VERSION},
          {"git", BITWRIGHT_GIT},
          {"build", BITWRIGHT_BUILD},
          {"host", host()},
          {"system", system_name()},
          {"cpu", cpu_model()},
          {"compiler", fmt::format("g++ {}", __VERSION__)},
          {"onednn", kernels::onednn_version()},
          {"algorithms", kernels::algorithms()},
          {"instruction_set", kernels::instruction_set()},
          {"tbb", TBB_runtime_version()},
          {"hdf5", hdf5_version()},
          {"yaml-cpp", BITWRIGHT_YAML_CPP},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100,
                              FMT_VERSION % 100)},
          {"threads", std::to_string(threads)},
          {"command_line", fmt::format("{}", fmt::join(command_line, " "))}};
}

}  // namespace bitwright
