#include "results/file_system.h"

#include <cstdint>

#include <sys/vfs.h>

namespace bitwright::results {

// Numbers as in statfs(2) and linux/magic.h. HDF5's documentation excludes NFS and SMB; the others
// cache on the client or hand writes to a program of which we know nothing.
std::optional<std::string> without_swmr(long type) {
  static constexpr struct {
    std::uint32_t type;
    const char* name;
  } known[] = {{0x6969, "NFS"},      {0x517B, "SMB"},
               {0xFE534D42, "SMB"},  {0xFF534D42, "CIFS"},
               {0x5346414F, "AFS"},  {0x6B414653, "AFS"},
               {0x73757245, "Coda"}, {0x00C36400, "Ceph"},
               {0x01021997, "9p"},   {0x65735546, "FUSE (sshfs and others)"}};
  for (const auto& system : known)
    if (static_cast<std::uint32_t>(type) == system.type) return system.name;
  return std::nullopt;
}

std::optional<std::string> file_system_without_swmr(const std::string& path) {
  struct statfs system = {};
  if (statfs(path.c_str(), &system) != 0) return std::nullopt;
  return without_swmr(system.f_type);
}

}  // namespace bitwright::results
