// Histograms: counts against bins worked out by hand, which layers they are of, and that a run has
// the same bits with them and without, resumed or not.
#include "train/histograms.h"

#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <hdf5.h>

#include <bitwright/core/bfloat16.h>
#include <bitwright/results/run_file.h>

#include "cli_fixture.h"
#include "kernels/histogram.h"
#include "run_directory.h"
#include "small_net.h"
#include "trainer_fixture.h"

using namespace bitwright;
using testing::bitwright_program;
using testing::read_bytes;
using testing::RunDirectory;
using testing::ThreadsScope;
using Counts = std::vector<std::int64_t>;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

template <class T>
Counts counted(const std::vector<T>& values, float low, float high, std::size_t bins) {
  Counts counts(bins);
  kernels::count_in_bins(static_cast<std::int64_t>(values.size()), values.data(), low, high,
                         counts);
  return counts;
}

template <class T>
kernels::FiniteRange range_of(const std::vector<T>& values) {
  return kernels::finite_range(static_cast<std::int64_t>(values.size()), values.data());
}

/// Everything that a stage's histograms say, by what they are of.
struct Collected {
  std::map<HistogramOf, std::vector<std::pair<std::int64_t, HistogramRecord>>> records;
  Histograms::Sink sink() {
    return [this](HistogramOf of, std::int64_t step, const HistogramRecord& record) {
      records[of].emplace_back(step, record);
    };
  }
};

std::int64_t total(HistogramRecord record, std::size_t name) {
  const auto counts = record.counts_of(name);
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

}  // namespace

TEST_CASE("values are counted in the bins they belong to") {
  const std::vector<float> values{0, 1, 1.5f, 2, 3.999f, 4, -0.f, kNaN, kInf, -kInf};
  const auto range = range_of(values);
  CHECK(range.low == 0);
  CHECK(range.high == 4);
  CHECK(range.not_finite == 3);
  // [0, 1) holds 0 and -0, [1, 2) 1 and 1.5, [2, 3) 2, [3, 4] 3.999 and 4.
  CHECK(counted(values, 0, 4, 4) == Counts{2, 2, 1, 2});
  CHECK(counted(std::vector<float>{-1, 1}, -1, 1, 3) == Counts{1, 0, 1});
  CHECK(counted(std::vector<float>{5, 5, 5}, 5, 5, 3) == Counts{3, 0, 0});
  CHECK(counted(std::vector<bfloat16>{bfloat16(-2.f), bfloat16(0.5f), bfloat16(2.f)}, -2, 2, 2) ==
        Counts{1, 2});
  // The width of this range is no float.
  const float most = std::numeric_limits<float>::max();
  CHECK(counted(std::vector<float>{-most, 0, most}, -most, most, 2) == Counts{1, 2});
}

TEST_CASE("no finite value: an empty range") {
  CHECK(range_of(std::vector<float>{}).empty());
  CHECK(range_of(std::vector<float>{kNaN, kInf}).empty());
  CHECK(range_of(std::vector<float>{kNaN, kInf}).not_finite == 2);
  CHECK_FALSE(range_of(std::vector<float>{kNaN, -3}).empty());
}

