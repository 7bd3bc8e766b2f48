// The text in which hashes are remembered. The check sum keeps nearly every mutation out, so the
// target adds it: what follows must hold for any body.
#include <bitwright/core/sha256.h>

#include "data/verified.h"
#include "fuzz_input.h"

using namespace bitwright;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  parse_hashes(body, "key");
  const std::string text = body + "sum " + sha256(body.data(), body.size()) + "\n";
  if (const auto hashes = parse_hashes(text, "key")) {
    const auto again = parse_hashes(hashes_text("key", *hashes), "key");
    fuzz::expect(again && again->size() == hashes->size(), "what is read can be written");
    for (const auto& [name, h] : *hashes)
      fuzz::expect(h.sha256.size() == 64 && h.md5.size() == 32, "digests are whole");
  }
  return 0;
}
