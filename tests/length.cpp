// Lengths of training: steps, epochs, shares; as text, as options of a configuration, in steps.
#include <doctest/doctest.h>

#include "config_fixture.h"
#include "experiment/option_text.h"

using namespace bitwright;
using Unit = Length::Unit;

TEST_CASE("what people write") {
  const auto is = [](const char* text, double amount, Unit unit) {
    CAPTURE(text);
    const auto length = Length::parse(text);
    REQUIRE(length);
    CHECK(length->amount == amount);
    CHECK(length->unit == unit);
    CHECK(Length::parse(length->str()) == length);
  };
  is("4000", 4000, Unit::steps);
  is("+4000", 4000, Unit::steps);
  is("4000 steps", 4000, Unit::steps);
  is("1 step", 1, Unit::steps);
  is("0", 0, Unit::steps);
  is("-3", -3, Unit::steps);
  is("1 epoch", 1, Unit::epochs);
  is("30 epochs", 30, Unit::epochs);
  is("2.5 epochs", 2.5, Unit::epochs);
  is("30  epochs", 30, Unit::epochs);
  is("25 %", 25, Unit::percent);
  is("25%", 25, Unit::percent);
  is("33.3%", 33.3, Unit::percent);
  for (const char* wrong : {"",
                            " ",
                            "steps",
                            "epochs",
                            "%",
                            "0.5",
                            "1.0",
                            "1e3",
                            "30epochs",
                            "30 epoc",
                            "30 Epochs",
                            "30 epochs ",
                            " 30 epochs",
                            "5 ",
                            "inf",
                            "nan",
                            "inf epochs",
                            "nan %",
                            "1,5 epochs",
                            "0x10",
                            "1 000",
                            "30 epochs 5 steps",
                            "1e16 epochs",
                            "99999999999999999999",
                            "++5",
                            "--5"}) {
    CAPTURE(wrong);
    CHECK_FALSE(Length::parse(wrong));
  }
}

TEST_CASE("in steps") {
  const Horizon stage{4000, 117};
  const auto steps = [&](const char* text) { return Length::parse(text)->steps(stage); };
  CHECK(steps("350") == 350);
  CHECK(steps("1 epoch") == 117);
  CHECK(steps("30 epochs") == 3510);
  CHECK(steps("0.5 epochs") == 59);  // 58.5: halves up
  CHECK(steps("25 %") == 1000);
  CHECK(steps("33.3 %") == 1332);
  CHECK(steps("100 %") == 4000);
  CHECK(steps("0.001 %") == 1);  // never nothing, unless it says nothing
  CHECK(steps("0 %") == 0);
  CHECK(steps("0") == 0);
}

TEST_CASE("as options: defaults, ranges, written back, refused") {
  const Options options = Options{}
                              .length("interval", "how often")
                              .length("start", Length{}, "when it begins")
                              .min(0)
                              .length("end", "when it ends")
                              .optional()
                              .lengths("milestones", {}, "when");
  const auto read = [&](const std::string& text) {
    return parse_config(text, "f.yaml", {}, options, bitwright::testing::fake_registries());
  };
  const Settings settings = read("interval: 30 epochs\nmilestones: [5, 2.5 epochs, 75 %, 80%]\n");
  CHECK(settings.length("interval") == Length{30, Unit::epochs});
  CHECK(settings.length("start") == Length{});
  CHECK_FALSE(settings.has("end"));
  REQUIRE(settings.lengths("milestones").size() == 4);
  const std::string text = emit_config(settings, options, bitwright::testing::fake_registries());
  CHECK(text == "interval: 30 epochs\nstart: 0\nmilestones: [5, 2.5 epochs, 75 %, 80 %]\n");
  CHECK(read(text).lengths("milestones") == settings.lengths("milestones"));

  const auto refused = [&](const std::string& yaml, const char* place, const char* contains) {
    CAPTURE(yaml);
    std::string line = "no error";
    try {
      read(yaml);
    } catch (const Error& error) {
      line = error.what();
    }
    CAPTURE(line);
    CHECK(line.starts_with(std::string(place) + ": error: "));
    CHECK(line.find(contains) != std::string::npos);
  };
  refused("interval: 0.5\n", "f.yaml:1:11", "'interval' is '0.5'; steps (400), epochs (30 epochs)");
  refused("interval: '5'\n", "f.yaml:1:11", "'interval' is '5'");
  refused("interval: 30 epoc\n", "f.yaml:1:11", "or a share (25 %), > 0; how often");
  refused("interval: 0 epochs\n", "f.yaml:1:11", "is 0 epochs, which is out of range");
  refused("interval: -1\n", "f.yaml:1:11", "out of range");
  refused("interval: [5]\n", "f.yaml:1:11", "'interval' is a list");
  refused("interval: 5\nstart: -1 %\n", "f.yaml:2:8", "out of range");
  refused("interval: 5\nmilestones: [1, x]\n", "f.yaml:2:17", "'milestones.1' is 'x'");
  refused("interval: 5\nmilestones: 7\n", "f.yaml:2:13", "a list of steps (400)");
  refused("start: 3\n", "f.yaml:1:1", "'interval' is missing");
}