TEST_CASE("counts do not depend on the size of the team") {
  std::vector<float> values(300'001);
  const Rng rng(1, "histogram");
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(rng.normal(i));
  values[70'000] = kNaN;
  const auto range = range_of(values);
  const Counts alone = counted(values, range.low, range.high, 50);
  CHECK(std::accumulate(alone.begin(), alone.end(), std::int64_t{0}) == 300'000);
  Counts naive(50);
  for (const float value : values)
    if (std::isfinite(value)) {
      const double at =
          (double(value) - double(range.low)) / (double(range.high) - double(range.low));
      ++naive[std::min<std::size_t>(49, static_cast<std::size_t>(at * 50))];
    }
  CHECK(std::inner_product(naive.begin(), naive.end(), alone.begin(), std::int64_t{0},
                           std::plus<>(),
                           [](auto a, auto b) { return std::abs(a - b); }) <= 4);  // on an edge
  const ThreadsScope three(3);
  CHECK(counted(values, range.low, range.high, 50) == alone);
  CHECK(range_of(values).low == range.low);
  CHECK(range_of(values).not_finite == 1);
}

TEST_CASE("a stage has histograms of its weights, activations and gradients, and the same bits") {
  for (const bool quantized : {false, true}) {
    CAPTURE(quantized);
    testing::StageOptions options;
    if (quantized) options.methods = {{"lsq", {}}};
    testing::SmallStage plain(options), followed(options);
    const HistogramNames names(*followed.network);
    CHECK(names.weights == std::vector<std::string>{"fc1.weight", "fc2.weight"});
    Collected collected;
    Histograms histograms(names, {.every = 8, .bins = 16}, *followed.methods, 5, collected.sink());
    followed.trainer->observe(&histograms);
    plain.run(11);  // the 16th update of the run, which has a record
    followed.run(11);
    CHECK(plain.weights() == followed.weights());

    for (const HistogramOf of : {HistogramOf::weights, HistogramOf::gradients}) {
      const auto& records = collected.records[of];
      REQUIRE(records.size() == 2);
      CHECK(records[0].first == 8);
      CHECK(records[1].first == 16);
      // What the last record says must be so now.
      const HistogramRecord& last = records[1].second;
      for (const Optimized& o : followed.methods->optimized()) {
        const auto at = std::ranges::find(names.weights, o.parameter);
        if (at == names.weights.end() || o.value.numel() == 1) continue;  // LSQ's step
        const auto name = static_cast<std::size_t>(at - names.weights.begin());
        const auto values = (of == HistogramOf::weights ? o.value : o.gradient).values();
        const std::vector<float> all(values.begin(), values.end());
        const float low = *std::ranges::min_element(all), high = *std::ranges::max_element(all);
        CHECK(last.low[name] == static_cast<double>(low));
        CHECK(last.high[name] == static_cast<double>(high));
        HistogramRecord copy = last;
        const auto counts = copy.counts_of(name);
        CHECK(Counts(counts.begin(), counts.end()) == counted(all, low, high, 16));
      }
    }
    const auto& activations = collected.records[HistogramOf::activations];
    REQUIRE(activations.size() == 2);
    for (std::size_t layer = 0; layer < names.layers.size(); ++layer) {
      const HistogramRecord& record = activations[1].second;
      const std::string& name = names.layers[layer];
      CAPTURE(name);
      if (name == "fc1" || name.starts_with("relu")) CHECK(total(record, layer) == 16 * 12);
      if (name == "fc2") CHECK(total(record, layer) == 16 * 4);
      if (name.starts_with("relu")) CHECK(record.low[layer] == 0);
      if (name == "fc1") CHECK(record.low[layer] < 0);
    }
  }
}

TEST_CASE("a residual network: what joined layers give is recorded under the last one's name") {
  NetworkBuilder b(InputSpec{3, 8, 8, 4});
  b.conv2d("conv1", 4, 3, {.stride = 1, .padding = 1}, false).batch_norm("bn1").relu("relu1");
  b.residual(
      "add",
      [](NetworkBuilder& body) {
        body.conv2d("conv2", 4, 3, {.stride = 1, .padding = 1}, false).batch_norm("bn2");
      },
      [](NetworkBuilder& shortcut) { shortcut.conv2d("conv3", 4, 1, {}, false); });
  b.relu("relu2").global_avg_pool("pool").linear("fc", 4);
  const auto network = b.build();
  initialize(*network, 1);
  const StageInfo info{"s", 1, 4, 4, true, network.get()};
  MethodStack methods({}, info);
  const auto optimizer =
      test::make_component(test::builtin_registries().optimizers, "sgd", {{"learning_rate", 0.1}});
  TrainingStep step(*network, methods, *optimizer, BatchShape{2, 3, 8, 8});
  testing::fill_normal(step.batch().images, 3);
  std::ranges::fill(std::span(step.labels(), 2), 1);
  const HistogramNames names(*network);
  Collected collected;
  Histograms histograms(names, {.every = 1, .bins = 4, .weights = false, .gradients = false},
                        methods, 0, collected.sink());
  step.observe(&histograms);
  histograms.step_begins({0, 0, 0.1});
  step.update({0, 0, 0.1});
  histograms.step_ends();

  CHECK(collected.records.size() == 1);
  HistogramRecord record = collected.records[HistogramOf::activations].front().second;
  std::map<std::string, std::int64_t> sizes;
  std::map<std::string, double> lows;
  for (std::size_t i = 0; i < names.layers.size(); ++i) {
    sizes[names.layers[i]] = total(record, i);
    lows[names.layers[i]] = record.low[i];
  }
  for (const char* whole : {"conv1", "relu1", "conv2", "conv3", "relu2"}) {
    CAPTURE(whole);
    CHECK(sizes[whole] == 2 * 4 * 8 * 8);
  }
  CHECK(lows["relu1"] == 0);
  CHECK(lows["relu2"] == 0);
  CHECK(lows["conv3"] < 0);
  for (const char* joined : {"bn1", "bn2", "add"}) {
    CAPTURE(joined);
    CHECK(sizes[joined] == 0);
    CHECK(std::isnan(lows[joined]));
  }
  CHECK(sizes["pool"] == 2 * 4);
  CHECK(sizes["fc"] == 2 * 4);
}

namespace {

const std::string kExperiment = R"(experiment: tiny
threads: 1
data: {name: glyphs, train_images: 1100, test_images: 100, batch: 10, split: {validation: 100}}
network: lenet300
stages:
- {name: float, steps: 20, optimizer: {name: adam, learning_rate: 0.001}}
- {name: q, steps: 20, optimizer: {name: adam, learning_rate: 0.001}, methods: [binary_connect]}
checkpoint: {every: 15, keep: 3}
evaluation: {every: 10}
)";

const std::string kHistograms = " log.histograms.every=4 log.histograms.bins=8";

void run(const RunDirectory& dir, const std::string& words) {
  testing::write_bytes(dir / "a.yaml", kExperiment);
  const auto done = bitwright_program(dir, "run a.yaml --quiet " + words);
  INFO(done.err);
  REQUIRE(done.status == 0);
}

void check_same(const TableData& a, const TableData& b) {
  REQUIRE(a.values.size() == b.values.size());
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const bool same =
        a.values[i] == b.values[i] || (std::isnan(a.values[i]) && std::isnan(b.values[i]));
    if (!same) CHECK(a.values[i] == b.values[i]);
  }
}

}  // namespace

TEST_CASE("a run with histograms has the bits of one without; one that is resumed, its series") {
  const RunDirectory plain, whole, broken;
  run(plain, "");
  run(whole, kHistograms);
  run(broken, kHistograms);
  const std::string folder = "runs/tiny/seed-1/";
  const std::string final_weights = read_bytes(plain / (folder + "checkpoint-final.h5"));
  CHECK(final_weights.size() > 1000);
  CHECK(read_bytes(whole / (folder + "checkpoint-final.h5")) == final_weights);
  CHECK(RunReader::open(plain / (folder + "run.h5"))->header().tables.size() == 4);

  // As a kill after step 30 leaves it.
  const hid_t file = H5Fopen((broken / (folder + "run.h5")).c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t status = H5Dopen2(file, "/status", H5P_DEFAULT);
  const int running = 0;
  H5Dwrite(status, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &running);
  H5Dclose(status);
  H5Fclose(file);
  for (const char* later : {"checkpoint-final.h5", "checkpoint-00000040.h5"})
    REQUIRE(std::filesystem::remove(broken / (folder + later)));
  run(broken, kHistograms + " --resume");

  const auto one = RunReader::open(whole / (folder + "run.h5")),
             two = RunReader::open(broken / (folder + "run.h5"));
  CHECK(two->events()[two->events().size() - 1].step >= 30);
  for (const char* kind : {"weights", "activations", "gradients"}) {
    const TableData table = one->table(std::string("/histograms/") + kind);
    CHECK(table.rows() == 10);
    check_same(table, two->table(std::string("/histograms/") + kind));
  }
}

TEST_CASE("counts are three-dimensional, compressed, and read back as they were") {
  const RunDirectory dir;
  run(dir, kHistograms + " log.histograms.activations=false");
  const std::string path = dir / "runs/tiny/seed-1/run.h5";
  const TableData table = RunReader::open(path)->table("/histograms/weights");
  CHECK(RunReader::open(path)->header().tables.size() == 6);
  const Column& counts = table.table.columns.back();
  CHECK(counts.layers == std::vector<std::string>{"fc1.weight", "fc2.weight", "fc3.weight"});
  CHECK(counts.bins == 8);
  CHECK(counts.place(9) == "fc2.weight, bin 1");
  const std::size_t width = table.table.row_width();
  REQUIRE(width == 2 + 3 * (3 + 8));
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const double* const at = &table.values[row * width];
    CHECK(at[0] == 4.0 * static_cast<double>(row + 1));
    CHECK(at[1] == (row < 5 ? 0 : 1));
    CHECK(std::accumulate(at + 11, at + 19, 0.0) == 300 * 784);
  }
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t set = H5Dopen2(file, "/histograms/weights/counts", H5P_DEFAULT);
  const hid_t creation = H5Dget_create_plist(set);
  CHECK(H5Pget_nfilters(creation) == 2);
  H5Pclose(creation);
  H5Dclose(set);
  H5Fclose(file);
  // Those who list series leave the counts out of what they show, and in what they export.
  CHECK(bitwright_program(dir, "show runs/tiny/seed-1").out.find("bin 1") == std::string::npos);
  const std::string csv =
      bitwright_program(dir, "export-metrics runs/tiny/seed-1 --csv --table histograms/weights")
          .out;
  CHECK(csv.starts_with("step,stage,low[fc1.weight]"));
  CHECK(csv.find("\"counts[fc3.weight, bin 7]\"") != std::string::npos);
}

TEST_CASE("histograms that a run began without, or with other bins, do not come in between") {
  const RunDirectory dir;
  run(dir, kHistograms);
  for (const std::string& words : {std::string(), kHistograms + " log.histograms.weights=false"}) {
    const auto refused = bitwright_program(dir, "run a.yaml --resume " + words);
    CHECK(refused.status == 2);
    CHECK(refused.err.find("log.histograms.") != std::string::npos);
  }
  const RunDirectory without;
  run(without, "");
  CHECK(bitwright_program(without, "run a.yaml --resume log.histograms.bins=9").status == 0);
}
