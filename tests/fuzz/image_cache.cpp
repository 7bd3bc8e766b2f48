// Files of the image cache. Check sums keep nearly every mutation out, so inputs whose first byte
// is odd get right ones before they are read. The rest of the input is the file, its header without
// the zeros behind it.
#include <zlib.h>

#include <bitwright/core/sha256.h>

#include "data/image_file.h"
#include "fuzz_input.h"

using namespace bitwright;

namespace {

constexpr std::size_t kHeader = 192, kBegin = 4096;  // framework/data/README.md

void put_crc(std::string& file, std::size_t at, std::size_t from, std::size_t count) {
  const auto sum = static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(file.data() + from), count));
  std::memcpy(file.data() + at, &sum, 4);
}

// Of at most one block, which all inputs here are small enough for.
void make_right(std::string& file) {
  const std::string source = sha256("s", 1);
  file.replace(56, 64, source);
  if (file.size() >= kBegin + 4) {
    put_crc(file, file.size() - 4, kBegin, file.size() - kBegin - 4);
    put_crc(file, 184, file.size() - 4, 4);
  }
  put_crc(file, 188, 0, 188);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 + kHeader) return 0;
  std::string file(reinterpret_cast<const char*>(data + 1), size - 1);
  file.insert(kHeader, kBegin - kHeader, '\0');
  if ((data[0] & 1) != 0) make_right(file);
  const fuzz::MemoryFile input(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
  if (const auto found = open_image_file(input.path(), "s")) {
    const ImageSet& images = found->images;
    std::size_t sum = 0;
    for (std::int64_t i = 0; i < images.count(); ++i) {
      const std::int32_t label = images.labels[static_cast<std::size_t>(i)];
      fuzz::expect(label >= 0 && label < images.classes, "labels are in range");
      for (std::int64_t p = 0; p < images.image_size(); ++p) sum += images.image(i)[p];
    }
    fuzz::expect(sum <= 255 * file.size(), "pixels are bytes of the file");
  }
  return 0;
}
