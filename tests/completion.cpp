// The completion scripts, run by the shells that they are for.
#include <cstdlib>

#include "cli_fixture.h"

using bitwright::testing::bitwright_program;
using bitwright::testing::Outcome;
using bitwright::testing::read_bytes;
using bitwright::testing::RunDirectory;
using bitwright::testing::write_bytes;

namespace {

// What bash offers for the last of the words, one a line.
std::string offered(const RunDirectory& dir, const std::string& words, int count) {
  write_bytes(dir / "ask.bash", "source ./script\nCOMP_WORDS=(" + words +
                                    ")\nCOMP_CWORD=" + std::to_string(count) +
                                    "\ncompopt() { :; }\n_bitwright\nprintf '%s\\n' "
                                    "\"${COMPREPLY[@]}\"\n");
  const std::string command = "cd " + dir.path() + " && bash ask.bash >answer 2>&1";
  CHECK(std::system(command.c_str()) == 0);
  std::string lines(1, '\n');
  return lines.append(read_bytes(dir / "answer"));
}

}  // namespace

TEST_CASE("bash completes commands, options, keys and names") {
  const RunDirectory dir;
  const Outcome script = bitwright_program(dir, "completion bash");
  REQUIRE(script.status == 0);
  write_bytes(dir / "script", script.out);
  write_bytes(dir / "a.yaml", "");
  const auto offers = [&](const std::string& words, int count, const std::string& word) {
    CAPTURE(words);
    const std::string all = offered(dir, words, count);
    CAPTURE(all);
    CHECK(all.find("\n" + word + "\n") != std::string::npos);
  };
  offers("bitwright ch", 1, "check");
  offers("bitwright run --ov", 2, "--overwrite");
  offers("bitwright run a", 2, "a.yaml");
  offers("bitwright run a.yaml data.b", 3, "data.batch=");
  offers("bitwright check evaluation.e", 2, "evaluation.every=");
  offers("bitwright run --profile sm", 3, "smoke");
  offers("bitwright list net", 2, "networks");
  offers("bitwright describe lenet5-", 2, "lenet5-wide");
}

TEST_CASE("the script for zsh is one, where there is a zsh") {
  const RunDirectory dir;
  const Outcome script = bitwright_program(dir, "completion zsh");
  REQUIRE(script.status == 0);
  CHECK(script.out.starts_with("#compdef bitwright\n"));
  write_bytes(dir / "script", script.out);
  if (std::system("command -v zsh >/dev/null 2>&1") == 0)
    CHECK(std::system(("zsh -n " + (dir / "script")).c_str()) == 0);
}
