// Sweeps as their users run them: cells of their own, one that fails, going on, several at once.
#include <filesystem>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <bitwright/results/run_file.h>

#include "cli_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace fs = std::filesystem;

namespace {

// Seconds altogether: 30 steps a cell. A learning rate of 3e38 diverges.
void write_sweep(const RunDirectory& dir, const std::string& rates, const std::string& more = "") {
  write_bytes(dir / "s.yaml",
              "experiment: tiny\n"
              "data: {name: glyphs, train_images: 600, test_images: 100, batch: 20,\n"
              "       split: {validation: 100}}\n"
              "network: {name: lenet300}\n"
              "stages:\n"
              "  - {name: float, steps: 30, optimizer: {name: sgd}}\n"
              "evaluation: {every: 15}\n"
              "checkpoint: {every: 10}\n"
              "seeds: [1, 2]\n"
              "sweep:\n"
              "  axes:\n"
              "    - {key: stages.float.optimizer.learning_rate, name: rate, values: " +
                  rates + "}\n" + more);
}

std::string run_file(const RunDirectory& dir, const std::string& cell) {
  return dir / ("runs/tiny/" + cell + "/run.h5");
}

std::string stamp(const std::string& file) {
  return fmt::format("{} {}", fs::last_write_time(file).time_since_epoch().count(),
                     fs::file_size(file));
}

std::vector<double> losses(const std::string& file) {
  return RunReader::open(file)->table("/metrics/step").values;
}

}  // namespace

TEST_CASE("each cell has a directory and a configuration of its own; -j changes nothing else") {
  const RunDirectory dir;
  write_sweep(dir, "[0.01, 0.1]");
  const Outcome two = bitwright_program(dir, "run s.yaml -j 2 --json");
  CAPTURE(two.err);
  REQUIRE(two.status == 0);
  const auto json = nlohmann::json::parse(two.out);
  REQUIRE(json.size() == 4);
  CHECK(json[0]["cell"] == "tiny/rate-0.01/seed-1");
  CHECK(json[3]["cell"] == "tiny/rate-0.1/seed-2");
  CHECK(json[3]["state"] == "finished");
  CHECK(json[3]["results"]["test_accuracy_float"].is_number());
  CHECK(two.err.find("[1/4] tiny/rate-0.01/seed-1: running\n") != std::string::npos);
  CHECK(two.err.find("[4/4] tiny/rate-0.1/seed-2: finished, float ") != std::string::npos);
  const std::string config = read_bytes(dir / "runs/tiny/rate-0.1/seed-2/config.yaml");
  for (const char* line :
       {"\nseed: 2\n", "\nthreads: \"1\"\n", "\ncell: rate-0.1\n", "\n      learning_rate: 0.1\n"})
    CHECK(config.find(line) != std::string::npos);

  // A cell alone, and its configuration alone, are the same run.
  const Outcome alone = bitwright_program(dir, "run s.yaml --cell rate-0.1/seed-2 --out alone");
  CAPTURE(alone.err);
  CHECK(alone.status == 0);
  const auto expected = losses(run_file(dir, "rate-0.1/seed-2"));
  CHECK(losses(dir / "alone/tiny/rate-0.1/seed-2/run.h5") == expected);
  CHECK(bitwright_program(dir, "run runs/tiny/rate-0.1/seed-2/config.yaml --out again").status ==
        0);
  CHECK(losses(dir / "again/tiny/rate-0.1/seed-2/run.h5") == expected);
  CHECK(losses(run_file(dir, "rate-0.1/seed-1")) != expected);

  // What is there is not touched without a word, and not repeated with one.
  check_refused(dir, "run s.yaml", "runs/tiny/rate-0.01/seed-1", "--resume");
  const std::string before = stamp(run_file(dir, "rate-0.1/seed-2"));
  for (const std::string option : {"--resume", "--show-finished"}) {
    const Outcome again = bitwright_program(dir, "run s.yaml --quiet " + option);
    CHECK(again.status == 0);
    CHECK(again.err == "");
    CHECK(std::count(again.out.begin(), again.out.end(), '\n') == 4);
  }
  CHECK(stamp(run_file(dir, "rate-0.1/seed-2")) == before);
  check_refused(dir, "run s.yaml --resume data.batch=10", "runs/tiny/rate-0.01/seed-1/config.yaml",
                "data.batch");
}

TEST_CASE("a cell that fails does not stop the others, and is said at the end") {
  const RunDirectory dir;
  write_sweep(dir, "[3.0e+38, 0.1]");
  const Outcome o = bitwright_program(dir, "run s.yaml");
  CAPTURE(o.err);
  CHECK(o.status == 4);
  CHECK(o.err.find("2 of 4 cells failed:\ntiny/rate-3.0e38/seed-1: exit status 4\n") !=
        std::string::npos);
  CHECK(o.err.find(": error: ") != std::string::npos);
  CHECK(RunReader::open(run_file(dir, "rate-0.1/seed-2"))->status() == 1);
  CHECK(o.out.find("tiny/rate-0.1/seed-2") != std::string::npos);
  CHECK(o.out.find("finished") != std::string::npos);

  // A cell that is missing is run; those that are finished are not.
  const std::string before = stamp(run_file(dir, "rate-0.1/seed-1"));
  fs::remove_all(dir / "runs/tiny/rate-0.1/seed-2");
  CHECK(bitwright_program(dir, "run s.yaml --resume").status == 4);
  CHECK(stamp(run_file(dir, "rate-0.1/seed-1")) == before);
  CHECK(RunReader::open(run_file(dir, "rate-0.1/seed-2"))->status() == 1);
}

TEST_CASE("several files run one after the other, each a process of its own") {
  const RunDirectory dir;
  write_sweep(dir, "[0.1]", "description: one\n");
  fs::copy(dir / "s.yaml", dir / "t.yaml");
  check_refused(dir, "run s.yaml t.yaml", "t.yaml", "would both run in runs/tiny/rate-0.1/seed-1");
  check_refused(dir, "run s.yaml t.yaml --cell seed-1", "command line",
                "--cell with several files");
  check_refused(dir, "run s.yaml --cell rate-0.1/sed-1", "command line",
                "did you mean 'rate-0.1/seed-1'?");
  std::string text = read_bytes(dir / "t.yaml");
  text.replace(text.find("tiny"), 4, "more");
  write_bytes(dir / "t.yaml", text);
  const Outcome o = bitwright_program(dir, "run s.yaml t.yaml seed=3 stages.float.steps=5");
  CAPTURE(o.err);
  CHECK(o.status == 0);
  for (const std::string name : {"tiny", "more"})
    CHECK(RunReader::open(dir / ("runs/" + name + "/rate-0.1/seed-3/run.h5"))->status() == 1);
}

TEST_CASE("check looks at every cell and says what each sets") {
  const RunDirectory dir;
  write_sweep(dir, "[0.01, 0.1]");
  const Outcome o = bitwright_program(dir, "check s.yaml");
  CHECK(o.status == 0);
  CHECK(o.out.find("# 4 cells, of which the first is above:\n#   rate-0.01/seed-1: "
                   "stages.float.optimizer.learning_rate=0.01 (s.yaml:12:72), seed=1 "
                   "(s.yaml:9:9)\n") != std::string::npos);
  write_sweep(dir, "[0.01, -3]");
  check_refused(dir, "check s.yaml", "s.yaml:12:78", "in cell rate--3/seed-1 and 1 more");
  check_refused(dir, "run s.yaml", "s.yaml:12:78", "in cell rate--3/seed-1 and 1 more");
}
