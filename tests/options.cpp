// Declaring options, settings, registries, nearest names.
#include <doctest/doctest.h>

#include <bitwright/core/options.h>
#include <bitwright/core/registry.h>

using namespace bitwright;

TEST_CASE("options keep what was declared, in order") {
  const Options options = Options{}
                              .real("beta_rate", 1.2, "factor")
                              .symbol("rho")
                              .min(1)
                              .integer("interval", "steps between increases")
                              .unit("steps")
                              .above(0)
                              .max(9)
                              .choice("jacobian", {"exact", "eye"}, "backward map")
                              .text("tag", "free text")
                              .optional();
  REQUIRE(options.list().size() == 4);
  const Option& rate = options.list()[0];
  CHECK(rate.name == "beta_rate");
  CHECK(rate.symbol == "rho");
  CHECK(rate.low == 1);
  CHECK_FALSE(rate.low_exclusive);
  CHECK_FALSE(rate.high.has_value());
  CHECK(std::get<double>(*rate.fallback) == 1.2);

  const Option& interval = *options.find("interval");
  CHECK(interval.unit == "steps");
  CHECK(interval.low == 0);
  CHECK(interval.low_exclusive);
  CHECK(interval.high == 9);
  CHECK_FALSE(interval.fallback.has_value());

  CHECK(options.find("jacobian")->choices == std::vector<std::string>{"exact", "eye"});
  CHECK(options.find("tag")->optional);
  CHECK_FALSE(options.find("interval")->optional);
  CHECK(options.find("rho") == nullptr);
}

TEST_CASE("an option declared twice is a bug") {
  CHECK_THROWS_AS(Options{}.real("a", 1, "").integer("a", 1, ""), std::logic_error);
}

TEST_CASE("a component carries the options that its entries share") {
  const Options options = Options{}
                              .component("data", "datasets", "", "", Options{}.text("root", "", ""))
                              .component("schedule", "schedules", "constant", "");
  CHECK(options.find("data")->section->find("root") != nullptr);
  CHECK_FALSE(options.find("data")->fallback.has_value());
  CHECK(options.find("schedule")->section->list().empty());
  CHECK(std::get<std::string>(*options.find("schedule")->fallback) == "constant");
}

TEST_CASE("settings give back values, places and the order of setting") {
  Settings settings;
  settings.set_place(Place{"a.yaml", 1, 1});
  settings.set("steps", std::int64_t{10}, Place{"a.yaml", 2, 8});
  settings.set("rate", 0.5, Place{"command line"});
  Settings inner;
  inner.set("deep", true, Place{"default"});
  settings.set("section", inner);
  settings.set("stages", std::vector<Settings>{inner, inner}, Place{"a.yaml", 4, 1});
  settings.set_component("adam", Place{"a.yaml", 3, 3});

  CHECK(settings.integer("steps") == 10);
  CHECK(settings.real("rate") == 0.5);
  CHECK(settings.section("section").boolean("deep"));
  CHECK(settings.sections("stages").size() == 2);
  CHECK(settings.name() == "adam");
  CHECK(settings.names() == std::vector<std::string>{"steps", "rate", "section", "stages"});
  CHECK(settings.where("steps").str() == "a.yaml:2:8");
  CHECK(settings.where("rate").str() == "command line");
  CHECK(settings.where("stages").str() == "a.yaml:4:1");
  CHECK(settings.where("name").str() == "a.yaml:3:3");
  CHECK(settings.where("unset").str() == "a.yaml:1:1");
}

TEST_CASE("reading what was not declared, or as another type, is a bug") {
  Settings settings;
  settings.set("steps", std::int64_t{10}, {});
  CHECK_FALSE(settings.has("rate"));
  CHECK(settings.value("rate") == nullptr);
  CHECK_THROWS_AS(settings.real("rate"), std::logic_error);
  CHECK_THROWS_AS(settings.real("steps"), std::logic_error);
  CHECK_THROWS_AS(settings.section("steps"), std::logic_error);
  CHECK_THROWS_AS(settings.sections("steps"), std::logic_error);
}

namespace {
struct Thing {
  std::int64_t size;
};
}  // namespace

TEST_CASE("a registry makes the component that the settings name") {
  Registry<Thing, int> things;
  things.add({"small", "a small thing", "", {}},
             [](const Settings&, int n) { return std::make_unique<Thing>(Thing{n}); });
  things.add({"big", "a big thing", "", {}}, [](const Settings& s, int n) {
    return std::make_unique<Thing>(Thing{n * s.integer("factor")});
  });
  CHECK(things.names() == std::vector<std::string>{"big", "small"});
  CHECK(things.find("big")->summary == "a big thing");
  CHECK(things.find("bigger") == nullptr);

  Settings settings;
  settings.set_component("big");
  settings.set("factor", std::int64_t{3}, {});
  CHECK(things.make(settings, 4)->size == 12);
  settings.set_component("bigger");
  CHECK_THROWS_AS(things.make(settings, 4), std::logic_error);
  CHECK_THROWS_AS(things.add({"big", "", "", {}}, {}), std::logic_error);
}

TEST_CASE("every kind of component has its registry") {
  const Registries registries;
  for (const std::string& kind : Registries::kinds()) CHECK(registries.find(kind) != nullptr);
  CHECK(registries.find("quantizers")->names().empty());
  CHECK(registries.find("method") == nullptr);
  CHECK(registries.find("") == nullptr);
}

TEST_CASE("the nearest name") {
  const std::vector<std::string> names{"beta_rate", "beta_cap", "learning_rate", "name",
                                       "steps",     "start",    "optimizer",     "adam"};
  const auto near = [&](std::string_view wrong) { return nearest_name(wrong, names); };
  CHECK(near("beta_rat") == "beta_rate");    // left out
  CHECK(near("beta_raate") == "beta_rate");  // doubled
  CHECK(near("betta_cap") == "beta_cap");
  CHECK(near("beta_arte") == "beta_rate");  // transposed
  CHECK(near("beta-rate") == "beta_rate");  // replaced
  CHECK(near("optimiser") == "optimizer");
  CHECK(near("step") == "steps");
  CHECK(near("nmae") == "name");
  CHECK(near("ADAM") == "adam");               // case
  CHECK(near("learning") == "learning_rate");  // a part
  CHECK(near("momentum") == "");
  CHECK(near("xyz") == "");
  CHECK(near("") == "");
  CHECK(near(std::string(100000, 'a')) == "");
  CHECK(nearest_name("adam", {}) == "");
}

TEST_CASE("one transposition counts once, so it beats two replacements") {
  CHECK(nearest_name("abdc", {"abxx", "abcd"}) == "abcd");
}
