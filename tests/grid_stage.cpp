// The grid of an evaluation stage, from a YAML file to run.h5 and what is shown of it.
#include <cmath>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <bitwright/results/run_file.h>

#include "cli_fixture.h"

using namespace bitwright;
using bitwright::testing::Outcome;
using bitwright::testing::RunDirectory;

namespace {

const std::string head = R"(
experiment: grid
threads: 1
data: {name: glyphs, train_images: 1200, test_images: 200, split: {validation: 200}, batch: 50}
network: {name: lenet5}
stages:
  - name: float
    steps: 40
    optimizer: {name: adam, learning_rate: 0.002}
)";

const std::string grid = R"(  - name: widths
    kind: evaluate
    start: previous
    grid:
      quantizers: [mid_rise, {name: symmetric, range: min_max, label: largest}]
      weight_bits: [32, 8, 2]
      activation_bits: [32, 4]
      step_ratio: [0.8, 1]
      power_of_two: both
      bias_correction: with
      keep_float: [first]
      calibration_images: 100
)";

Outcome program(const RunDirectory& dir, const std::string& words) {
  return testing::bitwright_program(dir, words, "env -u BITWRIGHT_DATA");
}

Outcome run(const RunDirectory& dir, const std::string& text, const std::string& words = "") {
  testing::write_bytes(dir / "grid.yaml", text);
  return program(dir, "run " + (dir / "grid.yaml") + " --out " + (dir / "runs") + " " + words);
}

// The error of a file whose grid stage is this.
std::string refusal(const std::string& stage) {
  const RunDirectory dir;
  testing::write_bytes(dir / "grid.yaml", head + stage);
  const Outcome outcome = program(dir, "check " + (dir / "grid.yaml"));
  CHECK(outcome.status == 2);
  return outcome.err;
}

std::string stage(const std::string& inside, const std::string& kind = "evaluate") {
  return "  - {name: g, kind: " + kind + ", start: previous, grid: {" + inside + "}}\n";
}

}  // namespace

TEST_CASE("a grid is logged as a matrix that every reader understands") {
  const RunDirectory dir;
  const Outcome outcome = run(dir, head + grid);
  REQUIRE_MESSAGE(outcome.status == 0, outcome.err);
  const std::string path = dir / "runs/grid/seed-1/run.h5";
  const auto reader = RunReader::open(path);
  const RunHeader header = reader->header();
  REQUIRE(header.grids.size() == 1);
  const GridData data = reader->grid("/grids/widths");
  REQUIRE(data.grid.axes.size() == 6);
  CHECK(data.grid.axes[0].texts == std::vector<std::string>{"mid_rise", "largest"});
  CHECK(data.grid.axes[1].numbers == std::vector<double>{32, 8, 2});
  CHECK(data.grid.axes[1].integer);
  CHECK(data.grid.axes[5].numbers == std::vector<double>{0.8, 1});
  CHECK(data.grid.cells() == 2 * 3 * 1 * 2 * 2 * 2);
  REQUIRE(data.values.size() == 2);
  for (const double accuracy : data.values[0]) CHECK((accuracy >= 0 && accuracy <= 1));
  for (const double loss : data.values[1]) CHECK(std::isfinite(loss));
  // The float cell is the network's test accuracy.
  CHECK(data.values[0][0] == reader->results().at("test_accuracy_float"));

  const std::string text = program(dir, "show " + path).out;
  CHECK(text.find("/grids/widths: accuracy, bias_correction 1") != std::string::npos);
  CHECK(text.find("largest") != std::string::npos);
  const auto json = nlohmann::json::parse(program(dir, "show --json " + path).out);
  const auto& shown = json["grids"]["/grids/widths"];
  CHECK(shown["axes"]["weight_bits"] == nlohmann::json({32, 8, 2}));
  CHECK(shown["values"]["accuracy"][1][2][0][1][1][0] == data.values[0][data.grid.cells() - 2]);

  const std::string python = testing::python_with("h5py");
  if (python.empty()) {
    MESSAGE("skipped: no h5py");
    return;
  }
  const std::string script =
      "import h5py, sys\n"
      "a = h5py.File(sys.argv[1])['grids/widths/accuracy']\n"
      "print(a.shape, [d.label or list(d)[0] for d in a.dims], a.dims[1][0][:].tolist(),\n"
      "      a.dims[0][0][:].tolist(), a.attrs['units'])\n";
  CHECK(testing::run_python(python, script, path) ==
        "(2, 3, 1, 2, 2, 2) ['quantizer', 'weight_bits', 'bias_correction', 'activation_bits', "
        "'power_of_two', 'step_ratio'] [32, 8, 2] [b'mid_rise', b'largest'] b'1'\n");
}

TEST_CASE("two runs give one grid, however often they save") {
  const RunDirectory a, b;
  REQUIRE(run(a, head + grid).status == 0);
  const std::string file = "runs/grid/seed-1/run.h5";
  REQUIRE(run(b, head + grid, "checkpoint.every=7").status == 0);
  const auto cells = [&](const RunDirectory& dir) {
    return RunReader::open(dir / file)->grid("/grids/widths").values;
  };
  CHECK(cells(a) == cells(b));
}

TEST_CASE("a grid that makes no sense is refused at its place") {
  const auto has = [](const std::string& error, const std::string& part) {
    CHECK_MESSAGE(error.find(part) != std::string::npos, error);
  };
  has(refusal(stage("quantizers: [mid_rise], weight_bits: [4]", "train") + "    # trains\n"),
      "trains; ");
  has(refusal(stage("weight_bits: [4]")), "has no quantizer");
  has(refusal(stage("quantizers: [ternary], keep_float: []")), "has no width of 8 bits");
  has(refusal(stage("quantizers: [mid_rise], activation_bits: [17], keep_float: []")),
      "'asymmetric' has no width of 17 bits");
  has(refusal(stage("quantizers: [mid_rise], activation_quantizer: dorefa, keep_float: []")),
      "quantizes weights only");
  has(refusal(stage("quantizers: [mid_rise]")), "every weight stays float");
  has(refusal(stage("quantizers: [mid_rise], keep_float: [cnov1]")), "names no layer");
  has(refusal(stage("quantizers: [mid_rise], step_ratio: []")), "'step_ratio' is empty");
  has(refusal(stage("quantizers: [mid_rice]")), "did you mean 'mid_rise'?");
  has(refusal("  - {name: g, kind: evaluate, start: previous, calibration_images: 10}\n"),
      "observes activations");
}
