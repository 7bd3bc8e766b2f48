// init.from: what a file of arrays must hold, what is said when it does not, and runs that start
// from one.
#include "experiment/initial_weights.h"

#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <hdf5.h>
#include <sys/wait.h>

#include <bitwright/core/sha256.h>
#include <bitwright/results/array_file.h>
#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_file.h>

#include "child_process.h"
#include "method_fixture.h"
#include "run_directory.h"

using namespace bitwright;
using testing::RunDirectory;

namespace {

struct Array {
  std::string name;
  Shape shape;
  std::vector<float> values;
};

void write_arrays(const std::string& path, const std::vector<Array>& arrays,
                  hid_t type = H5T_IEEE_F32LE) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t groups = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(groups, 1);
  for (const Array& a : arrays) {
    const std::vector<hsize_t> extents(a.shape.dims().begin(), a.shape.dims().end());
    const hid_t space = H5Screate_simple(a.shape.rank(), extents.data(), nullptr);
    const hid_t set =
        H5Dcreate2(file, a.name.c_str(), type, space, groups, H5P_DEFAULT, H5P_DEFAULT);
    REQUIRE(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, a.values.data()) >= 0);
    H5Dclose(set);
    H5Sclose(space);
  }
  H5Pclose(groups);
  REQUIRE(H5Fclose(file) >= 0);
}

std::vector<Array> arrays_of(Network& network) {
  std::vector<Array> all;
  for (Parameter& p : network.parameters())
    all.push_back({p.name, p.value.shape(), test::list(p.value)});
  for (Buffer& b : network.buffers()) all.push_back({b.name, b.value.shape(), test::list(b.value)});
  return all;
}

// One convolution with normalisation and a classifier: 9 tensors.
std::unique_ptr<Network> small() {
  NetworkBuilder b(InputSpec{1, 6, 6, 3});
  b.conv2d("conv1", 2, 3).batch_norm("bn1", true).relu().flatten().linear("fc", 3);
  auto network = b.build();
  initialize(*network, 1);
  return network;
}

Settings from(const std::string& file, bool strict = true) {
  Settings init, network, config;
  init.set("from", file, {"test.yaml", 4, 9});
  init.set("strict", strict, {"test.yaml", 5, 11});
  network.set_component("small");
  config.set("init", init);
  config.set("network", network);
  config.set("seed", std::int64_t{1}, {});
  return config;
}

struct Fixture {
  RunDirectory dir;
  const std::string file = dir / "weights.h5";
  std::unique_ptr<Network> network = small();
  std::vector<Array> arrays = arrays_of(*network);

  Fixture() {
    float next = 0.5f;  // other values than drawn ones, all positive
    for (Array& a : arrays)
      for (float& x : a.values) x = next += 0.25f;
  }
  std::pair<std::string, int> failure(bool strict = true) {
    return testing::failure([&] { load_initial_weights(from(file, strict), *network); });
  }
};

void check(const std::pair<std::string, int>& failure, int status, const std::string& line) {
  CHECK(failure.second == status);
  CHECK(failure.first == line);
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "arrays of a file become parameters and running statistics") {
  SUBCASE("names with dots") { write_arrays(file, arrays); }
  SUBCASE("groups") {
    auto grouped = arrays;
    for (Array& a : grouped) a.name.replace(a.name.find('.'), 1, "/");
    write_arrays(file, grouped);
  }
  SUBCASE("double precision") { write_arrays(file, arrays, H5T_IEEE_F64LE); }
  CHECK(load_initial_weights(from(file), *network).empty());
  const auto loaded = arrays_of(*network);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    CAPTURE(arrays[i].name);
    CHECK(loaded[i].values == arrays[i].values);
  }
}

TEST_CASE_FIXTURE(Fixture, "arrays that do not fit are named in one line") {
  const std::string place =
      "test.yaml:4:9: error: the arrays of '" + file + "' do not fit network 'small': it ";
  const std::string strict =
      "; every parameter and running statistic of the network, and nothing else; rename them as "
      "framework/nn/README.md says, or take what is there with strict: false";
  const std::string lax =
      "; at least one array, and only shapes that fit; rename them as framework/nn/README.md says, "
      "or remove what has another shape";
  SUBCASE("missing and unknown") {
    arrays[0].name = "conv.weight";
    arrays.pop_back();
    write_arrays(file, arrays);
    check(failure(), 2,
          place + "lacks bn1.running_variance, conv1.weight; it has unknown conv.weight" + strict);
  }
  SUBCASE("many") {
    for (Array& a : arrays) a.name = "module." + a.name;
    write_arrays(file, arrays);
    const std::string both =
        "lacks bn1.running_mean, bn1.running_variance, bn1.scale, bn1.shift and 4 more; it has "
        "unknown module.bn1.running_mean, module.bn1.running_variance, module.bn1.scale, "
        "module.bn1.shift and 4 more";
    check(failure(), 2, place + both + strict);
    check(failure(false), 2, place + both + lax);
  }
  SUBCASE("another shape, also when a subset would do") {
    arrays[0].shape = Shape{2, 1, 9};
    write_arrays(file, arrays);
    const std::string shapes = "has the shapes conv1.weight [2, 1, 9] instead of [2, 1, 3, 3]";
    check(failure(), 2, place + shapes + strict);
    check(failure(false), 2, place + shapes + lax);
  }
}

