// `bitwright verify`: a run's last steps give the same bits, and what is said when they do not.
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include <hdf5.h>
#include <nlohmann/json.hpp>

#include <bitwright/core/sha256.h>
#include <bitwright/results/checkpoint.h>

#include "cli_fixture.h"
#include "results/hdf5.h"

using namespace bitwright;
using testing::bitwright_program;
using testing::Outcome;
using testing::read_bytes;
using testing::RunDirectory;
using testing::write_bytes;
using Json = nlohmann::json;

namespace {

const std::string kExperiment = R"(
experiment: proof
threads: 1
data: {name: glyphs, train_images: 300, test_images: 60, split: {validation: 60}, batch: 20}
network: {name: mlp}
stages:
  - name: float
    steps: 30
    optimizer: {name: adam, learning_rate: 0.001}
  - name: quantize
    start: previous
    steps: 30
    methods: [{name: lsq}]
    optimizer: {name: sgd, learning_rate: 0.01}
evaluation: {every: 10, batch: 60}
checkpoint: {every: 20, keep: 4}
)";

const std::string kRun = "runs/proof/seed-1";

// A finished run: checkpoints after steps 20, 30 (the end of a stage), 40, 60.
struct Finished {
  explicit Finished(const std::string& words = "") {
    write_bytes(dir / "proof.yaml", kExperiment);
    const Outcome o = bitwright_program(dir, "run proof.yaml --quiet " + words, kEnvironment);
    INFO(o.err);
    REQUIRE(o.status == 0);
  }
  Outcome verify(const std::string& words = "") const {
    return bitwright_program(dir, "verify " + kRun + " " + words, kEnvironment);
  }
  Json verify_json(const std::string& words, int status) const {
    const Outcome o = verify(words + " --json");
    CAPTURE(o.err);
    CHECK(o.status == status);
    return Json::parse(o.out);
  }
  std::string file(const std::string& name) const { return dir / (kRun + "/" + name); }

  static constexpr const char* kEnvironment = "env -u BITWRIGHT_DATA";
  RunDirectory dir;
};

