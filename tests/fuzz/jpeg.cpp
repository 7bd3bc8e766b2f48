// JPEG images of 64 x 64 pixels.
#include "datasets/tinyimagenet/jpeg.h"

#include <vector>

#include "fuzz_input.h"

using namespace bitwright;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> pixels(64 * 64 * 3);
  fuzz::may_refuse([&] { tinyimagenet::decode_jpeg("input", data, size, 64, 64, pixels.data()); });
  return 0;
}
