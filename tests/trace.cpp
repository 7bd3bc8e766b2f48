// run --trace: a table after each stage, and a file that trace viewers read.
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.h"
#include "train/step_profile.h"

using namespace bitwright;
using testing::Outcome;
using testing::RunDirectory;

namespace {

const std::string kExperiment = R"(
experiment: traced
threads: 1
data: {name: glyphs, train_images: 700, test_images: 100, split: {validation: 100}, batch: 20}
network: {name: lenet300}
stages:
  - name: float
    steps: 130
    optimizer: {name: adam, learning_rate: 0.001}
  - name: quantize
    steps: 3
    methods: [{name: proximal_mean_field, jacobian: eye_double, beta_rate: 1.3}]
    optimizer: {name: sgd, learning_rate: 0.001}
)";

// Events of one stage by name and category.
std::map<std::string, int> counts(const nlohmann::json& events, int stage) {
  std::map<std::string, int> found;
  for (const auto& e : events)
    if (e.at("ph") == "X" && e.at("pid") == stage)
      ++found[e.at("cat").get<std::string>() + " " + e.at("name").get<std::string>()];
  return found;
}

void check_event(const nlohmann::json& e) {
  CAPTURE(e.dump());
  CHECK(e.at("ts").get<double>() >= 0);
  CHECK(e.at("dur").get<double>() >= 0);
  CHECK(e.at("tid") == 1);
  CHECK(e.at("args").at("step").get<int>() >= 1);
  const bool op = e.at("cat") != "phase";
  REQUIRE(e.at("args").contains("layer") == op);
  if (!op) return;
  static const std::set<std::string> layers{"flatten1", "fc1", "bn1",   "relu1", "relu2",
                                            "fc2",      "bn2", "relu3", "fc3",   "loss"};
  CHECK(layers.count(e.at("args").at("layer")) == 1);
}

}  // namespace

TEST_CASE("a traced run leaves tables and a trace of the first steps of each stage") {
  const RunDirectory dir;
  testing::write_bytes(dir / "a.yaml", kExperiment);
  const Outcome o = testing::bitwright_program(dir, "run a.yaml --trace");
  CAPTURE(o.err);
  REQUIRE(o.status == 0);
  CHECK(o.err.find("stage float: time of 130 steps") != std::string::npos);
  CHECK(o.err.find("stage quantize: time of 3 steps") != std::string::npos);
  CHECK(o.err.find("batch_norm") != std::string::npos);
  CHECK(o.err.find("batch (waiting and copying)") != std::string::npos);

  const auto trace =
      nlohmann::json::parse(testing::read_bytes(dir / "runs/traced/seed-1/trace.json"));
  const auto& events = trace.at("traceEvents");
  for (const auto& e : events)
    if (e.at("ph") == "X") check_event(e);
  const auto plain = counts(events, 1);
  CHECK(plain.at("phase step") == 100);
  CHECK(plain.at("phase batch") == 100);
  CHECK(plain.at("phase optimizer") == 100);
  CHECK(plain.at("forward linear") == 300);
  CHECK(plain.at("backward linear") == 300);
  CHECK(plain.at("forward cross_entropy") == 100);
  CHECK(plain.count("forward project_labels") == 0);
  const auto quantized = counts(events, 2);
  CHECK(quantized.at("phase step") == 3);
  CHECK(quantized.at("forward project_labels") == 3 * 6);  // weights and biases
}

TEST_CASE("a trace goes where it is told to, or the run does not begin") {
  const RunDirectory dir;
  testing::write_bytes(dir / "a.yaml", kExperiment);
  const std::string shorter = " stages.float.steps=2 stages.quantize.steps=2 --quiet";
  const Outcome o = testing::bitwright_program(dir, "run a.yaml --trace=here.json" + shorter);
  CHECK(o.status == 0);
  CHECK(o.err == "");
  CHECK(nlohmann::json::parse(testing::read_bytes(dir / "here.json")).at("traceEvents").size() >
        20);
  CHECK_FALSE(std::filesystem::exists(dir / "runs/traced/seed-1/trace.json"));
  const Outcome refused =
      testing::bitwright_program(dir, "run a.yaml --overwrite --trace=no/folder.json" + shorter);
  CHECK(refused.status == 5);
  CHECK(refused.err.starts_with("no/folder.json: error: "));
}

TEST_CASE("medians and sums of durations") {
  Durations d;
  CHECK(d.median() == 0);
  for (const double ms : {5.0, 1.0, 2.0}) d.add(ms);
  CHECK(d.median() == 2);
  d.add(4);
  CHECK(d.median() == 3);
  CHECK(d.total() == 12);
  for (int i = 0; i < 1000; ++i) d.add(7);  // the first ones are forgotten by the median only
  CHECK(d.median() == 7);
  CHECK(d.total() == 7012);
  CHECK(d.count() == 1004);
}
