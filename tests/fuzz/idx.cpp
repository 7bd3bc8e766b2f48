// idx files, raw and gzipped. The first byte of the input says which.
#include "datasets/mnist/idx.h"

#include "data/gunzip.h"
#include "fuzz_input.h"

using namespace bitwright;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool gzip = (data[0] & 1) != 0, labels = (data[0] & 2) != 0;
  std::unique_ptr<ByteStream> bytes = std::make_unique<fuzz::MemoryStream>(data + 1, size - 1);
  if (gzip) bytes = gunzip(std::move(bytes));
  fuzz::may_refuse([&] {
    if (labels) {
      for (const std::int32_t label : mnist::read_labels(*bytes))
        fuzz::expect(label >= 0 && label <= 9, "labels are 0 to 9");
    } else {
      const auto pixels = mnist::read_images(*bytes);
      fuzz::expect(!pixels.empty() && pixels.size() % 784 == 0, "images are whole");
    }
  });
  return 0;
}
