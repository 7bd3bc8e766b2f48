// The program's command line: exit statuses, one line per failure, and what list, describe and
// check print. No test here trains.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.h"

using bitwright::testing::bitwright_program;
using bitwright::testing::check_refused;
using bitwright::testing::Outcome;
using bitwright::testing::RunDirectory;

namespace {

std::string write_experiment(const RunDirectory& dir, const std::string& name,
                             const std::string& more = "") {
  bitwright::testing::write_bytes(dir / name,
                                  "experiment: small\n"
                                  "data: glyphs\n"
                                  "network: lenet300\n"
                                  "stages:\n"
                                  "  - name: float\n"
                                  "    steps: 3\n"
                                  "    optimizer: {name: adam, learning_rate: 0.001}\n" +
                                      more);
  return name;
}

}  // namespace

TEST_CASE("wrong command lines") {
  const RunDirectory dir;
  const std::string file = write_experiment(dir, "a.yaml");
  const std::string place = "command line";
  check_refused(dir, "", place, "see bitwright --help");
  check_refused(dir, "runn a.yaml", place, "unknown command 'runn'; did you mean 'run'?");
  check_refused(dir, "frobnicate", place, "one of run, check, tune, list, describe, show");
  check_refused(dir, "--verson", place, "unknown option '--verson'; did you mean '--version'?");
  check_refused(dir, "run", place, "FILE");
  check_refused(dir, "run seed=3", place, "no experiment file is named");
  check_refused(dir, "run a.yaml --overwrit", place, "did you mean '--overwrite'?");
  check_refused(dir, "run a.yaml --reusme", place, "did you mean '--resume'?");
  check_refused(dir, "run a.yaml --outt=x", place, "unknown option '--outt'; did you mean '--out'");
  check_refused(dir, "run a.yaml -j 0", place, "-j");
  check_refused(dir, "run a.yaml --cell x", place, "has no cell 'x'");
  check_refused(dir, "run a.yaml --profile smok", place, "did you mean 'smoke'?");
  check_refused(dir, "check a.yaml --profile zzz", place, "one of full, smoke");
  check_refused(dir, "completion fish", place, "bash or zsh");
  check_refused(dir, "reference .", ".", "is no source tree");
  check_refused(dir, "run a.yaml --out", place, "--out");
  check_refused(dir, "run a.yaml --resume --overwrite", place, "--overwrite");
  check_refused(dir, "run a.yaml --trace --check-numerics", place, "--check-numerics");
  check_refused(dir, "run a.yaml a.yaml --trace=t.json", place, "one trace file for several");
  check_refused(dir, "run a.yaml --check-numeric", place, "did you mean '--check-numerics'?");
  check_refused(dir, "check", place, "FILE");
  check_refused(dir, "check a.yaml --json", place, "unknown option '--json'");
  check_refused(dir, "list", place, "KIND");
  check_refused(dir, "list method", place, "did you mean 'methods'?");
  check_refused(dir, "list methods networks", place, "networks");
  check_refused(dir, "describe", place, "NAME");
  check_refused(dir, "describe lenet30", place, "did you mean 'lenet300'?");
  check_refused(dir, "describe zzzzzzzz", place, "nothing is called 'zzzzzzzz'");
  check_refused(dir, "show", place, "RUN");
  CHECK_FALSE(std::filesystem::exists(dir / "runs"));
}

TEST_CASE("wrong tables") {
  const RunDirectory dir;
  const auto refused = [&](const std::string& cells, const std::string& place,
                           const std::string& what) {
    bitwright::testing::write_bytes(dir / "t.yaml", "table: 2\npaper: some\ncells:\n" + cells);
    check_refused(dir, "check t.yaml", place, what);
  };
  const std::string cell = "  - {name: a, experiment: e.yaml, value: 98}\n";
  refused(cell + cell, "t.yaml:5:12", "two cells are called 'a'");
  refused("  - {name: a, experiment: e.yaml, value: 98, seeds: [1, 2, 1]}\n", "t.yaml:4:53",
          "seed 1 is repeated");
  refused("  - {name: a, experiment: e.yaml, vlaue: 98}\n", "t.yaml:4:35", "did you mean 'value'?");
}

