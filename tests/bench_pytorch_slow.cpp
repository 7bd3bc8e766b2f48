// The comparison with PyTorch, where that is installed. No time is judged.
#include <map>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "bench/child.h"
#include "cli_fixture.h"

using namespace bitwright;

static bool skipped() {
  if (!testing::python_with("torch").empty()) return false;
  MESSAGE("skipped: python3-torch is not installed");
  return true;
}

TEST_CASE("a comparison adds PyTorch's time and the ratio") {
  if (skipped()) return;
  const testing::RunDirectory dir;
  const testing::Outcome o = testing::bitwright_program(
      dir, "bench --compare-pytorch --json --net lenet300 --dtype f32 --repetitions 2 --steps 2");
  CAPTURE(o.err);
  REQUIRE(o.status == 0);
  const auto rows = nlohmann::json::parse(o.out);
  REQUIRE(rows.size() == 2);
  for (const auto& row : rows) {
    CHECK(row.at("pytorch_ms").get<double>() > 0);
    CHECK(row.at("ratio_min").get<double>() > 0);
    CHECK(row.at("ratio_min") <= row.at("ratio"));
    CHECK(row.at("ratio") <= row.at("ratio_max"));
    const std::string settings = row.at("pytorch_settings");
    CHECK((settings.starts_with("nchw,") || settings.starts_with("channels_last,")));
  }
}

TEST_CASE("PyTorch's networks have as many parameters as ours, and run in every form") {
  if (skipped()) return;
  const std::map<std::string, std::int64_t> nets{
      {"lenet300", 266610}, {"lenet5", 431080},     {"resnet20", 269722},
      {"vgg16", 15245130},  {"resnet18", 11173962}, {"resnet18-64x64", 11271432}};
  const auto measured = [](const std::string& net, const std::string& words) {
    return nlohmann::json::parse(bench::run_child(
        {"sh", "-c",
         BITWRIGHT_SOURCE "/scripts/bench-pytorch --batch 2 --threads 1 --steps 1 --net " + net +
             " " + words}));
  };
  for (const auto& [net, parameters] : nets) {
    CAPTURE(net);
    const auto train =
        measured(net, "--dtype f32 --mode train --settings channels_last,default,free,eager");
    CHECK(train.at("parameters") == parameters);
    CHECK(train.at("steps") == 1);
  }
  CHECK(measured("lenet5", "--dtype bf16 --mode train --settings channels_last,default,bound,eager")
            .at("median_ms")
            .get<double>() > 0);
  CHECK(measured("resnet20", "--dtype f32 --mode eval --settings nchw,default,free,frozen")
            .at("peak_rss_mb")
            .get<double>() > 50);
  CHECK_THROWS_AS(measured("lenet5", "--dtype f32 --mode eval --settings fastest"),
                  bench::ChildFailed);
}
