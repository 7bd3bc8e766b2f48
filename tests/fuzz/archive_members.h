#pragma once
// Reads every member of an archive, some to their end and some not.

#include <array>

#include <bitwright/data/archive.h>

#include "fuzz_input.h"

namespace bitwright::fuzz {

inline int read_archive(const std::uint8_t* data, std::size_t size) {
  // What a packed input may unpack to is bounded by the readers of members, as in read_all; here
  // by what is read in all.
  constexpr std::size_t most = std::size_t{1} << 24;
  const MemoryFile file(data, size);
  may_refuse([&] {
    std::size_t members = 0, total = 0;
    for_each_member(file.path(), [&](const std::string& path, ByteStream& bytes) {
      expect(!path.starts_with("./"), "paths are plain");
      std::array<char, 4096> block;
      const bool whole = ++members % 4 != 0;
      for (std::size_t got = 1; got > 0 && total < most;) {
        got = bytes.read(block.data(), block.size());
        total += got;
        if (!whole) break;
      }
      return members < 1000 && total < most;
    });
  });
  return 0;
}

}  // namespace bitwright::fuzz
