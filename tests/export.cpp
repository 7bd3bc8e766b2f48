// Deployed networks in files: they hold all that the accuracy depends on, and no more than is said.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <bitwright/quant/coded.h>
#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_file.h>

#include "cli_fixture.h"
#include "experiment/deployed_network.h"
#include "method_fixture.h"

using namespace bitwright;
using testing::bitwright_program;
using testing::Outcome;
using testing::RunDirectory;

namespace {

std::string experiment(const std::string& network, const std::string& method,
                       const std::string& more = "") {
  return R"(
experiment: small
threads: 1
data: {name: glyphs, train_images: 600, test_images: 230, split: {validation: 100}, batch: 50}
network: {name: )" +
         network + R"(}
stages:
  - name: quantize
    steps: 12
)" + more +
         method + R"(
    optimizer: {name: adam, learning_rate: 0.003}
evaluation: {every: 5, batch: 100}
)";
}

std::string with(const std::string& method) { return "    methods: [" + method + "]"; }

const std::string kNoData = "env -u BITWRIGHT_DATA";

// Trains and exports; the accuracy of both is the recorded one.
std::map<std::string, double> check_export(const RunDirectory& dir, const std::string& yaml,
                                           const std::string& result) {
  testing::write_bytes(dir / "small.yaml", yaml);
  const Outcome run =
      bitwright_program(dir, "run small.yaml --out runs --overwrite --quiet", kNoData);
  INFO(run.err);
  REQUIRE(run.status == 0);
  const auto results = RunReader::open(dir / "runs/small/seed-1/run.h5")->results();
  const Outcome exported = bitwright_program(dir, "export runs/small/seed-1 net.h5", kNoData);
  INFO(exported.err);
  REQUIRE(exported.status == 0);
  std::string bytes = std::to_string(static_cast<std::int64_t>(results.at("size_stored")));
  CHECK(exported.out.starts_with("net.h5: " + bytes + " bytes of the deployed network"));
  for (const std::string file : {"net.h5", "runs/small/seed-1", "runs/small/seed-1/run.h5"}) {
    const Outcome tested = bitwright_program(dir, "evaluate " + file, kNoData);
    INFO(tested.err);
    CHECK(tested.status == 0);
    CHECK(tested.out.starts_with(result + " "));
    CHECK(tested.out.ends_with("(as the run recorded)\n"));
  }
  // Away from the run, too.
  std::filesystem::remove_all(dir / "runs");
  const Outcome alone = bitwright_program(dir, "evaluate net.h5 --json", kNoData);
  CHECK(alone.status == 0);
  const auto json = nlohmann::json::parse(alone.out);
  CHECK(json.at(result).get<double>() == results.at(result));
  CHECK(json.at("recorded").get<double>() == results.at(result));
  return results;
}

}  // namespace

TEST_CASE("export: binary weights take a bit each") {
  const RunDirectory dir;
  const auto results = check_export(
      dir,
      experiment("lenet300", with("{name: proximal_mean_field, jacobian: exact, beta_rate: 1.5}")),
      "test_accuracy_hard");
  // Six parameters: packed bits, a header of 24 bytes and two labels each; two normalisations.
  const double codes = (784 * 300 + 300 * 100 + 100 * 10) / 8.0 + 38 + 13 + 2;
  CHECK(results.at("size_stored") == codes + 6 * (24 + 8) + 2 * (300 + 100) * 4);
}

TEST_CASE("export: every method that was built in, and none") {
  for (const char* method :
       {"{name: binary_connect, exclude: [fc2.*]}", "{name: prox_quant, reg_rate: 0.1}",
        "{name: proximal_mean_field, projection: sparsemax, jacobian: exact, beta_rate: 1.1, "
        "labels: [-1, 0, 1]}",
        "{name: compression_aware_training, lambda: 0.1, switch_on_every: 5 steps}"}) {
    CAPTURE(method);
    const RunDirectory dir;
    check_export(dir, experiment("lenet5", with(method)), "test_accuracy_hard");
  }
  const RunDirectory dir;
  check_export(dir, experiment("lenet300", ""), "test_accuracy_float");
  check_export(dir,
               experiment("lenet300", with("binary_connect"),
                          "    hand_over: last\n    reestimate_batch_norm: 3\n"
                          "    ema: {decay: 0.9}\n"),
               "test_accuracy_hard_last");
}

