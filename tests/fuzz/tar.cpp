// Tar files: plain, gzip, xz, bzip2.
#include "archive_members.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return bitwright::fuzz::read_archive(data, size);
}