TEST_CASE_FIXTURE(Fixture, "strict: false takes a subset and says what it left") {
  const auto before = arrays_of(*network);
  arrays[1].name = "head.bias";
  write_arrays(file, arrays);
  CHECK(load_initial_weights(from(file, false), *network) ==
        "left at their initial values: conv1.bias; not used: head.bias");
  const auto after = arrays_of(*network);
  CHECK(after[0].values == arrays[0].values);
  CHECK(after[1].values == before[1].values);
}

TEST_CASE_FIXTURE(Fixture, "files that are no arrays of finite numbers are damaged data") {
  const auto says = [&](const std::string& part) {
    const auto [line, status] = failure();
    CAPTURE(line);
    CHECK(status == 3);
    CHECK(line.starts_with(file + ": error: "));
    CHECK(line.find(part) != std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
  };
  SUBCASE("no file") { says("is no file, and no run's folder"); }
  SUBCASE("no HDF5") {
    testing::write_bytes(file, std::string(4096, 'x'));
    says("an HDF5 file of named float arrays");
  }
  SUBCASE("cut off") {
    write_arrays(file, arrays);
    const std::string whole = testing::read_bytes(file);
    testing::write_bytes(file, whole.substr(0, whole.size() / 2));
    says("truncated");
  }
  SUBCASE("integers") {
    write_arrays(file, arrays, H5T_STD_I64LE);
    says("'bn1.running_mean' holds no floating-point numbers");
  }
  SUBCASE("not a number") {
    arrays[2].values[1] = NAN;
    write_arrays(file, arrays);
    says("array 'bn1.scale' holds nan; finite numbers");
  }
  SUBCASE("a variance below zero") {
    arrays.back().values[0] = -1;
    write_arrays(file, arrays);
    says("array 'bn1.running_variance' holds -1; finite numbers of at least 0");
  }
  SUBCASE("two arrays of one name") {
    arrays.push_back(arrays[0]);
    arrays.back().name = "conv1/weight";
    write_arrays(file, arrays);
    says("two arrays are called 'conv1.weight'");
  }
  SUBCASE("groups in a circle") {
    write_arrays(file, arrays);
    const hid_t h5 = H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    H5Gclose(H5Gcreate2(h5, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    CHECK(H5Lcreate_hard(h5, "a", h5, "a/a", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(h5);
    says("damaged: groups lie more than 16 deep");
  }
}

namespace {

const std::string kExperiment = R"(
experiment: start
threads: 1
data: {name: glyphs, train_images: 600, test_images: 100, split: {validation: 100}, batch: 50}
network: {name: lenet300}
stages:
  - {name: float, steps: 20, optimizer: {name: sgd, learning_rate: 0.01}}
  - {name: more, start: previous, steps: 5, optimizer: {name: sgd, learning_rate: 0.01}}
evaluation: {every: 10, batch: 100}
checkpoint: {every: 10}
)";

std::pair<std::string, int> run(const RunDirectory& dir, const std::string& words) {
  testing::write_bytes(dir / "start.yaml", kExperiment);
  const int status =
      std::system(("cd " + dir.path() + " && env -u BITWRIGHT_DATA " BITWRIGHT_PROGRAM " run " +
                   (dir / "start.yaml") + " --out " + (dir / "runs") + " " + words + " >" +
                   (dir / "out") + " 2>" + (dir / "err") + " </dev/null")
                      .c_str());
  return {testing::read_bytes(dir / "err"), WEXITSTATUS(status)};
}

std::unique_ptr<Network> lenet300(std::uint64_t seed) {
  auto network = test::make_network("lenet300", {1, 28, 28, 10});
  initialize(*network, seed);
  return network;
}

const std::string kRun = "runs/start/seed-1/";

}  // namespace

TEST_CASE("a run from a file is the run whose drawn weights the file holds") {
  const RunDirectory drawn, given, other;
  write_arrays(given / "weights.h5", arrays_of(*lenet300(1)));
  write_arrays(other / "weights.h5", arrays_of(*lenet300(2)));
  REQUIRE(run(drawn, "--quiet").second == 0);
  REQUIRE(run(given, "--quiet init.from=" + (given / "weights.h5")).second == 0);
  REQUIRE(run(other, "--quiet init.from=" + (other / "weights.h5")).second == 0);
  const auto final = [](const RunDirectory& dir) {
    return testing::read_bytes(dir / (kRun + "checkpoint-final.h5"));
  };
  CHECK(final(given) == final(drawn));
  CHECK(final(other) != final(drawn));
  const auto provenance = RunReader::open(given / (kRun + "run.h5"))->header().provenance;
  CHECK(provenance.at("init.from") == sha256_file(given / "weights.h5"));
  CHECK_FALSE(
      RunReader::open(drawn / (kRun + "run.h5"))->header().provenance.contains("init.from"));
}

TEST_CASE("what strict: false left alone is an event of the run") {
  const RunDirectory dir;
  auto arrays = arrays_of(*lenet300(2));
  arrays.erase(arrays.begin());
  write_arrays(dir / "weights.h5", arrays);
  REQUIRE(run(dir, "'init={from: " + (dir / "weights.h5") + ", strict: false}'").second == 0);
  const auto events = RunReader::open(dir / (kRun + "run.h5"))->events();
  REQUIRE(events.size() > 1);
  CHECK(events[1].kind == "init");
  CHECK(events[1].message == "left at their initial values: fc1.weight");
  CHECK(testing::read_bytes(dir / "err").find("init: left at their initial values: fc1.weight") !=
        std::string::npos);
}

TEST_CASE("a run starts from what another one ended with") {
  const RunDirectory dir;
  REQUIRE(run(dir, "--quiet").second == 0);
  const std::string earlier = dir / "runs/start/seed-1";
  const auto started_from = [&](const std::string& from) {
    REQUIRE(run(dir, "--quiet --overwrite experiment=next init.from=" + from).second == 0);
    CHECK(RunReader::open(dir / "runs/next/seed-1/run.h5")->header().provenance.at("init.from") ==
          sha256_file(earlier + "/checkpoint-final.h5"));
    return testing::read_bytes(dir / "runs/next/seed-1/checkpoint-final.h5");
  };
  // The network's arrays in a file of their own say the same.
  const ArrayFile final = ArrayFile::open(earlier + "/checkpoint-final.h5");
  std::vector<Array> arrays;
  for (const auto& [name, shape] : final.arrays()) {
    Tensor values = Tensor::empty(shape);
    final.read(name, values);
    arrays.push_back({name, shape, test::list(values)});
  }
  write_arrays(dir / "weights.h5", arrays);
  REQUIRE(run(dir, "--quiet experiment=next init.from=weights.h5").second == 0);
  const auto expected = testing::read_bytes(dir / "runs/next/seed-1/checkpoint-final.h5");
  for (const std::string& from : {earlier, earlier + "/checkpoint-final.h5", dir / "runs/start",
                                  std::string("start/seed-1"), std::string("start")}) {
    CAPTURE(from);
    CHECK(started_from(from) == expected);
  }
  const auto refused = [&](const std::string& from, const std::string& says) {
    const auto [line, status] = run(dir, "--quiet --overwrite experiment=next init.from=" + from);
    CAPTURE(line);
    CHECK(status == 3);
    CHECK(line.find(says) != std::string::npos);
  };
  refused(list_checkpoints(earlier).front(), "the checkpoint of a run on its way");
  refused("start/seed-2", "no run's folder or name below 'runs'");
  std::filesystem::create_directories(dir / "runs/begun/seed-1");
  RunWriter::create(dir / "runs/begun/seed-1/run.h5", {});
  refused("begun", "the run is not finished");
}

TEST_CASE("a run is not resumed with another file of weights") {
  const RunDirectory dir;
  const std::string weights = dir / "weights.h5";
  write_arrays(weights, arrays_of(*lenet300(1)));
  // The second stage diverges at once, after checkpoints of the first.
  const std::string words = "--quiet init.from=" + weights +
                            " 'network={name: mlp, hidden: [300, 100], batch_norm: false}'"
                            " init.strict=false stages.more.optimizer.learning_rate=1e38";
  REQUIRE(run(dir, words).second == 4);
  const std::string before = testing::read_bytes(weights);
  write_arrays(weights, arrays_of(*lenet300(2)));
  const auto [line, status] = run(dir, words + " --resume");
  CHECK(status == 2);
  CHECK(line.find("changed since this run began; the file with SHA-256 ") != std::string::npos);
  testing::write_bytes(weights, before);
  CHECK(run(dir, words + " --resume").second == 4);  // goes on, and diverges again
}