TEST_CASE("export and evaluate: wrong files give one line and exit status 5") {
  const RunDirectory dir;
  testing::write_bytes(dir / "small.yaml", experiment("lenet300", with("binary_connect")));
  REQUIRE(bitwright_program(dir, "run small.yaml --out runs --quiet", kNoData).status == 0);
  REQUIRE(bitwright_program(dir, "export runs/small/seed-1 net.h5", kNoData).status == 0);
  const std::string whole = testing::read_bytes(dir / "net.h5");
  testing::write_bytes(dir / "text.h5", "no HDF5 at all");
  testing::write_bytes(dir / "empty.h5", "");
  testing::write_bytes(dir / "cut.h5", whole.substr(0, whole.size() / 2));
  std::string changed = whole;
  changed[whole.size() / 2] ^= 1;
  testing::write_bytes(dir / "changed.h5", changed);
  const auto refused = [&](const std::string& words, const std::string& contains) {
    CAPTURE(words);
    const Outcome o = bitwright_program(dir, words, kNoData);
    CAPTURE(o.err);
    CHECK(o.status == 5);
    CHECK(o.out == "");
    CHECK(std::count(o.err.begin(), o.err.end(), '\n') == 1);
    CHECK(o.err.find(": error: ") != std::string::npos);
    CHECK(o.err.find(contains) != std::string::npos);
  };
  refused("evaluate missing.h5", "cannot read the exported network");
  refused("evaluate empty.h5", "the exported network is empty");
  refused("evaluate text.h5", "the exported network is truncated, or is none");
  refused("evaluate cut.h5", "the exported network is truncated, or is none");
  refused("evaluate changed.h5", "its checksum is wrong");
  refused("evaluate runs/small/seed-1/checkpoint-final.h5", "not a bitwright deployed network");
  refused("evaluate runs", "run.h5");
  refused("export nowhere net.h5", "nowhere: error: ");
  refused("export runs/small/seed-1 small.yaml", "exists and is no exported network");
  refused("export runs/small/seed-1 folder/net.h5", "cannot write");
  CHECK(testing::read_bytes(dir / "net.h5") == whole);
  // An earlier exported network is replaced; the same run gives the same bytes.
  CHECK(bitwright_program(dir, "export runs/small/seed-1 net.h5", kNoData).status == 0);
  CHECK(testing::read_bytes(dir / "net.h5") == whole);
}

TEST_CASE("stored weights come back, whatever they are coded by; impossible ones are refused") {
  auto network = test::small_network();
  std::vector<std::unique_ptr<Method>> list;
  list.push_back(
      test::make_method("binary_connect", {{"exclude", std::vector<std::string>{"*.bias"}}}));
  MethodStack methods(std::move(list), test::stage_of(*network));
  for (const Parameter& p : network->parameters()) {
    StoredWeight stored(p, methods);
    Tensor hard = Tensor::empty(p.value.shape());
    methods.write_deployed(p, Deployment::hard, hard);
    CHECK(test::list(stored.decoded()) == test::list(hard));
  }
  // A loading visitor that finds these headers.
  class Header final : public StateVisitor {
   public:
    std::vector<std::int32_t> numbers;
    void tensor(std::string_view name, Tensor& value) override {
      if (name == "header") std::copy(numbers.begin(), numbers.end(), value.i32());
    }
    void integer(std::string_view, std::int64_t&) override {}
    void real(std::string_view, double&) override {}
    void text(std::string_view, std::string&) override {}
    void enter(std::string_view) override {}
    void leave() override {}
  };
  for (const std::vector<std::int32_t>& numbers :
       std::vector<std::vector<std::int32_t>>{{2, 1, 0, 1, 0, 0},
                                              {1, 33, 0, 1, 0, 0},
                                              {1, -1, 0, 1, 0, 0},
                                              {1, 2, 0, 0, 0, 0},
                                              {1, 2, 0, 5, 0, 0},
                                              {1, 2, 0, 3, 2, 0},
                                              {1, 2, 0, 0, 0, 1 << 30},
                                              {1, 2, 0, -3, 0, 4}}) {
    Header header;
    header.numbers = numbers;
    StoredWeight loaded(network->parameters()[0]);
    CHECK_THROWS_AS(loaded.visit(header), std::invalid_argument);
  }
}

TEST_CASE("labels as codes") {
  const std::vector<float> values{1, -1, -1, 0};
  const Coded coded = coded_labels(values, {-1, 0, 1});
  CHECK(coded.bits == 2);
  CHECK(coded.codes == std::vector<std::int32_t>{2, 0, 0, 1});
  std::vector<float> back(4);
  coded.decode(back);
  CHECK(back == values);
  CHECK(coded_labels(std::vector<float>{5, 5}, {5}).bits == 0);
  CHECK_THROWS_AS(coded_labels(values, {-1, 1}), std::logic_error);
}
