#include "experiment/verify.h"

#include <fmt/format.h>

#include "cli/commands.h"

namespace bitwright {

int verify(const Registries& registries, const VerifyArguments& arguments) {
  const Verification result = verify_run(registries, {.run = arguments.run,
                                                      .steps = arguments.steps,
                                                      .threads = arguments.threads,
                                                      .command_line = arguments.command_line});
  if (result.signal != 0) return 128 + result.signal;
  fmt::print("{}", arguments.json ? verification_json(result) : verification_text(result));
  return result.equal() ? 0 : different_bits;
}

}  // namespace bitwright
