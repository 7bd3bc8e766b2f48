// bitwright probe: what methods do to given numbers.
#include "train/probe.h"

#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.h"
#include "method_fixture.h"

using namespace bitwright;
using bitwright::testing::bitwright_program;
using bitwright::testing::check_refused;
using bitwright::testing::RunDirectory;
using Json = nlohmann::json;

namespace {

Json probe(const std::string& words) {
  const RunDirectory dir;
  const auto outcome = bitwright_program(dir, "probe " + words);
  CAPTURE(words);
  CAPTURE(outcome.err);
  REQUIRE(outcome.status == 0);
  return Json::parse(outcome.out);
}

void check_near(const Json& got, const std::vector<double>& wanted) {
  CAPTURE(got.dump());
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i)
    CHECK(got[i].get<double>() == doctest::Approx(wanted[i]).epsilon(1e-5));
}

}  // namespace

TEST_CASE("lsq: codes, values, gradients of the weight and of its step") {
  // mean |w| = 0.5, Q_P = 1: s = 1, w / s as it stands.
  const Json j = probe("lsq weight_bits=2 --values 0.1,-0.7,0.7,-0.5 --grad 1,2,3,4");
  CHECK(j["method"] == "lsq");
  CHECK(j["bits"] == 2);
  CHECK(j["codes"] == Json({0, -1, 1, 0}));
  check_near(j["values"], {0, -1, 1, 0});
  CHECK(j["deployed"] == j["values"]);
  check_near(j["gradient"], {1, 2, 3, 4});
  REQUIRE(j["trained"].size() == 2);
  CHECK(j["trained"][1]["name"] == "probe.weight:1");
  check_near(j["trained"][1]["value"], {1});
  const double sum = -0.1 * 1 - 0.3 * 2 + 0.3 * 3 + 0.5 * 4;
  check_near(j["trained"][1]["gradient"], {sum / 2});  // 1 / sqrt(4 * 1)
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(j["scale"][0].get<double>() * j["codes"][i].get<double>() +
              j["offset"][0].get<double>() ==
          doctest::Approx(j["values"][i].get<double>()));
}

TEST_CASE("lsq: activations take their step from these numbers") {
  const Json j = probe("lsq activation_bits=2 --activations --values 0,1,2,5");
  const double s = 2 * 2 / std::sqrt(3.0);
  check_near(j["values"], {0, 0, s, 2 * s});
  CHECK(j["deployed"] == j["values"]);
  check_near(j["gradient"], {0, 1, 1, 1});
  CHECK(j["trained"][0]["name"] == "lsq.probe.step");
  check_near(j["trained"][0]["value"], {s});
  CHECK_FALSE(j.contains("codes"));
}

TEST_CASE("dorefa: the worked numbers") {
  const Json j = probe("dorefa weight_bits=2 --values -0.8,-0.3,-0.05,0.1,0.4,1.2");
  check_near(j["values"], {-1, -1 / 3.0, -1 / 3.0, 1 / 3.0, 1 / 3.0, 1});
  CHECK(j["codes"] == Json({0, 1, 1, 2, 2, 3}));
  const Json a = probe("dorefa activation_bits=2 --activations --values -0.5,0.2,0.6,1.5");
  check_near(a["values"], {0, 1 / 3.0, 2 / 3.0, 1});
  check_near(a["gradient"], {0, 1, 1, 0});
}

TEST_CASE("pact: the worked numbers of the clip") {
  const Json j = probe(
      "pact activation_bits=16 clip_start=2 --activations --values -0.5,1,2.5,3 --grad "
      "0.1,0.2,0.3,0.4");
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(j["values"][i].get<double>() ==
          doctest::Approx(std::vector<double>{0, 1, 2, 2}[i]).epsilon(1e-4));
  check_near(j["gradient"], {0, 0.2, 0, 0});
  check_near(j["trained"][0]["gradient"], {0.7});
}

TEST_CASE("uniform: a sign, and an asymmetric grid") {
  const Json sign = probe("uniform weight_bits=1 --values -0.9,0.3,0.6");
  check_near(sign["values"], {-0.6, 0.6, 0.6});
  CHECK(sign["codes"] == Json({0, 1, 1}));
  const Json shifted = probe("uniform weight_bits=2 weight_grid=asymmetric --values -1,0.4,2");
  check_near(shifted["values"], {-1, 0, 2});
  CHECK(shifted["codes"] == Json({-1, 0, 2}));
}

TEST_CASE("proximal_mean_field: one latent per label instead of the weight") {
  const Json j = probe("proximal_mean_field jacobian=exact beta_rate=1.2 --values 0.5,-0.25");
  check_near(j["values"], {std::tanh(0.5), std::tanh(-0.25)});
  CHECK(j["deployed"] == Json({1, -1}));
  CHECK_FALSE(j.contains("gradient"));
  CHECK(j["trained"][0]["gradient"].size() == 4);
}

TEST_CASE("methods that quantize nothing there, and words that cannot be meant") {
  const RunDirectory dir;
  const std::string place = "command line";
  check_refused(dir, "probe lsqq --values 1", place, "did you mean 'lsq'?");
  check_refused(dir, "probe lsq --values 1,x", place, "'x' is not a finite number");
  check_refused(dir, "probe lsq --values 1,,2", place, "'' is not a finite number");
  check_refused(dir, "probe lsq --values nan", place, "'nan' is not a finite number");
  check_refused(dir, "probe lsq --values 1,2 --grad 1", place, "--grad has 1 numbers, --values 2");
  check_refused(dir, "probe lsq bits=3 --values 1", place, "bits");
  check_refused(dir, "probe lsq weight_bits --values 1", place, "key=value");
  check_refused(dir, "probe pact weight_bits=32 --values 1", place, "quantizes no weights");
  check_refused(dir, "probe binary_connect --activations --values 1", place,
                "quantizes no activations");
}

TEST_CASE("every registered method that can be made from defaults answers") {
  int answered = 0;
  for (const std::string& name : test::builtin_registries().methods.names()) {
    CAPTURE(name);
    std::unique_ptr<Method> method;
    try {
      method = test::make_method(name);
    } catch (const std::exception&) {
      continue;  // needs an option
    }
    const std::vector<float> values{0.5f, -1, 0.25f}, ones(3, 1);
    try {
      const Probed p = probe_weight(std::move(method), values, ones);
      CHECK(p.values.size() == 3);
      CHECK(p.deployed.size() == 3);
      ++answered;
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find("quantizes no weights") != std::string::npos);
    }
  }
  CHECK(answered >= 4);
}