// Overwrites one number of a series of a run file.
void tamper_metric(const std::string& run_file, const char* series, hsize_t row, double value) {
  const h5::Handle file(H5Fopen(run_file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
  const h5::Handle set(H5Dopen2(file, series, H5P_DEFAULT));
  const h5::Handle space(H5Dget_space(set));
  const hsize_t one = 1;
  REQUIRE(H5Sselect_hyperslab(space, H5S_SELECT_SET, &row, nullptr, &one, nullptr) >= 0);
  const h5::Handle memory(H5Screate_simple(1, &one, nullptr));
  REQUIRE(H5Dwrite(set, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, &value) >= 0);
}

// Overwrites one element of a tensor in a checkpoint, which stays whole: the seal fits.
void tamper_state(const std::string& checkpoint, const char* entry, std::size_t element,
                  float value) {
  haddr_t offset = HADDR_UNDEF;
  {
    const h5::Handle file(H5Fopen(checkpoint.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
    const h5::Handle set(H5Dopen2(file, entry, H5P_DEFAULT));
    offset = H5Dget_offset(set);
  }
  REQUIRE(offset != HADDR_UNDEF);
  std::string bytes = read_bytes(checkpoint);
  std::memcpy(bytes.data() + offset + element * sizeof value, &value, sizeof value);
  const std::size_t seal = 83, digest = 65;
  bytes.replace(bytes.size() - digest, 64, sha256(bytes.data(), bytes.size() - seal));
  write_bytes(checkpoint, bytes);
  CHECK_NOTHROW(Checkpoint::open(checkpoint));
}

// All files of a folder with their bytes.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    all[entry.path().filename().string()] = read_bytes(entry.path().string());
  return all;
}

}  // namespace

TEST_CASE("a run is verified from any of its checkpoints, and not changed by it") {
  const Finished run;
  const auto before = contents(run.dir / kRun);
  const Outcome o = run.verify();
  CAPTURE(o.out);
  CAPTURE(o.err);
  CHECK(o.status == 0);
  CHECK(o.out.find("steps 41 to 60, from the checkpoint of step 40\n") != std::string::npos);
  CHECK(o.out.find("equal: all bits of ") != std::string::npos);
  CHECK(o.out.find("are those on the run's record") != std::string::npos);
  CHECK(contents(run.dir / kRun) == before);

  for (const auto& [steps, from] :
       std::vector<std::pair<int, int>>{{1, 40}, {20, 40}, {21, 30}, {40, 20}}) {
    const Json v = run.verify_json("--steps " + std::to_string(steps), 0);
    CHECK(v["equal"] == true);
    CHECK(v["from"] == from);
    CHECK(v["to"] == 60);
    CHECK(v["asked"].is_null());
    CHECK(v["numbers"] > 4 * (60 - from));
    CHECK(v["entries"] > 40);
    CHECK(v["facts"].empty());
  }
  // More than there are checkpoints for: as many as there are, and it is said.
  CHECK(run.verify_json("--steps 50", 0)["asked"] == 50);
  CHECK(run.verify("--steps 50").out.find("no checkpoint lies 50 steps before the end: 40 steps") !=
        std::string::npos);
}

TEST_CASE("another metric than on record is named with its step") {
  const Finished run;
  tamper_metric(run.file("run.h5"), "/metrics/step/train_loss", 49, 0.125);
  tamper_metric(run.file("run.h5"), "/metrics/step/train_loss", 52, 0.125);
  tamper_metric(run.file("run.h5"), "/metrics/step/learning_rate", 44, 7);
  const Json v = run.verify_json("", 7);
  CHECK(v["equal"] == false);
  REQUIRE(v["metrics"].size() == 2);
  CHECK(v["metrics"][0]["metric"] == "/metrics/step/learning_rate");
  CHECK(v["metrics"][0]["step"] == 45);
  CHECK(v["metrics"][0]["recorded"] == 7);
  CHECK(v["metrics"][0]["here"] == 0.01);
  CHECK(v["metrics"][1]["step"] == 50);
  CHECK(v["state"].empty());
  const Outcome o = run.verify();
  CHECK(o.status == 7);
  CHECK(o.out.find("step 50: /metrics/step/train_loss was 0.125, here ") != std::string::npos);
}

TEST_CASE("another parameter than on record is named") {
  const Finished run;
  tamper_state(run.file("checkpoint-00000060.h5"), "/stage/current/network/parameters/fc1.bias", 3,
               0.5f);
  const Json v = run.verify_json("", 7);
  CHECK(v["metrics"].empty());
  REQUIRE(v["state"].size() == 1);
  CHECK(v["state"][0]["entry"] == "stage/current/network/parameters/fc1.bias");
  const std::string what = v["state"][0]["difference"];
  CHECK(what.starts_with("element 3 of "));
  CHECK(what.find(" is 0.5, and ") != std::string::npos);
  CHECK(what.ends_with("; 1 differ"));
}

TEST_CASE("another beginning leads to other metrics and states") {
  const Finished run;
  tamper_state(run.file("checkpoint-00000040.h5"), "/stage/current/network/parameters/fc1.bias", 0,
               0.5f);
  const Json v = run.verify_json("", 7);
  REQUIRE(!v["metrics"].empty());
  CHECK(v["metrics"][0]["step"] == 41);
  CHECK(v["state"].size() > 3);
}

TEST_CASE("threads: those on record; others are said, whatever the bits") {
  const Finished run("threads=2 precision=f32");
  const Json same = run.verify_json("", 0);
  CHECK(same["facts"].empty());
  const Outcome o = run.verify("--threads 1 --json");
  CHECK((o.status == 0 || o.status == 7));
  const Json v = Json::parse(o.out);
  REQUIRE(v["facts"].size() == 1);
  CHECK(v["facts"][0]["group"] == "threads");
  CHECK(v["facts"][0]["fact"] == "threads");
  CHECK(v["facts"][0]["recorded"] == "2");
  CHECK(v["facts"][0]["here"] == "1");
  CHECK(run.verify("--threads 1").out.find("threads: threads was 2, here 1") != std::string::npos);
}

TEST_CASE("without a checkpoint to begin from: one line, status 5") {
  const Finished run("checkpoint.keep=1");
  const Outcome o = run.verify();
  CHECK(o.status == 5);
  CHECK(o.out == "");
  CHECK(o.err.starts_with(kRun + ": error: holds no checkpoint to begin from before that of step "
                                 "60"));
  CHECK(std::count(o.err.begin(), o.err.end(), '\n') == 1);
  CHECK(run.verify("--steps 0").status == 2);
}
