// Files made of files: extends, the rules of merging, references, fragments.
#include <cstdlib>

#include <doctest/doctest.h>

#include "config_fixture.h"
#include "experiment/expression.h"
#include "experiment/problems.h"
#include "run_directory.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

struct Files {
  RunDirectory dir;
  void write(const std::string& name, const std::string& text) { write_bytes(dir / name, text); }
  Settings load(const std::string& name, const std::vector<std::string>& overrides = {}) const {
    return load_config(dir / name, overrides, fake_options(), fake_registries());
  }
  std::string error(const std::string& name) const {
    try {
      load(name);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
};

const Settings& stage(const Settings& config, std::size_t i) {
  return config.sections("stages")[i];
}

}  // namespace

TEST_CASE("a file changes what it extends; every value keeps its place") {
  Files files;
  files.write("base.yaml", good_config);
  files.write("top.yaml", "extends: base.yaml\nseed: 4\ndata: {batch: 7}\nnote: here\n");
  const Settings config = files.load("top.yaml", {"log.flush=3"});
  CHECK(config.integer("seed") == 4);
  CHECK(config.where("seed").str() == files.dir / "top.yaml:2:7");
  CHECK(config.text("experiment") == "good");
  CHECK(config.where("experiment").str() == files.dir / "base.yaml:1:13");
  const Settings& data = config.section("data");
  CHECK(data.name() == "tiny");
  CHECK(data.where("name").str() == files.dir / "base.yaml:3:14");
  CHECK(data.integer("batch") == 7);
  CHECK(data.where("batch").str() == files.dir / "top.yaml:3:15");
  CHECK(config.section("log").where("flush").str() == "command line");
  CHECK(config.section("log").where("verbose").str() == "default");
  CHECK(config.sections("stages").size() == 2);
}

TEST_CASE("of several files the later wins; paths are relative to the file that names them") {
  Files files;
  std::filesystem::create_directory(files.dir / "parts");
  files.write("parts/data.yaml", "fragment: true\ndata: tiny\nseed: 1\nnote: first\n");
  files.write("parts/more.yaml", "fragment: true\nextends: data.yaml\nseed: 2\n");
  files.write("parts/last.yaml", "fragment: true\nnote: last\n");
  files.write("top.yaml",
              "extends: [parts/more.yaml, parts/last.yaml]\nexperiment: e\n"
              "stages: [{name: a, steps: 5, optimizer: adam}]\n");
  const Settings config = files.load("top.yaml");
  CHECK(config.integer("seed") == 2);
  CHECK(config.text("note") == "last");
  CHECK(config.where("data").str() == files.dir / "parts/data.yaml:2:7");
}

TEST_CASE("lists are replaced, unless the file says otherwise") {
  Files files;
  files.write("base.yaml", good_config);
  const std::string third = "stages:\n  - {name: third, steps: 9, optimizer: adam}\n";
  files.write("replace.yaml", "extends: base.yaml\n" + third);
  CHECK(files.load("replace.yaml").sections("stages").size() == 1);
  files.write("append.yaml", "extends: base.yaml\nappend: [stages]\n" + third);
  const Settings appended = files.load("append.yaml");
  REQUIRE(appended.sections("stages").size() == 3);
  CHECK(stage(appended, 2).text("name") == "third");
  files.write("patch.yaml",
              "extends: base.yaml\npatch: [stages, stages.quantize.methods]\n"
              "stages:\n  - name: quantize\n    steps: 7\n    methods:\n"
              "      - {name: uniform, bits: 2}\n");
  const Settings patched = files.load("patch.yaml");
  REQUIRE(patched.sections("stages").size() == 2);
  CHECK(stage(patched, 0).integer("steps") == 100);
  CHECK(stage(patched, 1).integer("steps") == 7);
  REQUIRE(stage(patched, 1).sections("methods").size() == 2);
  CHECK(stage(patched, 1).sections("methods")[0].name() == "proximal");
  CHECK(stage(patched, 1).sections("methods")[1].integer("bits") == 2);
  CHECK(stage(patched, 1).sections("methods")[1].where("bits").str() ==
        files.dir / "patch.yaml:7:31");
  files.write("inner.yaml",
              "extends: base.yaml\npatch: [stages]\nappend: [stages.1.methods]\n"
              "stages: [{name: quantize, methods: [uniform]}]\n");
  CHECK(stage(files.load("inner.yaml"), 1).sections("methods").size() == 3);
}

TEST_CASE("deletion") {
  Files files;
  files.write("base.yaml", good_config);
  files.write(
      "top.yaml",
      "extends: base.yaml\n"
      "delete: [seed, stages.quantize, stages.float.optimizer, data.batch]\n"
      "patch: [stages]\nstages: [{name: float, optimizer: {name: sgd, learning_rate: 1}}]\n");
  const Settings config = files.load("top.yaml");
  CHECK(config.integer("seed") == 1);
  CHECK(config.where("seed").file == "default");
  CHECK(config.sections("stages").size() == 1);
  CHECK(config.section("data").integer("batch") == 100);
  CHECK(stage(config, 0).section("optimizer").name() == "sgd");
}

TEST_CASE("a mapping on a component's short form changes its options; a scalar replaces") {
  Files files;
  files.write("base.yaml", good_config);
  files.write("options.yaml",
              "extends: base.yaml\npatch: [stages]\n"
              "stages: [{name: float, optimizer: {learning_rate: 0.5}}]\n");
  const Settings config = files.load("options.yaml");
  CHECK(stage(config, 0).section("optimizer").name() == "adam");
  CHECK(stage(config, 0).section("optimizer").real("learning_rate") == 0.5);
  files.write("scalar.yaml", "extends: base.yaml\ndata: tiny\n");
  CHECK(files.load("scalar.yaml").section("data").integer("batch") == 100);
}

TEST_CASE("chains of files are shown") {
  Files files;
  files.write("a.yaml", "extends: b.yaml\n");
  files.write("b.yaml", "extends: c.yaml\n");
  files.write("c.yaml", "extends: a.yaml\n");
  const std::string line = files.error("a.yaml");
  CAPTURE(line);
  CHECK(line.starts_with(files.dir / "c.yaml:1:10: error: files extend each other in a circle"));
  for (const char* file : {"a.yaml -> ", "b.yaml -> ", "c.yaml -> "})
    CHECK(line.find(file) != std::string::npos);
  files.write("c.yaml", "extends: d.yaml\n");
  CHECK(files.error("a.yaml").find("d.yaml' is no file (") != std::string::npos);
  std::string fan = "extends: [";
  for (int i = 0; i < 300; ++i) fan += "leaf.yaml, ";
  files.write("leaf.yaml", "fragment: true\n");
  files.write("fan.yaml", fan + "]\n");
  CHECK(files.error("fan.yaml").find("more than 200 files") != std::string::npos);
}

TEST_CASE("references") {
  const auto with = [](const std::string& more) { return parse(good_config + more); };
  CHECK(with("note: '${experiment}-${seed}'\n").text("note") == "good-3");
  CHECK(with("log: {flush: '${stages.float.steps}'}\n").section("log").real("flush") == 100);
  CHECK(with("log: {flush: \"${stages.1.steps / 8 - 1}\"}\n").section("log").real("flush") == 24);
  CHECK(with("note: $${seed}\n").text("note") == "${seed}");
  CHECK(with("note: ${nothing:-else}\n").text("note") == "else");
  CHECK(with("log: {flush: '${env:BITWRIGHT_TEST_NONE:-2.5}'}\n").section("log").real("flush") ==
        2.5);
  CHECK(
      parse("experiment: e\ndata: tiny\nseed: ${2 * 3 + floor(9 / 2)}\n"
            "stages: [{name: a, steps: 5, optimizer: &o {name: adam, learning_rate: 0.5}}, "
            "{name: b, steps: \"${stages.a.steps * 2}\", optimizer: \"${stages.a.optimizer}\"}]\n")
          .integer("seed") == 10);
  setenv("BITWRIGHT_TEST_STEPS", "12", 1);
  CHECK(with("log: {flush: '${env:BITWRIGHT_TEST_STEPS * 2}'}\n").section("log").real("flush") ==
        24);
  CHECK(stage(parse(good_config, {"stages.0.steps=${env:BITWRIGHT_TEST_STEPS}"}), 0)
            .integer("steps") == 12);
  unsetenv("BITWRIGHT_TEST_STEPS");
}

TEST_CASE("whole numbers stay whole") {
  const auto value = [](const std::string& text) {
    return evaluate(text, [](const std::string&) -> Number { return {7, true}; }).str();
  };
  CHECK(value("1 + 2 * 3") == "7");
  CHECK(value("(1 + 2) * 3") == "9");
  CHECK(value("10 / 5") == "2");
  CHECK(value("10 / 4") == "2.5");
  CHECK(value("round(10 / 4)") == "3");
  CHECK(value("ceil(9 / 4) - floor(9 / 4)") == "1");
  CHECK(value("-x + 1") == "-6");
  CHECK(value("1e-3 * 1000") == "1");
  CHECK(value("0.1 + 0.2") == "0.30000000000000004");
  CHECK(value("a-b.c") == "7");
  for (const char* wrong : {"", "1 +", "(1", "1 2", "*", "1 / 0", "1e999", "f(2)", "1..2", "a b"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(value(wrong), std::invalid_argument);
  }
}

TEST_CASE("a fragment may leave out anything, and nothing else") {
  const auto check = [](const std::string& text) -> std::string {
    try {
      resolve_config(read_config_text(text, "f.yaml", {}), fake_options(), fake_registries());
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  CHECK(check("fragment: true\n") == "no error");
  CHECK(check("fragment: true\ndata: {batch: 5}\nstages: [{name: a, methods: [proximal]}]\n") ==
        "no error");
  CHECK(check("fragment: true\nseed: ${stages.later.steps}\n").find("error: 'seed' is") !=
        std::string::npos);
  CHECK(check("fragment: true\nsede: 1\n").find("did you mean 'seed'?") != std::string::npos);
  CHECK(check("fragment: true\ndata: {bach: 5}\n").find("'batch'?") != std::string::npos);
}

TEST_CASE("several mistakes are reported at once, in the order of the file") {
  try {
    parse(
        "sede: 1\ndata: {name: tiny, batch: x}\nlog: {flsh: 1}\nstages:\n"
        "- {name: a, steps: 0, optimizer: adm}\n- {stesp: 3}\n");
    CHECK(false);
  } catch (const Problems& problems) {
    std::vector<std::string> places;
    for (const Error& e : problems.all()) places.push_back(e.place().str());
    CHECK(places == std::vector<std::string>{"f.yaml:1:1", "f.yaml:2:27", "f.yaml:3:7",
                                             "f.yaml:5:20", "f.yaml:5:34", "f.yaml:6:4",
                                             "f.yaml:1:1", "f.yaml:6:3", "f.yaml:6:3"});
  }
}

TEST_CASE("renamed keys are explained") {
  const Options options =
      Options{}.real("learning_rate", 1, "the rate").formerly("rate", 2).known_elsewhere_as({"lr"});
  const auto answer = [&](const std::string& text) -> std::string {
    try {
      parse_config(text, "f.yaml", {}, options, fake_registries());
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  CHECK(answer("rate: 3\n").find("it is called 'learning_rate' since version 3 of experiment") !=
        std::string::npos);
  CHECK(answer("lr: 3\n").find("it is called 'learning_rate' here: the rate") != std::string::npos);
}
