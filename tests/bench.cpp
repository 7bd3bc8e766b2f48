// bitwright bench: what it refuses, what its results look like. No time is judged.
#include <algorithm>
#include <set>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <bitwright/nn/network.h>

#include "bench/cases.h"
#include "bench/child.h"
#include "bench/comparison.h"
#include "bench/report.h"
#include "builtin_registries.h"
#include "child_process.h"
#include "cli_fixture.h"

using namespace bitwright;
using test::builtin_registries;
using testing::bitwright_program;
using testing::check_refused;
using testing::Outcome;
using testing::RunDirectory;

namespace {

std::set<std::string> keys(const nlohmann::json& object) {
  std::set<std::string> all;
  for (const auto& [key, value] : object.items()) all.insert(key);
  return all;
}

const std::set<std::string> kKeys{"net",          "dtype",       "mode",        "method",
                                  "batch",        "threads",     "median_ms",   "min_ms",
                                  "images_per_s", "peak_rss_mb", "allocations", "primitives_sum_ms",
                                  "parameters",   "steps",       "repetitions"};

}  // namespace

TEST_CASE("wrong command lines of bench") {
  const RunDirectory dir;
  const std::string place = "command line";
  check_refused(dir, "bench --net lenet30", place, "did you mean 'lenet300'?");
  check_refused(dir, "bench --net zzzzzz", place, "one of lenet300, lenet5, resnet20, vgg16");
  check_refused(dir, "bench --net mlp", place, "unknown network 'mlp'");
  check_refused(dir, "bench --dtype f16", place, "unknown dtype 'f16'");
  check_refused(dir, "bench --mode training", place, "unknown mode 'training'");
  check_refused(dir, "bench --threads 0", place, "--threads 0; a number from 1");
  check_refused(dir, "bench --threads many", place, "--threads");
  check_refused(dir, "bench --repetitions 0", place, "--repetitions 0");
  check_refused(dir, "bench --steps -1", place, "--steps -1");
  check_refused(dir, "bench --in-process", place, "--in-process with");
  check_refused(dir, "bench --in-process --compare-pytorch", place, "--compare-pytorch");
  check_refused(dir, "bench --in-process --repetitions 2", place, "--repetitions");
  check_refused(dir, "bench --compare-pytorc", place, "did you mean '--compare-pytorch'?");
  check_refused(dir, "bench lenet300", place, "lenet300");
}

TEST_CASE("a method that lacks something is refused before anything is measured") {
  const std::string incomplete = "{name: proximal_mean_field, jacobian: eye}";
  const auto [line, status] = testing::failure([&] {
    bench::select(builtin_registries(), {{"lenet300"}, {"f32"}, {"train"}, {"none", incomplete}});
  });
  CHECK(status == 2);
  CHECK(line.find("beta_rate is missing") != std::string::npos);
}

TEST_CASE("nets are chosen in their own order, each once; what this program lacks is left out") {
  const auto names = [](const std::vector<bench::Case>& cases) {
    std::vector<std::string> all;
    for (const bench::Case& c : cases) all.push_back(c.net.name + " " + c.dtype + " " + c.mode);
    return all;
  };
  CHECK(
      names(bench::select(builtin_registries(), {{"lenet5", "lenet300", "lenet5"}, {"f32"}, {}})) ==
      std::vector<std::string>{"lenet300 f32 train", "lenet300 f32 eval", "lenet5 f32 train",
                               "lenet5 f32 eval"});
  Registries few;
  few.networks.add({"lenet5", "", "", {}}, {});
  for (const bench::Case& c : bench::select(few, {})) CHECK(c.net.name == "lenet5");
  CHECK(bench::select(few, {{}, {"f32"}, {"eval"}}).size() == 1);
  const auto quantized =
      bench::select(builtin_registries(), {{"lenet5"}, {"f32"}, {"eval"}, {"none", "{name: lsq}"}});
  REQUIRE(quantized.size() == 2);
  CHECK(quantized[0].method == "");
  CHECK(bench::settings_of(builtin_registries(), quantized[0]).sections("methods").empty());
  CHECK(bench::settings_of(builtin_registries(), quantized[1]).sections("methods")[0].name() ==
        "lsq");
  const auto unknown = testing::failure([&] {
    bench::select(builtin_registries(), {{}, {"f32"}, {}, {"lsqq"}});
  });
  CHECK(unknown.second == 2);
  CHECK(unknown.first.find("lsqq") != std::string::npos);
  const auto refused = testing::failure([&] { bench::select(few, {{"resnet18-64x64"}, {}, {}}); });
  CHECK(refused.second == 2);
  CHECK(refused.first ==
        "command line: error: this program has no network 'resnet18'; a network that 'bitwright "
        "list networks' names");
}

TEST_CASE("the standard nets are the networks that papers mean") {
  std::map<std::string, std::int64_t> parameters;
  for (const bench::Case& c : bench::select(builtin_registries(), {{}, {"f32"}, {"train"}})) {
    const Settings settings = bench::settings_of(builtin_registries(), c);
    const auto network =
        builtin_registries().networks.make(settings.section("network"), c.net.input);
    parameters[c.net.name] = network->parameter_count();
    CHECK(settings.section("optimizer").real("momentum") == 0.9);
    CHECK(settings.section("optimizer").real("weight_decay") > 0);
  }
  CHECK(parameters == std::map<std::string, std::int64_t>{{"lenet300", 266610},
                                                          {"lenet5", 431080},
                                                          {"resnet20", 269722},
                                                          {"vgg16", 15245130},
                                                          {"resnet18", 11173962},
                                                          {"resnet18-64x64", 11271432}});
}

