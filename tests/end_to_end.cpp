// Whole runs of the program on a small experiment: what they leave behind, that they repeat bit for
// bit, and how they fail.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_file.h>
#include <bitwright/tensor/tensor.h>

#include "run_directory.h"

using namespace bitwright;
using testing::RunDirectory;

namespace {

const std::string kExperiment = R"(
experiment: small
threads: 1
data: {name: glyphs, train_images: 1500, test_images: 300, split: {validation: 300}, batch: 50}
network: {name: lenet300}
stages:
  - name: float
    steps: 30
    optimizer: {name: adam, learning_rate: 0.001}
  - name: quantize
    steps: 60
    methods:
      - {name: proximal_mean_field, jacobian: eye_double, beta_rate: 1.3, beta_interval: 2}
    optimizer: {name: adam, learning_rate: 0.001}
    schedule: {name: step, interval: 40, factor: 0.5}
evaluation: {every: 10, batch: 100}
checkpoint: {every: 20, keep: 2}
log: {progress: 0.001}
)";

struct Outcome {
  int status = 0;
  std::string out, err;
  std::size_t error_lines() const {
    return static_cast<std::size_t>(std::count(err.begin(), err.end(), '\n'));
  }
};

Outcome bitwright_run(const RunDirectory& dir, const std::string& words) {
  testing::write_bytes(dir / "small.yaml", kExperiment);
  const std::string command = "env -u BITWRIGHT_DATA " BITWRIGHT_PROGRAM " run " +
                              (dir / "small.yaml") + " --out " + (dir / "runs") + " " + words +
                              " >" + (dir / "out") + " 2>" + (dir / "err") + " </dev/null";
  const int status = std::system(command.c_str());
  return {WEXITSTATUS(status), testing::read_bytes(dir / "out"), testing::read_bytes(dir / "err")};
}

// Reads the tensors of one scope of a checkpoint into given ones.
Tensor deployed(const std::string& checkpoint, const std::string& name, const Shape& shape) {
  Tensor tensor = Tensor::empty(shape);
  Checkpoint::open(checkpoint).load_scope("deployed", [&](StateVisitor& v) {
    Tensor others;
    for (const auto& [parameter, extent] :
         std::vector<std::pair<std::string, Shape>>{{"fc1.weight", {300, 784}},
                                                    {"fc1.bias", {300}},
                                                    {"fc2.weight", {100, 300}},
                                                    {"fc2.bias", {100}},
                                                    {"fc3.weight", {10, 100}},
                                                    {"fc3.bias", {10}}}) {
      others = Tensor::empty(extent);
      v.tensor(parameter, parameter == name ? tensor : others);
    }
  });
  return tensor;
}

}  // namespace

TEST_CASE("a run leaves a readable run file, its configuration, and weights from the label set") {
  const RunDirectory dir;
  const Outcome outcome = bitwright_run(dir, "");
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const std::string run = dir / "runs/small/seed-1/";
  CHECK(outcome.out.find("quantized, hard") != std::string::npos);
  CHECK(outcome.out.find(run + "run.h5") != std::string::npos);

  const auto reader = RunReader::open(run + "run.h5");
  CHECK(reader->status() == 1);
  const TableData steps = reader->table("/metrics/step");
  REQUIRE(steps.rows() == 90);
  for (std::size_t i = 0; i < steps.rows(); ++i) {
    CHECK(steps.values[i * 4] == static_cast<double>(i + 1));
    CHECK(steps.values[i * 4 + 1] == (i < 30 ? 0 : 1));
  }
  CHECK(reader->table("/metrics/epoch").rows() == 3);  // 24 batches an epoch: 24, then 24 and 48
  const TableData progress = reader->table("/progress");
  CHECK(progress.rows() > 30);
  for (std::size_t i = 0; i < progress.rows(); ++i) {
    const double *row = progress.values.data() + i * 5, *before = i == 0 ? nullptr : row - 5;
    CHECK(row[0] > (before == nullptr ? 0 : before[0]));  // step
    CHECK(row[1] > (before == nullptr ? 0 : before[1]));  // seconds
    CHECK(row[2] > 0);                                    // ms of a step
    CHECK(row[3] >= 0);                                   // waiting
    CHECK(row[3] <= 1);
    CHECK(row[4] > 5);  // MB
  }
  const auto clock = reader->wallclock();
  CHECK(clock.at("waiting") > 0);
  CHECK(clock.at("waiting") < clock.at("steps"));
  CHECK(clock.at("steps") < clock.at("training"));
  const auto results = reader->results();
  for (const char* name : {"float", "soft", "hard"}) {
    const double accuracy = results.at(std::string("test_accuracy_") + name);
    CHECK(accuracy > 0);
    CHECK(accuracy <= 1);
  }
  CHECK(results.at("bits_per_weight") == 1);
  CHECK(results.at("size_hard") == doctest::Approx(266610 / 8.0));

  for (const auto& [name, shape] :
       std::vector<std::pair<std::string, Shape>>{{"fc1.weight", {300, 784}}, {"fc3.bias", {10}}}) {
    const Tensor weight = deployed(run + "checkpoint-final.h5", name, shape);
    for (const float w : weight.values()) REQUIRE((w == -1.f || w == 1.f));
  }
  CHECK(list_checkpoints(run).size() == 2);
}

