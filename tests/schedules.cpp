// Learning-rate schedules against their formulas, alone, behind a warm-up, for a part of the stage,
// in chains; refused ones.
#include "optim/schedules.h"

#include <cmath>
#include <numbers>

#include <doctest/doctest.h>

#include "builtin_registries.h"
#include "experiment/config.h"

using namespace bitwright;
using test::builtin_registries;

namespace {

// As an experiment has it under `schedule:`, in flow style.
std::unique_ptr<Schedule> read(const std::string& schedule) {
  static const Options options =
      Options{}.component("schedule", "schedules", "constant", "", schedule_options());
  const Settings settings =
      parse_config("schedule: " + schedule, "f.yaml", {}, options, builtin_registries());
  return make_schedule(builtin_registries(), settings.section("schedule"));
}

constexpr Horizon kStage{1000, 50};

struct Factors {
  explicit Factors(const std::string& schedule, Horizon stage = kStage)
      : schedule_(read(schedule)), stage_(stage) {}
  double operator()(std::int64_t step) const { return schedule_->factor(step, stage_); }

 private:
  std::unique_ptr<Schedule> schedule_;
  Horizon stage_;
};

}  // namespace

TEST_CASE("constant") {
  const Factors f("constant");
  for (const int t : {0, 1, 999}) CHECK(f(t) == 1);
}

TEST_CASE("step decays at update index k * interval") {
  for (const char* interval : {"100", "100 steps", "2 epochs", "10 %"}) {
    const Factors f(std::string("{name: step, factor: 0.2, interval: ") + interval + "}");
    for (std::int64_t t = 0; t < 1000; ++t)
      REQUIRE(f(t) == std::pow(0.2, static_cast<double>(t / 100)));
  }
}

TEST_CASE("multi_step decays at its milestones") {
  for (const char* milestones :
       {"[500, 750]", "[10 epochs, 15 epochs]", "[50 %, 75 %]", "[10 epochs, 750]"}) {
    const Factors f(std::string("{name: multi_step, factor: 0.1, milestones: ") + milestones + "}");
    for (std::int64_t t = 0; t < 1000; ++t)
      REQUIRE(f(t) == doctest::Approx(t < 500 ? 1 : t < 750 ? 0.1 : 0.01).epsilon(1e-12));
  }
}

TEST_CASE("cosine, linear, polynomial over the stage") {
  const Factors cosine("{name: cosine, end_factor: 0.1}"), line("{name: linear, end_factor: 0.2}"),
      up("{name: linear, start_factor: 0.5, end_factor: 2}"),
      polynomial("{name: polynomial, power: 2, end_factor: 0.1}"), to_zero("cosine");
  for (std::int64_t t = 0; t <= 1000; ++t) {
    const double x = static_cast<double>(t) / 1000;
    REQUIRE(cosine(t) ==
            doctest::Approx(0.1 + 0.9 * (1 + std::cos(std::numbers::pi * x)) / 2).epsilon(1e-12));
    REQUIRE(line(t) == doctest::Approx(1 - 0.8 * x).epsilon(1e-12));
    REQUIRE(up(t) == doctest::Approx(0.5 + 1.5 * x).epsilon(1e-12));
    REQUIRE(polynomial(t) == doctest::Approx(0.1 + 0.9 * (1 - x) * (1 - x)).epsilon(1e-12));
  }
  CHECK(cosine(0) == 1);
  CHECK(cosine(500) == doctest::Approx(0.55));
  CHECK(cosine(1000) == 0.1);
  CHECK(to_zero(1000) == 0);
  CHECK(line(1000) == 0.2);
  CHECK(polynomial(1000) == 0.1);
}

TEST_CASE("a length: then the last rate stays") {
  for (const char* length : {"400", "8 epochs", "40 %"}) {
    const Factors f(std::string("{name: cosine, end_factor: 0.1, length: ") + length + "}");
    CHECK(f(0) == 1);
    CHECK(f(200) == doctest::Approx(0.55));
    for (const int t : {400, 401, 999}) CHECK(f(t) == 0.1);
  }
  // Shares inside are of the schedule's own length.
  const Factors f("{name: multi_step, factor: 0.1, milestones: [50 %], length: 400}");
  CHECK(f(199) == 1);
  CHECK(f(200) == 0.1);
}

TEST_CASE("warm-up multiplies, and the schedule counts from the same start") {
  const Factors line("{name: constant, warm_up: {length: 5 epochs}}");
  for (std::int64_t t = 0; t < 1000; ++t)
    REQUIRE(line(t) == doctest::Approx(t < 250 ? static_cast<double>(t) / 250 : 1).epsilon(1e-12));
  const Factors from("{name: constant, warm_up: {length: 100, start_factor: 0.1}}");
  CHECK(from(0) == 0.1);
  CHECK(from(50) == doctest::Approx(0.55));
  CHECK(from(100) == 1);
  const Factors flat("{name: constant, warm_up: {length: 100, kind: constant, start_factor: 0.1}}");
  CHECK(flat(0) == 0.1);
  CHECK(flat(99) == 0.1);
  CHECK(flat(100) == 1);
  const Factors steps("{name: multi_step, milestones: [300], factor: 0.1, warm_up: {length: 100}}");
  CHECK(steps(50) == 0.5);
  CHECK(steps(299) == 1);
  CHECK(steps(300) == 0.1);
  const Factors cosine("{name: cosine, warm_up: {length: 10 %}}");
  for (std::int64_t t = 0; t < 1000; ++t) {
    const double decay = (1 + std::cos(std::numbers::pi * static_cast<double>(t) / 1000)) / 2;
    REQUIRE(cosine(t) ==
            doctest::Approx(std::min(1.0, static_cast<double>(t) / 100) * decay).epsilon(1e-12));
  }
}

