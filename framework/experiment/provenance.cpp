#include "experiment/provenance.h"

#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <hdf5.h>
#include <link.h>
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

// The build ID among the notes of a segment, in hexadecimal; empty: none is there.
static std::string build_id_in(const char* at, std::size_t bytes) {
  const char* const end = at + bytes;
  const auto padded = [](std::size_t n) { return (n + 3) / 4 * 4; };
  while (at + sizeof(ElfW(Nhdr)) <= end) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    const char* const name = at + sizeof note;
    const char* const content = name + padded(note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID && std::strncmp(name, "GNU", 4) == 0) {
      std::string id;
      for (std::size_t i = 0; i < note.n_descsz; ++i)
        id += fmt::format("{:02x}", static_cast<unsigned char>(content[i]));
      return id;
    }
    at = content + padded(note.n_descsz);
  }
  return "";
}

// What the linker made of all the program's code and data; the version cannot tell two builds of a
// modified tree apart.
static std::string build_id() {
  std::string id;
  const auto look = [](dl_phdr_info* info, std::size_t, void* out) {
    std::string& found = *static_cast<std::string*>(out);
    for (int i = 0; i < info->dlpi_phnum && found.empty(); ++i)
      if (const auto& segment = info->dlpi_phdr[i]; segment.p_type == PT_NOTE)
        found = build_id_in(reinterpret_cast<const char*>(info->dlpi_addr + segment.p_vaddr),
                            segment.p_memsz);
    return 1;  // the program itself comes first
  };
  dl_iterate_phdr(look, &id);
  return id.empty() ? "unknown" : id;
}

std::string version_text() { return fmt::format("{} ({})", BITWRIGHT_VERSION, BITWRIGHT_GIT); }

std::map<std::string, std::string> gather_provenance(const std::vector<std::string>& command_line,
                                                     int threads) {
  return {{"version", BITWRIGHT_VERSION},
          {"git", BITWRIGHT_GIT},
          {"build", BITWRIGHT_BUILD},
          {"binary", build_id()},
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