TEST_CASE("bench prints a table, or the same as JSON") {
  const RunDirectory dir;
  const std::string small = "bench --net lenet300 --dtype f32 --repetitions 2 --steps 3 ";
  const Outcome o = bitwright_program(dir, small + "--threads 1 --json");
  CAPTURE(o.err);
  REQUIRE(o.status == 0);
  const auto rows = nlohmann::json::parse(o.out);
  REQUIRE(rows.is_array());
  REQUIRE(rows.size() == 2);
  for (const auto& row : rows) {
    CAPTURE(row.dump());
    CHECK(keys(row) == kKeys);
    CHECK(row.at("net") == "lenet300");
    CHECK(row.at("dtype") == "f32");
    CHECK(row.at("mode") == (&row == &rows[0] ? "train" : "eval"));
    CHECK(row.at("method").is_null());
    CHECK(row.at("batch") == 100);
    CHECK(row.at("threads") == 1);
    CHECK(row.at("steps") == 6);
    CHECK(row.at("repetitions") == 2);
    CHECK(row.at("parameters") == 266610);
    CHECK(row.at("allocations").is_number_integer());
    for (const char* positive : {"median_ms", "min_ms", "images_per_s", "primitives_sum_ms"})
      CHECK(row.at(positive).get<double>() > 0);
    CHECK(row.at("min_ms") <= row.at("median_ms"));
    CHECK(row.at("images_per_s").get<double>() ==
          doctest::Approx(100e3 / row.at("median_ms").get<double>()).epsilon(1e-4));
    CHECK(row.at("peak_rss_mb").get<double>() > 5);
  }
  const Outcome table = bitwright_program(dir, small + "--mode eval");
  CHECK(table.status == 0);
  CHECK(table.err == "");
  for (const char* word : {"oneDNN", "thread", "lenet300", "eval", "step/sum"})
    CHECK(table.out.find(word) != std::string::npos);
  const Outcome here = bitwright_program(
      dir, "bench --net lenet300 --dtype f32 --mode train --steps 2 --in-process");
  CHECK(here.status == 0);
  for (const char* word : {"step/sum", "fc3 ", "optimizer", "of floor"})
    CHECK(here.out.find(word) != std::string::npos);
}

TEST_CASE("without PyTorch, a comparison says what to install") {
  const RunDirectory dir;
  testing::write_bytes(dir / "sitecustomize.py", "import sys\nsys.modules['torch'] = None\n");
  const Outcome o = bitwright_program(dir, "bench --net lenet300 --compare-pytorch --json",
                                      "PYTHONPATH=" + dir.path());
  CHECK(o.status == 2);
  CHECK(o.out == "");
  CHECK(std::count(o.err.begin(), o.err.end(), '\n') == 1);
  CHECK(o.err.find("error: PyTorch is not installed") != std::string::npos);
  CHECK(o.err.find("apt-get install python3-torch") != std::string::npos);
}

TEST_CASE("children give their output, or fail with their own words and status") {
  using bench::ChildFailed;
  using bench::run_child;
  CHECK(run_child({"sh", "-c", "echo a; echo b >&2; cat; printf $X$Y"}, {{"X", "c"}, {"Y", ""}}) ==
        "a\nc");
  std::string much(300000, 'x');
  CHECK(run_child({"sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x"}) == much);
  const auto failure = [](const std::string& script) -> std::pair<std::string, int> {
    try {
      run_child({"sh", "-c", script});
    } catch (const ChildFailed& failed) {
      return {failed.what(), failed.status};
    }
    return {"", 0};
  };
  CHECK(failure("echo because >&2; exit 3") == std::pair<std::string, int>{"because", 3});
  CHECK(failure("exit 4") == std::pair<std::string, int>{"sh: error: exit status 4", 4});
  CHECK(failure("kill -9 $$").second == 128 + 9);
  CHECK_THROWS_AS(run_child({"no-such-program-here"}), ChildFailed);
}

TEST_CASE("rows with a peer have its fields, too") {
  bench::Row row;
  row.measured = {{"lenet300", "lenet300", "", {1, 28, 28, 10}, 100}, "f32", "train"};
  row.ours.median_ms = 2;
  row.ours.primitives_sum_ms = 1.9;
  row.peer = bench::PeerRow{"nchw,default,bound,eager", 5, 2.5, 2.4, 2.6, 300};
  const auto json = nlohmann::json::parse(bench::rows_as_json({row}))[0];
  auto expected = kKeys;
  for (const char* key :
       {"pytorch_ms", "ratio", "ratio_min", "ratio_max", "pytorch_peak_rss_mb", "pytorch_settings"})
    expected.insert(key);
  CHECK(keys(json) == expected);
  CHECK(json.at("pytorch_ms") == 5);
  CHECK(json.at("ratio") == 2.5);
  const std::string text = bench::table_row(row);
  CHECK(text.find("(2.40..2.60)") != std::string::npos);
  CHECK(bench::measurement_from_json(bench::rows_as_json({row})).median_ms == 2);
}