TEST_CASE("a chain runs its parts one after the other, each from its own start") {
  const Factors f(
      "{name: chain, parts: [{name: linear, start_factor: 0, end_factor: 1, length: 2 epochs}, "
      "{name: constant, length: 300}, {name: step, interval: 50, factor: 0.5, length: 10 %}, "
      "{name: cosine, end_factor: 0.1}]}");
  CHECK(f(0) == 0);
  CHECK(f(50) == 0.5);
  CHECK(f(99) == doctest::Approx(0.99));
  CHECK(f(100) == 1);
  CHECK(f(399) == 1);
  CHECK(f(400) == 1);
  CHECK(f(450) == 0.5);
  CHECK(f(499) == 0.5);
  CHECK(f(500) == 1);
  CHECK(f(750) == doctest::Approx(0.55));
  CHECK(f(999) == doctest::Approx(0.1).epsilon(1e-3));
  const Factors held(
      "{name: chain, parts: [{name: linear, length: 100}, {name: linear, "
      "end_factor: 0.5, length: 200}]}");
  CHECK(held(99) == doctest::Approx(0.01));
  CHECK(held(100) == 1);
  CHECK(held(200) == 0.75);
  CHECK(held(300) == 0.5);
  CHECK(held(999) == 0.5);
  const Factors nested(
      "{name: chain, warm_up: {length: 10}, parts: [{name: chain, length: 100, parts: "
      "[{name: constant, length: 50 %}, {name: linear, start_factor: 0.4, end_factor: 0.2}]}, "
      "constant]}");
  CHECK(nested(5) == 0.5);
  CHECK(nested(49) == 1);
  CHECK(nested(50) == doctest::Approx(0.4));
  CHECK(nested(75) == doctest::Approx(0.3));
  CHECK(nested(100) == 1);
}

TEST_CASE("warm-up and cosine as a chain peak at the rate itself") {
  const Factors f(
      "{name: chain, parts: [{name: linear, start_factor: 0, end_factor: 1, length: 100}, "
      "cosine]}");
  for (std::int64_t t = 0; t < 1000; ++t) {
    const double x = static_cast<double>(t - 100) / 900;
    const double expected =
        t < 100 ? static_cast<double>(t) / 100 : (1 + std::cos(std::numbers::pi * x)) / 2;
    REQUIRE(f(t) == doctest::Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("a stage cut down by ten keeps the shape of what is given in shares") {
  const char* schedule =
      "{name: multi_step, milestones: [50 %, 75 %], factor: 0.1, warm_up: {length: 10 %}}";
  const Factors full(schedule), small(schedule, Horizon{100, 50});
  for (std::int64_t t = 0; t < 100; ++t) CHECK(small(t) == full(10 * t));
}

TEST_CASE("wrong schedules are refused where they stand") {
  const auto refused = [](const char* schedule, const char* place, const char* contains) {
    CAPTURE(schedule);
    std::string line = "accepted";
    try {
      read(schedule);
    } catch (const Error& error) {
      line = error.what();
      CHECK(error.status() == ExitStatus::config);
    }
    CAPTURE(line);
    CHECK(line.starts_with(std::string(place) + ": error: "));
    CHECK(line.find(contains) != std::string::npos);
  };
  refused("{name: cosin}", "f.yaml:1:18", "did you mean 'cosine'?");
  refused("{name: step, factor: 0.1}", "f.yaml:1:11", "'schedule.interval' is missing");
  refused("{name: step, interval: 0, factor: 0.1}", "f.yaml:1:34", "out of range");
  refused("{name: step, interval: 5 epoch s, factor: 0.1}", "f.yaml:1:34", "epochs (30 epochs)");
  refused("{name: step, interval: 5, factor: 1.1}", "f.yaml:1:45", "out of range");
  refused("{name: multi_step, milestones: [0.5, 0.75], factor: 0.1}", "f.yaml:1:43",
          "or a share (25 %)");
  refused("{name: multi_step, milestones: [5, 5], factor: 0.1}", "f.yaml:1:42", "do not increase");
  refused("{name: multi_step, milestones: [50 %, 25 %], factor: 0.1}", "f.yaml:1:42",
          "do not increase");
  refused("{name: cosine, end_factor: 2}", "f.yaml:1:38", "out of range");
  refused("{name: polynomial, power: 0}", "f.yaml:1:37", "out of range");
  refused("{name: constant, warm_up: 5}", "f.yaml:1:37", "a mapping");
  refused("{name: constant, warm_up: {start_factor: 0.1}}", "f.yaml:1:52", "has no length");
  refused("{name: constant, warm_up: {kind: constant}}", "f.yaml:1:44", "has no length");
  refused("{name: constant, warm_up: {length: 5, kind: constant}}", "f.yaml:1:55",
          "learns nothing");
  refused("{name: constant, warm_up: {length: 5, kind: cosine}}", "f.yaml:1:55",
          "one of linear, constant");
  refused("chain", "f.yaml:1:11", "has no parts");
  refused("{name: chain, parts: []}", "f.yaml:1:32", "has no parts");
  refused("{name: chain, parts: [constant, cosine]}", "f.yaml:1:33", "has no length");
  refused("{name: chain, parts: [{name: constant, legth: 5}, cosine]}", "f.yaml:1:50",
          "did you mean 'length'?");
}