TEST_CASE("wrong experiments, the same for check and run") {
  const RunDirectory dir;
  write_experiment(dir, "good.yaml");
  write_experiment(dir, "typo.yaml", "evaluaton: {every: 5}\n");
  write_experiment(dir, "range.yaml", "checkpoint: {every: 0}\n");
  write_experiment(dir, "type.yaml", "seed: 1.5\n");
  write_experiment(dir, "method.yaml", "    methods: [proximal_mean_fild]\n");
  write_experiment(dir, "syntax.yaml", "seed: [1\n");
  bitwright::testing::write_bytes(dir / "empty.yaml", "");
  for (const std::string command : {"check ", "run "}) {
    check_refused(dir, command + "missing.yaml", "missing.yaml", "cannot be read");
    check_refused(dir, command + ".", ".", "cannot be read");
    check_refused(dir, command + "empty.yaml", "empty.yaml", "the file is empty");
    check_refused(dir, command + "typo.yaml", "typo.yaml:8:1", "did you mean 'evaluation'?");
    check_refused(dir, command + "range.yaml", "range.yaml:8:21", "an integer >= 1, in steps");
    check_refused(dir, command + "type.yaml", "type.yaml:8:7", "an integer >= 0");
    check_refused(dir, command + "method.yaml", "method.yaml:8:15",
                  "did you mean 'proximal_mean_field'?");
    check_refused(dir, command + "syntax.yaml", "syntax.yaml:9:1", "valid YAML");
    check_refused(dir, command + "good.yaml fragment=true", "command line", "unknown key");
    check_refused(dir, command + "good.yaml sed=3", "command line", "did you mean 'seed'?");
    check_refused(dir, command + "good.yaml stages.flot.steps=3", "command line", "'float'?");
    check_refused(dir, command + "good.yaml threads=0", "command line", "a positive number");
    check_refused(dir, command + "good.yaml experiment=a/b", "command line", "a folder");
  }
  // All files are checked before the first one runs.
  check_refused(dir, "run good.yaml typo.yaml", "typo.yaml:8:1", "did you mean 'evaluation'?");
  CHECK_FALSE(std::filesystem::exists(dir / "runs"));
}

TEST_CASE("check prints a configuration that checks to itself") {
  const RunDirectory dir;
  write_experiment(dir, "a.yaml");
  const Outcome first = bitwright_program(dir, "check a.yaml seed=7 stages.float.steps=9");
  CAPTURE(first.err);
  REQUIRE(first.status == 0);
  CHECK(first.err == "");
  const auto line = [&](const std::string& value, const std::string& origin) {
    const auto at = first.out.find(value + " ");
    REQUIRE(at != std::string::npos);
    CHECK(first.out.substr(at, first.out.find('\n', at) - at).ends_with("# " + origin));
  };
  line("experiment: small", "a.yaml:1:13");
  line("seed: 7", "command line");
  line("steps: 9", "command line");
  line("threads: auto", "default");
  line("name: glyphs", "a.yaml:2:7");

  bitwright::testing::write_bytes(dir / "b.yaml", first.out);
  const Outcome second = bitwright_program(dir, "check b.yaml");
  REQUIRE(second.status == 0);
  const auto without_origins = [](const std::string& text) {
    std::string values;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      const std::string all = text.substr(at, end - at);
      values += all.substr(0, all.find(" #")).substr(0, all.find_last_not_of(' ') + 1) + "\n";
      at = end + 1;
    }
    return values;
  };
  CHECK(without_origins(second.out) == without_origins(first.out));
  CHECK_FALSE(std::filesystem::exists(dir / "runs"));
}

TEST_CASE("every experiment in the repository passes check") {
  const RunDirectory dir;
  std::string files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(BITWRIGHT_SOURCE "/experiments"))
    if (entry.path().extension() == ".yaml" &&
        !entry.path().filename().string().starts_with("table"))
      files += " '" + entry.path().string() + "'";
  REQUIRE(files != "");
  const Outcome o = bitwright_program(dir, "check" + files);
  CAPTURE(o.err);
  CHECK(o.status == 0);
}

