#include "results/show_run.h"

#include <cmath>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "run_directory.h"

using namespace bitwright;
using bitwright::testing::RunDirectory;

namespace {

/// A run with three rows of steps, one epoch, and one of two results.
std::unique_ptr<RunReader> example_run(const std::string& path) {
  RunHeader header;
  header.experiment = "quickstart";
  header.config = "name: quickstart\nseed: 7\n";
  header.seed = 7;
  header.provenance = {{"version", "0.1.0"}, {"threads", "2"}};
  header.tables = {
      {"/metrics/step",
       "step",
       {{"step", "steps", "step", true, {}}, {"train_loss", "1", "loss", false, {}}}},
      {"/metrics/epoch",
       "epoch",
       {{"epoch", "epochs", "epoch", true, {}}, {"bits", "bit", "bits", false, {"conv1", "fc"}}}},
      {"/metrics/none", "step", {{"step", "steps", "step", true, {}}}}};
  header.results = {{"test_accuracy_hard", "1", "accuracy"}, {"bits_per_weight", "bit", "bits"}};
  const auto writer = RunWriter::create(path, header);
  for (int i = 1; i <= 3; ++i) writer->append(0, std::vector<double>{i * 1.0, 0.5 / i});
  writer->append(1, std::vector<double>{1, 2, NAN});
  writer->event({0, "started", "say \"hi\""});
  writer->result("bits_per_weight", 1.25);
  writer->close(RunStatus::stopped);
  return RunReader::open(path);
}

}  // namespace

TEST_CASE("show prints what is in a run") {
  RunDirectory dir;
  const auto reader = example_run(dir / "run.h5");
  const std::string text = results::run_as_text("run.h5", *reader);
  CHECK(text == R"(quickstart, seed 7, stopped
run.h5, format 1.3
configuration
  name: quickstart
  seed: 7
provenance
  threads  2
  version  0.1.0
events
  step 0  started: say "hi"
/metrics/step: 3 rows, the last one
  step        3 steps
  train_loss  0.166667
/metrics/epoch: 1 rows, the last one
  epoch  1 epochs
  bits   conv1 2 bit, fc -
/metrics/none: no rows yet
bits per layer
  conv1       2  ##
wall clock
  started   -
  training  -
  steps     -
  waiting   -
  total     -
results
  test_accuracy_hard  -
  bits_per_weight     1.25 bit
)");
}

TEST_CASE("the bit map shows the newest number that is known of each layer") {
  RunDirectory dir;
  RunHeader header;
  header.experiment = "map";
  header.tables = {{"/metrics/evaluation",
                    "step",
                    {{"step", "steps", "step", true, {}},
                     {"bits", "bits", "bits", false, {"conv1", "conv2", "fc", "other"}}}}};
  const auto writer = RunWriter::create(dir / "run.h5", header);
  writer->append(0, std::vector<double>{1, 8, 8, 3.5, NAN});
  writer->append(0, std::vector<double>{2, 6, 0, NAN, NAN});
  writer->close(RunStatus::finished);
  const std::string text = results::run_as_text("run.h5", *RunReader::open(dir / "run.h5"));
  const std::string map =
      "bits per layer\n"
      "  conv1       6  ######\n"
      "  conv2       0\n"
      "  fc        3.5  ###:\n";
  CHECK(text.find(map) != std::string::npos);
  CHECK(text.find("  other") == std::string::npos);
}

TEST_CASE("show gives programs one JSON object") {
  RunDirectory dir;
  const auto reader = example_run(dir / "run.h5");
  const auto run = nlohmann::json::parse(results::run_as_json("run.h5", *reader));
  CHECK(run["experiment"] == "quickstart");
  CHECK(run["seed"] == 7);
  CHECK(run["status"] == "stopped");
  CHECK(run["config"] == "name: quickstart\nseed: 7\n");
  CHECK(run["provenance"]["threads"] == "2");
  const auto& steps = run["metrics"]["/metrics/step"];
  CHECK(steps["rows"] == 3);
  CHECK(steps["scale"] == "step");
  CHECK(steps["last"]["step"].is_number_integer());
  CHECK(steps["last"]["step"] == 3);
  CHECK(steps["last"]["train_loss"] == 0.5 / 3);
  CHECK(run["metrics"]["/metrics/epoch"]["last"]["bits"]["conv1"] == 2.0);
  CHECK(run["metrics"]["/metrics/epoch"]["last"]["bits"]["fc"].is_null());
  CHECK(run["metrics"]["/metrics/epoch"]["units"]["bits"] == "bit");
  CHECK(run["metrics"]["/metrics/none"]["rows"] == 0);
  CHECK(run["results"]["test_accuracy_hard"].is_null());
  CHECK(run["results"]["bits_per_weight"] == 1.25);
  CHECK(run["events"][0]["message"] == "say \"hi\"");
}

TEST_CASE("RUN is a directory or its run file") {
  RunDirectory dir;
  CHECK(run_file_of(dir.path()) == dir / "run.h5");
  CHECK(run_file_of(dir / "run.h5") == dir / "run.h5");
}