TEST_CASE("the same seed gives the same bits in two fresh directories, another seed does not") {
  const RunDirectory first, second;
  REQUIRE(bitwright_run(first, "--quiet").status == 0);
  REQUIRE(bitwright_run(second, "--quiet").status == 0);
  for (const char* name : {"checkpoint-final.h5", "checkpoint-00000090.h5"}) {
    const std::string path = std::string("runs/small/seed-1/") + name;
    CHECK(testing::read_bytes(first / path).size() > 1000000);
    CHECK(testing::read_bytes(first / path) == testing::read_bytes(second / path));
  }
  for (const char* table : {"/metrics/step", "/metrics/epoch", "/metrics/evaluation"}) {
    const auto values = [&](const RunDirectory& dir) {
      return RunReader::open(dir / "runs/small/seed-1/run.h5")->table(table).values;
    };
    const auto a = values(first), b = values(second);
    REQUIRE(a.size() == b.size());
    CHECK(std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
  }
  REQUIRE(bitwright_run(second, "--quiet seed=2").status == 0);
  CHECK(testing::read_bytes(first / "runs/small/seed-1/checkpoint-00000090.h5") !=
        testing::read_bytes(second / "runs/small/seed-2/checkpoint-00000090.h5"));
}

TEST_CASE("--check-numerics names the layer in which numbers first stop being finite") {
  const RunDirectory dir;
  const Outcome healthy = bitwright_run(dir, "--quiet --check-numerics");
  CHECK(healthy.status == 0);
  const std::string diverging =
      "--quiet --overwrite 'network={name: mlp, batch_norm: false}' "
      "'stages.float.optimizer={name: sgd, learning_rate: 1e+38}' ";
  const Outcome plain = bitwright_run(dir, diverging);
  CHECK(plain.status == 4);
  CHECK(plain.err.find("layer") == std::string::npos);
  const Outcome checked = bitwright_run(dir, diverging + "--check-numerics");
  CAPTURE(checked.err);
  CHECK(checked.status == 4);
  CHECK(checked.error_lines() == 1);
  // The first update makes weights of about 1e37, whose sums overflow in the next forward pass.
  CHECK(checked.err.find(" in the evaluation after step 1: activation, output of op 'linear', "
                         "layer 'fc1'; finite values; ") != std::string::npos);
  const auto reader = RunReader::open(dir / "runs/small/seed-1/run.h5");
  CHECK(reader->status() == 3);
  CHECK(reader->events().back().kind == "diverged");
}

TEST_CASE("a stage in epochs, with accumulated batches, clipped and averaged") {
  const RunDirectory dir;
  const Outcome o = bitwright_run(
      dir,
      "--quiet 'stages=[{name: float, epochs: 1.5, accumulate: 3, clip: {norm: 0.5}, "
      "ema: {decay: 0.9}, optimizer: {name: sgd, learning_rate: 0.1, momentum: 0.9}, "
      "schedule: {name: multi_step, milestones: [1 epoch, 90 %], factor: 0.1, "
      "warm_up: {length: 0.5 epochs}}}, "
      "{name: plain, steps: 2, start: previous, optimizer: {name: sgd, learning_rate: 0.1}}]'");
  INFO(o.err);
  REQUIRE(o.status == 0);
  const auto reader = RunReader::open(dir / "runs/small/seed-1/run.h5");
  const TableData steps = reader->table("/metrics/step");
  // 1200 images, batch 50: 24 batches, 8 updates an epoch; 12 updates, then 2 of the other stage.
  REQUIRE(steps.rows() == 14);
  REQUIRE(steps.values.size() == 14 * 5);
  const std::vector<double> factors{0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 1, 1};
  for (std::size_t i = 0; i < 14; ++i) {
    CHECK(steps.values[i * 5 + 3] == doctest::Approx(0.1 * factors[i]).epsilon(1e-12));
    CHECK(std::isnan(steps.values[i * 5 + 4]) == (i >= 12));
    if (i < 12) CHECK(steps.values[i * 5 + 4] > 0);
  }
  CHECK(reader->table("/metrics/epoch").rows() == 1);
  CHECK(testing::read_bytes(dir / "runs/small/seed-1/config.yaml")
            .find("milestones: [1 epoch, 90 %]") != std::string::npos);
  const Outcome too_many = bitwright_run(dir, "--quiet --overwrite stages.float.accumulate=25");
  CHECK(too_many.status == 2);
  CHECK(too_many.err.find("an update takes 1250 images, and there are 1200 to train on") !=
        std::string::npos);
}

TEST_CASE("augmented colour images, a subset of the classes, folds: recorded and named") {
  const RunDirectory dir;
  const std::string data =
      "'data={name: glyphs, style: color, classes: 20, train_images: 600, test_images: 200, "
      "batch: 50, workers: 2, subset: {classes: [3, 12, 7], first: 80}, "
      "split: {kind: fold, folds: 4, fold: 1, stratified: true}, "
      "augment: [{name: pad_and_crop, padding: 2}, horizontal_flip, {name: mixup, alpha: 0.3}]}' ";
  const std::string words = data + "network.name=mlp precision=bf16_emulated evaluation.batch=20 ";
  const Outcome o = bitwright_run(dir, words);
  CAPTURE(o.err);
  REQUIRE(o.status == 0);
  const std::string note =
      "subset: 80 of 600 training images, 30 of 200 test images, 3 of 20 classes";
  CHECK(o.out.find("data: " + note) != std::string::npos);
  const auto run = RunReader::open(dir / "runs/small/seed-1/run.h5");
  const auto& provenance = run->header().provenance;
  CHECK(provenance.at("data.subset") == note);
  CHECK(provenance.at("data.split.train").starts_with("60 images, "));
  CHECK(provenance.at("data.split.validation").starts_with("20 images, "));
  const auto before = run->results();
  const Outcome fresh = bitwright_run(dir, words + "--json --overwrite data.workers=1");
  CHECK(fresh.out.find("\"subset\":\"" + note) != std::string::npos);
  const auto after = RunReader::open(dir / "runs/small/seed-1/run.h5")->results();
  for (const char* name : {"test_accuracy_float", "test_accuracy_hard", "val_accuracy_hard"})
    CHECK(after.at(name) == before.at(name));
}

TEST_CASE("failures: one line, the documented status, nothing lost") {
  const RunDirectory dir;
  SUBCASE("a loss that is not finite") {
    const Outcome o = bitwright_run(dir,
                                    "--quiet 'network={name: mlp, batch_norm: false}' "
                                    "'stages.float.optimizer={name: sgd, learning_rate: 1e+38}'");
    CHECK(o.status == 4);
    CHECK(o.error_lines() == 1);
    CHECK(o.err.find("error: float: the loss is") != std::string::npos);
    CHECK(RunReader::open(dir / "runs/small/seed-1/run.h5")->status() == 3);
  }
  SUBCASE("no data folder") {
    const Outcome o = bitwright_run(dir, "--quiet 'data={name: mnist}'");
    CHECK(o.status == 3);
    CHECK(o.error_lines() == 1);
    CHECK(o.err.find("BITWRIGHT_DATA") != std::string::npos);
  }
  SUBCASE("a data folder that is empty") {
    std::filesystem::create_directory(dir / "empty");
    const Outcome o =
        bitwright_run(dir, "--quiet 'data={name: mnist, root: " + (dir / "empty") + "}'");
    CHECK(o.status == 3);
    CHECK(o.error_lines() == 1);
    CHECK(o.err.find("train-images-idx3-ubyte") != std::string::npos);
  }
  SUBCASE("an output folder that cannot be made") {
    testing::write_bytes(dir / "runs", "a file");
    const Outcome o = bitwright_run(dir, "--quiet");
    CHECK(o.status == 5);
    CHECK(o.error_lines() == 1);
    CHECK(testing::read_bytes(dir / "runs") == "a file");
  }
  SUBCASE("more validation images than there are") {
    const Outcome o = bitwright_run(dir, "--quiet data.split.validation=1500");
    CHECK(o.status == 2);
    CHECK(o.error_lines() == 1);
  }
  SUBCASE("a directory that holds a run") {
    REQUIRE(bitwright_run(dir, "--quiet").status == 0);
    const std::string before = testing::read_bytes(dir / "runs/small/seed-1/run.h5");
    const Outcome again = bitwright_run(dir, "--quiet");
    CHECK(again.status == 2);
    CHECK(again.error_lines() == 1);
    for (const char* word : {"--resume", "--overwrite", "--out", "finished"})
      CHECK(again.err.find(word) != std::string::npos);
    const Outcome changed =
        bitwright_run(dir, "--quiet --resume stages.quantize.optimizer.learning_rate=0.002");
    CHECK(changed.status == 2);
    CHECK(changed.err.find("stages.1.optimizer.learning_rate") != std::string::npos);
    CHECK(bitwright_run(dir, "--quiet --resume").status == 0);
    CHECK(testing::read_bytes(dir / "runs/small/seed-1/run.h5") == before);
  }
}
