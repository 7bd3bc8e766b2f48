// Numbers of a run file by name.
#include "results/logged_value.h"

#include <cmath>

#include <doctest/doctest.h>

#include <bitwright/core/error.h>

#include "run_directory.h"

using namespace bitwright;
using results::logged_value;

namespace {

// Two rows of a method's metrics, and a grid of 2 x 3 cells of which the last is not known.
std::unique_ptr<RunReader> written_run(const std::string& path) {
  RunHeader header;
  header.tables = {{"/metrics/evaluation",
                    "step",
                    {{"step", "", "", true},
                     {"huffman_bits", "bits", ""},
                     {"bits", "bits", "", false, {"conv1.weight", "fc1.weight"}}}}};
  header.grids = {{"/grids/frozen",
                   {{"quantizer", "", "", {}, {"mid_rise"}},
                    {"weight_bits", "bits", "", {8, 3}, {}, true},
                    {"step_ratio", "1", "", {0.5, 1, 1.5}}},
                   {{"accuracy", "1", ""}, {"loss", "", ""}}}};
  const auto writer = RunWriter::create(path, header);
  writer->append(0, std::vector<double>{1, 4.5, 8, 8});
  writer->append(0, std::vector<double>{2, 3.25, 7, NAN});
  for (std::size_t i = 0; i < 5; ++i)
    writer->cell(0, i, std::vector<double>{0.1 * static_cast<double>(i), 2});
  writer->close(RunStatus::finished);
  return RunReader::open(path);
}

std::string refusal(const RunReader& run, const std::string& metric) {
  try {
    logged_value(run, metric, "runs/e/run.h5");
  } catch (const Error& error) {
    CHECK(error.status() == ExitStatus::storage);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("the newest known value of a series, a layer, a cell of a grid") {
  const bitwright::testing::RunDirectory folder;
  const auto run = written_run(folder / "run.h5");
  const auto value = [&](const std::string& metric) { return logged_value(*run, metric, "f"); };
  CHECK(value("evaluation/huffman_bits") == 3.25);
  CHECK(value("evaluation/bits[conv1.weight]") == 7);
  CHECK(value("evaluation/bits[fc1.weight]") == 8);
  CHECK(value("grids/frozen/accuracy[weight_bits=8, step_ratio=1]") == doctest::Approx(0.1));
  CHECK(value("grids/frozen/accuracy[step_ratio=0.50,weight_bits=3]") == doctest::Approx(0.3));
  CHECK(value("grids/frozen/loss[quantizer=mid_rise, weight_bits=3, step_ratio=1]") == 2);
  CHECK(std::isnan(value("grids/frozen/accuracy[weight_bits=3, step_ratio=1.5]")));
}

TEST_CASE("a number that a run does not have is refused with what it has") {
  const bitwright::testing::RunDirectory folder;
  const auto run = written_run(folder / "run.h5");
  const auto says = [&](const std::string& metric, const std::string& what) {
    const std::string message = refusal(*run, metric);
    CAPTURE(message);
    CHECK(message.find("runs/e/run.h5") != std::string::npos);
    CHECK(message.find(what) != std::string::npos);
  };
  says("evaluation/hufman_bits", "huffman_bits");
  says("epoch/huffman_bits", "evaluation");
  says("evaluation/bits", "conv1.weight, fc1.weight");
  says("evaluation/bits[fc2.weight]", "conv1.weight, fc1.weight");
  says("evaluation/bits[fc1.weight", "']'");
  says("grids/grid/accuracy", "grids/frozen");
  says("grids/frozen/accuracy[weight_bits=3]", "step_ratio=0.5, step_ratio=1, step_ratio=1.5");
  says("grids/frozen/accuracy[weight_bits=4, step_ratio=1]", "weight_bits=8, weight_bits=3");
  says("grids/frozen/accuracy[weight_bits=3, step_ratio=1, bits=2]", "weight_bits");
  says("grids/frozen/accuracy[weight_bits]", "AXIS=VALUE");
}
