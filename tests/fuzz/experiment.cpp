// Any text as an experiment file: it is composed, its sweep is taken apart, its references are
// replaced, its cells are resolved; what is accepted is written back and must read to the same
// again. What stands behind a line "%%" is a second file, base.yaml, which the first may extend.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "experiment/problems.h"
#include "experiment/sweep.h"
#include "tests/config_fixture.h"
#include "tests/run_directory.h"

using namespace bitwright;
using namespace bitwright::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

static void resolve_and_write(ConfigFile file) {
  for (const char* key : {"cell", "threads"}) file.tree.remove(key);  // the fixture has none
  const bool fragment = file.fragment;
  const Settings config = resolve_config(std::move(file), fake_options(), fake_registries());
  if (fragment) return;
  const std::string written = emit(config);
  if (emit(parse(written)) != written) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const RunDirectory folder;
  std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto second = text.find("\n%%\n"); second != std::string::npos) {
    write_bytes(folder / "base.yaml", text.substr(second + 4));
    text.resize(second + 1);
  } else {
    std::filesystem::remove(folder / "base.yaml");
  }
  try {
    const Sweep sweep = take_sweep(read_config_text(text, folder / "fuzz.yaml", {}));
    for (std::size_t i = 0; i < std::min<std::size_t>(sweep.cells.size(), 4); ++i)
      resolve_and_write(sweep.file_of(sweep.cells[i]));
  } catch (const Error& error) {
    if (error.status() != ExitStatus::config) std::abort();
    for (const char* c = error.what(); *c != '\0'; ++c)
      if (*c == '\n' || *c == '\r') std::abort();  // one line, whatever the text holds
  }
  return 0;
}
