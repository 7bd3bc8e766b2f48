#include <string>

#include <doctest/doctest.h>

#include <bitwright/quant/selection.h>

using namespace bitwright;

TEST_CASE("glob_match") {
  CHECK(glob_match("fc3.*", "fc3.weight"));
  CHECK(glob_match("*.bias", "conv1.bias"));
  CHECK(glob_match("*bn*", "layer1.bn2.scale"));
  CHECK(glob_match("fc?.bias", "fc1.bias"));
  CHECK(glob_match("*", ""));
  CHECK(glob_match("", ""));
  CHECK(glob_match("a*b*c", "a-b-b-c"));
  CHECK_FALSE(glob_match("a*b*c", "a-b-b-d"));
  CHECK_FALSE(glob_match("fc3", "fc3.weight"));
  CHECK_FALSE(glob_match("fc?.bias", "fc10.bias"));
  CHECK_FALSE(glob_match("?", ""));
}

static Settings exclude(std::vector<std::string> patterns, const std::string& where) {
  Settings settings;
  settings.set("exclude", std::move(patterns), Place{where, 7, 3});
  return settings;
}

static Network& two_layers() {
  static Network network(InputSpec{1, 1, 4, 2});
  if (network.parameters().empty())
    for (const char* name : {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}) {
      Parameter parameter;
      parameter.name = name;
      network.parameters().push_back(parameter);
    }
  return network;
}

TEST_CASE("a selection leaves out what its patterns match") {
  const ParameterSelection selection(exclude({"*.bias", "fc2.*"}, "x.yaml"), "exclude");
  selection.check(two_layers());
  std::string left;
  for (const Parameter& p : two_layers().parameters())
    if (selection.selects(p)) left += p.name;
  CHECK(left == "fc1.weight");
}

TEST_CASE("a pattern that matches nothing is refused where it stands, unless it is a default") {
  CHECK_NOTHROW(ParameterSelection(exclude({"*bn*"}, "default"), "exclude").check(two_layers()));
  try {
    ParameterSelection(exclude({"fc3.*"}, "x.yaml"), "exclude").check(two_layers());
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.status() == ExitStatus::config);
    CHECK(std::string(error.what()).find("x.yaml:7:3: error: pattern 'fc3.*'") == 0);
  }
  CHECK_THROWS_AS(ParameterSelection(exclude({"*"}, "x.yaml"), "exclude").check(two_layers()),
                  Error);
}