TEST_CASE("list, as text and as JSON") {
  const RunDirectory dir;
  for (const std::string kind : {"methods", "networks", "datasets", "augmentations", "quantizers",
                                 "optimizers", "schedules"}) {
    CAPTURE(kind);
    const Outcome text = bitwright_program(dir, "list " + kind);
    const Outcome json = bitwright_program(dir, "list " + kind + " --json");
    CHECK(text.status == 0);
    REQUIRE(json.status == 0);
    const auto all = nlohmann::json::parse(json.out);
    REQUIRE(all.is_array());
    CHECK(static_cast<std::size_t>(std::count(text.out.begin(), text.out.end(), '\n')) ==
          all.size());
    for (const auto& entry : all) {
      const std::string name = entry.at("name");
      CHECK(text.out.find(name) != std::string::npos);
      CHECK(entry.at("summary").is_string());
      CHECK(entry.at("source").is_string());
      CHECK(bitwright_program(dir, "describe " + name).status == 0);
    }
  }
  CHECK(nlohmann::json::parse(bitwright_program(dir, "list methods --json").out)
            .dump()
            .find("proximal_mean_field") != std::string::npos);
}

TEST_CASE("describe tells types, ranges, defaults and symbols") {
  const RunDirectory dir;
  const Outcome o = bitwright_program(dir, "describe adam");
  REQUIRE(o.status == 0);
  CHECK(o.out.starts_with("adam: "));
  CHECK(o.out.find("kind: optimizers") != std::string::npos);
  CHECK(o.out.find("learning_rate") != std::string::npos);
  CHECK(o.out.find("default 0.9") != std::string::npos);
  const Outcome method = bitwright_program(dir, "describe proximal_mean_field");
  CHECK(method.out.find("jacobian") != std::string::npos);
  CHECK(method.out.find("eye_double") != std::string::npos);
  CHECK(method.out.find("source: ") != std::string::npos);
  const auto holds = [&](const std::string& words, const std::vector<std::string>& all) {
    CAPTURE(words);
    const Outcome o = bitwright_program(dir, words);
    CHECK(o.status == 0);
    for (const std::string& text : all) {
      CAPTURE(text);
      CHECK(o.out.find(text) != std::string::npos);
    }
  };
  holds("describe cosine", {"end_factor", "options of all schedules:", "warm_up", "start_factor",
                            "steps (400), epochs (30 epochs) or a share (25 %), > 0"});
  holds("describe adamw", {"weight_decay_exclude", "norm_scale", "default 0.01"});
  holds("describe glyphs", {"options of all datasets:", "validation images"});
  holds("describe experiment", {"stages", "accumulate", "ema", "clip", "epochs", "init", "flush"});
}

TEST_CASE("options of an update that contradict each other, the same for check and run") {
  const RunDirectory dir;
  write_experiment(dir, "a.yaml");
  const std::string stage = " stages.float.";
  for (const std::string command : {"check a.yaml", "run a.yaml"}) {
    const auto refused = [&](const std::string& overrides, const std::string& contains,
                             const std::string& place = "command line") {
      check_refused(dir, command + overrides, place, contains);
    };
    refused(stage + "clip.norm=1" + stage + "clip.value=1", "'clip' is given in norm and in value");
    refused(stage + "clip.norm=0", "out of range");
    refused(stage + "epochs=2", "'float' is given in steps and in epochs");
    refused(stage + "ema.decay=1", "never moves");
    refused(stage + "ema.decay=1.5", "out of range");
    refused(stage + "ema.warm_up=true", "no decay");
    refused(stage + "accumulate=0", "an integer >= 1, in batches");
    refused(" 'stages.float.optimizer.weight_decay_exclude=[bn9*]'", "matches no parameter");
    refused(" 'stages.float.schedule={name: step, interval: 5 epoch s, factor: 1}'", "30 epochs");
    refused(" 'stages.float.schedule={name: chain, parts: [constant, cosine]}'", "has no length");
    refused(" 'stages=[{name: a, optimizer: sgd}]'", "'stages.0.optimizer.learning_rate'");
    refused(" 'stages=[{name: a, optimizer: {name: sgd, learning_rate: 1}}]'",
            "stage 'a' has no length; steps, epochs or images");
  }
}

TEST_CASE("version and help") {
  const RunDirectory dir;
  const Outcome version = bitwright_program(dir, "--version");
  CHECK(version.status == 0);
  CHECK(std::count(version.out.begin(), version.out.end(), '\n') == 1);
  for (const std::string words :
       {"--help", "run --help", "check --help", "list --help", "describe --help", "show --help"}) {
    CAPTURE(words);
    const Outcome help = bitwright_program(dir, words);
    CHECK(help.status == 0);
    CHECK(help.err == "");
    CHECK(help.out.find("--help") != std::string::npos);
  }
}
