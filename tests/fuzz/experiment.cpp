// Any text as an experiment file: it is composed, its references are replaced, it is resolved; what
// is accepted is written back and must read to the same again. Files that it extends are looked for
// in a folder that is not there.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "experiment/problems.h"
#include "tests/config_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const ConfigFile file = read_config_text(text, "/nonexistent/fuzz.yaml", {});
    const Settings config = resolve_config(file, fake_options(), fake_registries());
    if (file.fragment) return 0;
    const std::string written = emit(config);
    if (emit(parse(written)) != written) std::abort();
  } catch (const Error& error) {
    if (error.status() != ExitStatus::config) std::abort();
    for (const char* c = error.what(); *c != '\0'; ++c)
      if (*c == '\n' || *c == '\r') std::abort();  // one line, whatever the text holds
  }
  return 0;
}
