// key.sub=value on the command line.
#include <doctest/doctest.h>

#include "config_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

const Settings& stage(const Settings& config, std::size_t i) {
  return config.sections("stages")[i];
}

}  // namespace

TEST_CASE("an override wins over the file and over a default") {
  const Settings config = parse(good_config, {"seed=9", "log.flush=0.5", "data.batch=7"});
  CHECK(config.integer("seed") == 9);
  CHECK(config.section("log").real("flush") == 0.5);
  CHECK(config.section("data").integer("batch") == 7);
  CHECK(config.where("seed").str() == "command line");
  CHECK(config.section("log").where("flush").str() == "command line");
  CHECK(config.section("log").where("verbose").str() == "default");
  CHECK(config.where("experiment").str() == "f.yaml:1:13");
  CHECK(stage(config, 0).where("steps").str() == "f.yaml:6:12");
}

TEST_CASE("the last override of a key counts") {
  CHECK(parse(good_config, {"seed=5", "seed=6"}).integer("seed") == 6);
  const Settings config = parse(good_config, {"log={flush: 3}", "log.verbose=true"});
  CHECK(config.section("log").real("flush") == 3);
  CHECK(config.section("log").boolean("verbose"));
  CHECK_FALSE(
      parse(good_config, {"log.verbose=true", "log={flush: 3}"}).section("log").boolean("verbose"));
}

TEST_CASE("elements of lists by index and by name") {
  CHECK(stage(parse(good_config, {"stages.0.steps=11"}), 0).integer("steps") == 11);
  CHECK(stage(parse(good_config, {"stages.quantize.steps=12"}), 1).integer("steps") == 12);
  const Settings config =
      parse(good_config, {"stages.quantize.methods.uniform.bits=2",
                          "stages.1.methods.proximal.labels=[-3]", "stages.float.name=plain"});
  const auto& methods = stage(config, 1).sections("methods");
  CHECK(methods[1].name() == "uniform");
  CHECK(methods[1].integer("bits") == 2);
  CHECK(stage(config, 0).text("name") == "plain");
}

TEST_CASE("elements of plain lists") {
  const std::string text = good_config + "log: {}\n";
  const auto labels = [&](const std::vector<std::string>& overrides) {
    return stage(parse(text, overrides), 1).sections("methods")[0].reals("labels");
  };
  CHECK(labels({"stages.1.methods.0.labels=[-2, 0, 2]"}) == std::vector<double>{-2, 0, 2});
  CHECK(labels({"stages.1.methods.0.labels=[-2, 0, 2]", "stages.1.methods.0.labels.1=1"}) ==
        std::vector<double>{-2, 1, 2});
}

TEST_CASE("values are YAML flow values") {
  const Settings config =
      parse(good_config, {"stages.1.methods=[{name: uniform, bits: 3}]", "description=a b # c",
                          "note=\"\"", "stages.0.optimizer={name: sgd, learning_rate: 1}"});
  CHECK(stage(config, 1).sections("methods").size() == 1);
  CHECK(stage(config, 1).sections("methods")[0].integer("bits") == 3);
  CHECK(config.text("description") == "a b");
  CHECK(config.text("note") == "");
  CHECK(stage(config, 0).section("optimizer").name() == "sgd");
  CHECK(stage(config, 0).section("optimizer").where("learning_rate").str() == "command line");
  CHECK(parse(good_config, {"description='x=y=z'"}).text("description") == "x=y=z");
}

TEST_CASE("the short form of a component takes options") {
  const Settings config =
      parse(good_config, {"stages.0.optimizer.learning_rate=0.5", "network.name=plain"});
  const Settings& optimizer = stage(config, 0).section("optimizer");
  CHECK(optimizer.name() == "adam");
  CHECK(optimizer.real("learning_rate") == 0.5);
  CHECK(optimizer.where("name").str() == "f.yaml:7:16");
  CHECK(config.section("network").where("name").str() == "command line");
}

