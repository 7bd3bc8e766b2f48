// `bitwright tune`, `algorithms: tuned`, and the record that a resumed run follows.
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include <bitwright/results/run_file.h>

#include "cli_fixture.h"
#include "kernels/convolution_choice.h"

using namespace bitwright;
using testing::bitwright_program;
using testing::RunDirectory;

namespace {

constexpr const char* kExperiment = R"(
experiment: small
threads: 1
algorithms: tuned
data: {name: glyphs, train_images: 300, test_images: 100, batch: 50, split: {validation: 100}}
network: {name: lenet5}
stages: [{name: train, steps: 4, optimizer: {name: sgd, learning_rate: 0.01}}]
evaluation: {every: 4, batch: 50}
checkpoint: {every: 2}
)";

std::vector<std::string> recorded(const std::string& run) {
  std::vector<std::string> lines;
  for (const Event& event : RunReader::open(run)->events())
    if (event.kind == "algorithm") lines.push_back(event.message);
  return lines;
}

std::string table_file(const RunDirectory& dir) {
  for (const auto& entry : std::filesystem::directory_iterator(dir / "cache/bitwright"))
    return entry.path();
  return "";
}

}  // namespace

TEST_CASE("algorithms as text") {
  using kernels::ConvAlgorithm;
  const kernels::ConvChoice choice{ConvAlgorithm::winograd, ConvAlgorithm::direct,
                                   ConvAlgorithm::patches};
  CHECK(kernels::text_of(choice) == "forward winograd, data direct, weights patches");
  CHECK(kernels::parse_choice(kernels::text_of(choice)) == choice);
  CHECK_FALSE(kernels::parse_choice("forward winograd, data direct").has_value());
}

TEST_CASE("a table is followed, recorded, and kept by a resumed run") {
  const RunDirectory dir;
  std::ofstream(dir / "e.yaml") << kExperiment;
  const std::string environment = "XDG_CACHE_HOME=" + (dir / "cache");
  const auto before = bitwright_program(dir, "run e.yaml --quiet", environment);
  CHECK(before.status == 2);
  CHECK(before.err.find("e.yaml:4:13: error: nothing is tuned on this machine for 1 threads") == 0);

  const auto tuned = bitwright_program(dir, "tune e.yaml", environment);
  CHECK(tuned.status == 0);
  CHECK(
      tuned.out.find("x 50x20x12x12 weight 50x20x5x5 stride 1 padding 0 groups 1 f32: forward ") !=
      std::string::npos);

  // Not what the rule says, nor what timing may have found.
  std::string table = testing::read_bytes(table_file(dir));
  const std::string key = "x 50x20x12x12 weight 50x20x5x5 stride 1 padding 0 groups 1 f32: ";
  const auto begin = table.find(key) + key.size();
  const std::string mine = "forward patches, data patches, weights patches";
  table.replace(begin, table.find('\n', begin) - begin, mine);
  std::ofstream(table_file(dir)) << table;
  CHECK(bitwright_program(dir, "run e.yaml --quiet", environment).status == 0);
  const auto lines = recorded(dir / "runs/small/seed-1/run.h5");
  CHECK(std::count(lines.begin(), lines.end(), key + mine) == 1);
  CHECK(lines.size() == 2);

  // The record holds although the table is gone.
  std::filesystem::remove_all(dir / "cache");
  std::filesystem::remove(dir / "runs/small/seed-1/final.h5");
  const auto resumed = bitwright_program(dir, "run e.yaml --quiet --resume", environment);
  CHECK(resumed.status == 0);
  CHECK(recorded(dir / "runs/small/seed-1/run.h5") == lines);
}

TEST_CASE("a table that cannot be used is refused") {
  const RunDirectory dir;
  std::ofstream(dir / "e.yaml") << kExperiment;
  const std::string environment = "XDG_CACHE_HOME=" + (dir / "cache");
  REQUIRE(bitwright_program(dir, "tune e.yaml", environment).status == 0);
  const std::string good = testing::read_bytes(table_file(dir));
  for (const auto& [bad, message] :
       {std::pair{std::string("conv2d: {a: b}"), "'b' names no algorithms"},
        {std::string("conv2d: [unclosed"), "a table that `bitwright tune` wrote"},
        {good.substr(0, good.find("forward")) + "forward winograd, data direct, weights direct\n",
         "cannot compute x 50x"}}) {
    std::ofstream(table_file(dir)) << bad;
    const auto o = bitwright_program(dir, "run e.yaml --quiet --overwrite", environment);
    CHECK(o.status == 2);
    CHECK(o.err.find(message) != std::string::npos);
  }
}