TEST_CASE("an override changes the one place that it names, though an alias shares the value") {
  const std::string text =
      "experiment: &e aliases\n"
      "description: *e\n"
      "data: tiny\n"
      "stages:\n"
      "  - {name: a, steps: &s 5, optimizer: &o {name: adam, learning_rate: 0.1}}\n"
      "  - {name: b, steps: *s, optimizer: *o}\n";
  const Settings before = parse(text);
  CHECK(before.text("description") == "aliases");
  CHECK(stage(before, 1).section("optimizer").real("learning_rate") == 0.1);

  const Settings config =
      parse(text, {"experiment=other", "stages.0.steps=7", "stages.b.optimizer.learning_rate=0.2"});
  CHECK(config.text("experiment") == "other");
  CHECK(config.text("description") == "aliases");
  CHECK(stage(config, 0).integer("steps") == 7);
  CHECK(stage(config, 1).integer("steps") == 5);
  CHECK(stage(config, 1).where("steps").str() == "f.yaml:5:22");
  CHECK(stage(config, 0).section("optimizer").real("learning_rate") == 0.1);
  CHECK(stage(config, 1).section("optimizer").real("learning_rate") == 0.2);
  CHECK(stage(config, 0).section("optimizer").where("learning_rate").str() == "f.yaml:5:70");
}

TEST_CASE("wrong overrides") {
  struct Case {
    const char* override_;
    const char* contains;
  };
  for (const auto& [text, contains] : std::vector<Case>{
           {"sed=1", "unknown key 'sed'; did you mean 'seed'?"},
           {"evaluaton.every=1", "unknown key 'evaluaton'"},
           {"log.flsh=1", "unknown key 'log.flsh'; did you mean 'flush'?"},
           {"data.split.knd=last", "did you mean 'kind'?"},
           {"stages.float.setps=1", "unknown key 'stages.0.setps'; did you mean 'steps'?"},
           {"stages.flaot.steps=1", "no element is called 'flaot'; did you mean 'float'?"},
           {"stages.zzz.steps=1", "one of float, quantize"},
           {"stages.2.steps=1", "there is no element 2; 0 to 1"},
           {"stages.-1.steps=1", "no element is called '-1'"},
           {"stages.99999999999999999999.steps=1", "no element is called"},
           {"seed=abc", "'seed' is 'abc'; an integer >= 0"},
           {"seed=-4", "out of range"},
           {"seed=", "'seed' has no value"},
           {"seed=\"3\"", "an integer"},
           {"seed.x=1", "'seed' is a mapping; an integer"},
           {"log=5", "'log' is '5'; a mapping"},
           {"stages=[]", "'stages' is empty"},
           {"stages=5", "a list"},
           {"data=nothing", "'nothing' is none of the datasets"},
           {"data={name: tiny, bach: 3}", "unknown key 'data.bach'; did you mean 'batch'?"},
           {"stages.1.methods.0.jacobian=ey", "did you mean 'eye'?"},
           {"log=[1", "a YAML value"},
           {"=5", "is no override"},
           {".seed=5", "empty key"},
           {"log..flush=5", "empty key"},
           {"log.=5", "empty key"},
           {"seed", "is no override"},
       }) {
    CAPTURE(text);
    const std::string line = error_of(good_config, {text});
    CAPTURE(line);
    CHECK(line.starts_with("command line: error: "));
    CHECK(line.find(contains) != std::string::npos);
  }
}

TEST_CASE("the file's own mistakes keep their place beside overrides") {
  const std::vector<std::string> overrides{"seed=4", "log.flush=2", "stages.0.steps=3"};
  const auto answer = [&](const std::string& more) {
    return error_of("experiment: e\nseed: 1\ndata: tiny\nlog: {verbose: false}\n" + more,
                    overrides);
  };
  const std::string stages = "stages:\n  - {name: a, steps: 1, optimizer: adam}\n";
  CHECK(answer(stages) == "no error");
  CHECK(
      answer(stages + "seed: 2\n").starts_with("f.yaml:7:1: error: key 'seed' stands here twice"));
  CHECK(answer(stages + "nte: 2\n").starts_with("f.yaml:7:1: error: unknown key 'nte'"));
  CHECK(answer("stages:\n  - {steps: 1, optimizer: adam}\n")
            .starts_with("f.yaml:6:5: error: 'stages.0.name' is missing"));
  CHECK(answer("stages:\n  - {name: a, steps: x, optimizer: adm}\n")
            .starts_with("f.yaml:6:36: error: 'adm' is none of the optimizers"));
}
