// Wrong configurations: each is answered with one line that has the right place, what is wrong, and
// what would be right.
#include <doctest/doctest.h>

#include "builtin_registries.h"
#include "config_fixture.h"
#include "experiment/grid_stage.h"
#include "experiment/schema.h"
#include "run_directory.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

struct Case {
  const char* text;
  const char* place;     ///< with the "f.yaml" in front
  const char* contains;  ///< of the rest of the line
};

void check_all(const std::vector<Case>& cases, const std::string& before = "",
               const std::string& after = "") {
  for (const Case& c : cases) {
    const std::string text = c.text;
    CAPTURE(text);
    const std::string line = error_of(before + text + after);
    CAPTURE(line);
    CHECK(line.starts_with(std::string(c.place) + ": error: "));
    CHECK(line.find(c.contains) != std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
  }
}

const std::string head = "experiment: e\ndata: tiny\n";
const std::string tail = "stages: [{name: a, steps: 5, optimizer: adam}]\n";

}  // namespace

TEST_CASE("the fixture's configuration is right") { CHECK(error_of(good_config) == "no error"); }

TEST_CASE("files that are no YAML mapping") {
  check_all({
      {"", "f.yaml", "the file is empty"},
      {"   \n\n", "f.yaml", "the file is empty"},
      {"# only a comment\n", "f.yaml", "the file is empty"},
      {"~\n", "f.yaml", "the file is empty"},
      {"- a\n- b\n", "f.yaml:1:1", "the file is no mapping"},
      {"just words\n", "f.yaml:1:1", "the file is no mapping"},
      {"42\n", "f.yaml:1:1", "the file is no mapping"},
      {"a: 1\n---\nb: 2\n", "f.yaml", "several YAML documents"},
  });
}

TEST_CASE("YAML syntax") {
  check_all({
      {"experiment: [a\nseed: 1\n", "f.yaml:2:5", "valid YAML"},
      {"experiment: a\n\tseed: 1\n", "f.yaml:2:1", "valid YAML"},
      {"experiment: a\n  seed: 1\n", "f.yaml:2:7", "valid YAML"},
      {"data: {name: tiny\n", "f.yaml:2:1", "valid YAML"},
      {"data: *nowhere\n", "f.yaml:1:7", "valid YAML"},
      {"experiment: \"\\q\"\n", "f.yaml:1:16", "valid YAML"},
  });
}

TEST_CASE("unknown keys, with the nearest known one") {
  check_all(
      {
          {"sed: 1\n", "f.yaml:3:1", "unknown key 'sed'; did you mean 'seed'?"},
          {"Seed: 1\n", "f.yaml:3:1", "did you mean 'seed'?"},
          {"descripton: x\n", "f.yaml:3:1", "did you mean 'description'?"},
          {"lgo: {}\n", "f.yaml:3:1", "unknown key 'lgo'; did you mean 'log'?"},
          {"zzz: 1\n", "f.yaml:3:1",
           "one of experiment, description, note, seed, data, network, stages, log"},
          {"log:\n  flsh: 2\n", "f.yaml:4:3", "unknown key 'log.flsh'; did you mean 'flush'?"},
          {"log: {verbose: true, vrebose: true}\n", "f.yaml:3:22", "did you mean 'verbose'?"},
          {"network: {name: plain, width: 3}\n", "f.yaml:3:24", "unknown key 'network.width'"},
          {"<<: {seed: 1}\n", "f.yaml:3:1", "unknown key '<<'"},
          {"'': 1\n", "f.yaml:3:1", "unknown key ''"},
          {"se\xc3\xa9"
           "d: 1\n",
           "f.yaml:3:1", "did you mean 'seed'?"},
      },
      head, tail);
  // Also where the typo leaves the right key missing, and below lists and components.
  check_all({
      {"experimnt: e\ndata: tiny\nstages: [{name: a, steps: 5, optimizer: adam}]\n", "f.yaml:1:1",
       "did you mean 'experiment'?"},
      {"experiment: e\ndata: {name: tiny, bach: 3}\nstages: []\n", "f.yaml:2:20",
       "unknown key 'data.bach'; did you mean 'batch'?"},
      {"experiment: e\ndata: {name: tiny, imags: 3}\n", "f.yaml:2:20", "did you mean 'images'?"},
      {"experiment: e\ndata: {name: tiny, split: {knd: last}}\n", "f.yaml:2:28",
       "unknown key 'data.split.knd'; did you mean 'kind'?"},
      {"experiment: e\ndata: tiny\nstages:\n- {name: a, setps: 5, optimizer: adam}\n",
       "f.yaml:4:13", "unknown key 'stages.0.setps'; did you mean 'steps'?"},
      {"experiment: e\ndata: tiny\nstages:\n- name: a\n  steps: 5\n  optimizer: adam\n"
       "  methods:\n  - name: proximal\n    jacobian: eye\n    beta_rat: 1.1\n",
       "f.yaml:10:5", "unknown key 'stages.0.methods.0.beta_rat'; did you mean 'beta_rate'?"},
  });
}

TEST_CASE("keys that stand twice, keys that are no text") {
  check_all(
      {
          {"seed: 1\nseed: 2\n", "f.yaml:4:1", "key 'seed' stands here twice"},
          {"log: {flush: 1, flush: 2}\n", "f.yaml:3:17", "key 'flush' stands here twice"},
          {"[seed]: 1\n", "f.yaml:3:1", "a key is no plain text"},
          {"? {a: b}\n: 1\n", "f.yaml:3:3", "a key is no plain text"},
      },
      head, tail);
}

TEST_CASE("values of the wrong type") {
  check_all(
      {
          {"seed: abc\n", "f.yaml:3:7", "'seed' is 'abc'; an integer >= 0"},
          {"seed: 1.5\n", "f.yaml:3:7", "'seed' is '1.5'; an integer"},
          {"seed: 1.0\n", "f.yaml:3:7", "'seed' is '1.0'; an integer"},
          {"seed: 1e3\n", "f.yaml:3:7", "'seed' is '1e3'; an integer"},
          {"seed: 20k\n", "f.yaml:3:7", "'seed' is '20k'; an integer"},
          {"seed: 0x10\n", "f.yaml:3:7", "'seed' is '0x10'; an integer"},
          {"seed: 1_000\n", "f.yaml:3:7", "'seed' is '1_000'; an integer"},
          {"seed: +-5\n", "f.yaml:3:7", "'seed' is '+-5'; an integer"},
          {"seed: \"5\"\n", "f.yaml:3:7", "'seed' is '5'; an integer"},
          {"seed: true\n", "f.yaml:3:7", "'seed' is 'true'; an integer"},
          {"seed: [1]\n", "f.yaml:3:7", "'seed' is a list; an integer"},
          {"seed: {a: 1}\n", "f.yaml:3:7", "'seed' is a mapping; an integer"},
          {"seed: 99999999999999999999\n", "f.yaml:3:7", "an integer"},
          {"seed:\n", "f.yaml:3:1", "'seed' has no value; an integer >= 0"},
          {"seed: ~\n", "f.yaml:3:1", "'seed' has no value"},
          {"log:\n", "f.yaml:3:1", "'log' has no value; a mapping"},
          {"log: {flush: fast}\n", "f.yaml:3:14", "a number > 0, in seconds"},
          {"log: {flush: nan}\n", "f.yaml:3:14", "a number"},
          {"log: {flush: 1e999}\n", "f.yaml:3:14", "a number"},
          {"log: {flush: 1,5}\n", "f.yaml:3:16", "'log.5'"},
          {"log: {verbose: yes}\n", "f.yaml:3:16", "'log.verbose' is 'yes'; true or false"},
          {"log: {verbose: True}\n", "f.yaml:3:16", "true or false"},
          {"log: {verbose: 1}\n", "f.yaml:3:16", "true or false"},
          {"log: {verbose: 'true'}\n", "f.yaml:3:16", "true or false"},
          {"log: 5\n", "f.yaml:3:6", "'log' is '5'; a mapping"},
          {"log: [5]\n", "f.yaml:3:6", "'log' is a list; a mapping"},
          {"note: [a]\n", "f.yaml:3:7", "'note' is a list; text"},
          {"network: [plain]\n", "f.yaml:3:10", "'network' has no name; one of plain"},
      },
      head, tail);
}

TEST_CASE("values out of range, and choices") {
  check_all(
      {
          {"seed: -1\n", "f.yaml:3:7", "'seed' is -1, which is out of range; an integer >= 0"},
          {"log: {flush: 0}\n", "f.yaml:3:14", "out of range; a number > 0, in seconds"},
          {"log: {flush: -.inf}\n", "f.yaml:3:14", "out of range"},
      },
      head, tail);
  const std::string stage =
      "experiment: e\ndata: tiny\nstages:\n- name: a\n  steps: 5\n  optimizer: adam\n";
  const auto method = [](const std::string& options) {
    return "  methods: [{name: proximal, " + options + "}]\n";
  };
  const auto check = [&](const std::string& text, const char* place, const char* contains) {
    check_all({{text.c_str(), place, contains}}, stage);
  };
  check(method("jacobian: eye, beta_rate: 2.5"), "f.yaml:7:56", "a number >= 1, <= 2");
  check(method("jacobian: eye, beta_rate: 0.99"), "f.yaml:7:56", "out of range");
  check(method("jacobian: eye_doubel"), "f.yaml:7:40", "did you mean 'eye_double'?");
  check(method("jacobian: identity"), "f.yaml:7:40", "one of exact, eye, eye_double");
  check(method("jacobian: eye, labels: 3"), "f.yaml:7:53", "a list of numbers");
  check(method("jacobian: eye, labels: [1, x]"), "f.yaml:7:57", "'stages.0.methods.0.labels.1'");
  check(method("jacobian: eye, exclude: [[a]]"), "f.yaml:7:55", "text");
  check("  schedule: {name: step, milestones: [3, 0]}\n", "f.yaml:7:42", "an integer >= 1");
}

TEST_CASE("what is missing") {
  check_all({
      {"data: tiny\nstages: [{name: a, steps: 5, optimizer: adam}]\n", "f.yaml:1:1",
       "'experiment' is missing; text; add 'experiment'"},
      {"experiment: e\nstages: [{name: a, steps: 5, optimizer: adam}]\n", "f.yaml:1:1",
       "'data' is missing; one of the datasets"},
      {"experiment: e\ndata: tiny\n", "f.yaml:1:1", "'stages' is missing"},
      {"experiment: e\ndata: tiny\nstages: []\n", "f.yaml:3:9", "'stages' is empty"},
      {"experiment: e\ndata: tiny\nstages: 5\n", "f.yaml:3:9", "'stages' is '5'; a list"},
      {"experiment: e\ndata: tiny\nstages: {name: a}\n", "f.yaml:3:9", "a mapping; a list"},
      {"experiment: e\ndata: tiny\nstages: [a]\n", "f.yaml:3:10", "'stages.0' is 'a'"},
      {"experiment: e\ndata: tiny\nstages:\n- name: a\n  optimizer: adam\n", "f.yaml:4:3",
       "'stages.0.steps' is missing; an integer >= 1, in steps"},
      {"experiment: e\ndata: tiny\nstages:\n- name: a\n  steps: 3\n", "f.yaml:4:3",
       "'stages.0.optimizer' is missing; one of the optimizers"},
      {"experiment: e\ndata: tiny\nstages:\n- {name: a, steps: 3, optimizer: sgd}\n", "f.yaml:4:34",
       "'stages.0.optimizer.learning_rate' is missing"},
      {"experiment: e\ndata: {batch: 3}\n", "f.yaml:2:7", "'data' has no name; one of tiny"},
  });
}

TEST_CASE("unknown components") {
  check_all({
      {"experiment: e\ndata: tinny\n", "f.yaml:2:7",
       "'tinny' is none of the datasets; did you mean 'tiny'?"},
      {"experiment: e\ndata: {batch: 5, name: cifar}\n", "f.yaml:2:24", "one of tiny"},
      {"experiment: e\ndata: tiny\nstages:\n- {name: a, steps: 3, optimizer: Adam}\n",
       "f.yaml:4:34", "did you mean 'adam'?"},
      {"experiment: e\ndata: tiny\nstages:\n- {name: a, steps: 3, optimizer: adam, methods: [x]}\n",
       "f.yaml:4:50", "one of proximal, uniform"},
      {"experiment: e\ndata: tiny\nstages:\n- {name: a, steps: 3, optimizer: adam, methods: lsq}\n",
       "f.yaml:4:49", "'stages.0.methods' is 'lsq'; a list"},
  });
}

TEST_CASE("what only looks wrong is accepted") {
  CHECK(parse("experiment: 7\ndata: tiny\n" + tail).text("experiment") == "7");
  CHECK(parse(head + "seed: +5\n" + tail).integer("seed") == 5);
  CHECK(parse(head + "log: {flush: 1e-3}\n" + tail).section("log").real("flush") == 0.001);
  CHECK(parse(head + "log: {flush: 2}\n" + tail).section("log").real("flush") == 2);
  CHECK(parse(head + "log: {}\n" + tail).section("log").real("flush") == 1);
  CHECK(parse(head + "description: 'null'\n" + tail).text("description") == "null");
  CHECK(parse("---\n" + head + tail).text("experiment") == "e");
  CHECK(parse("experiment: e\r\ndata: tiny\r\n" + tail).text("experiment") == "e");
}

TEST_CASE("what the declared options cannot say about an experiment") {
  // The real schema has these keys, too; only check_experiment is looked at here.
  const auto answer = [](const std::string& experiment, const std::string& threads,
                         const std::string& start, const std::string& second) {
    Settings config, a, b;
    config.set("experiment", experiment, Place{"f.yaml", 1, 1});
    config.set("threads", threads, Place{"f.yaml", 2, 1});
    Settings ema;
    ema.set("warm_up", false, Place{"default"});
    const Settings grid =
        parse_config("{}", "f.yaml", {}, grid_options(), test::builtin_registries());
    for (Settings* stage : {&a, &b}) {
      stage->set("grid", grid);
      stage->set("steps", std::int64_t{5}, Place{"f.yaml", 3, 1});
      stage->set("kind", std::string("train"), Place{"default"});
      stage->set("optimizer", Settings());
      stage->set("clip", Settings());
      stage->set("ema", ema);
    }
    a.set("name", std::string("float"), Place{"f.yaml", 3, 1});
    a.set("start", start, Place{"f.yaml", 4, 1});
    b.set("name", second, Place{"f.yaml", 5, 1});
    b.set("start", std::string("previous"), Place{"f.yaml", 6, 1});
    config.set("stages", std::vector<Settings>{a, b});
    config.set("profiles", std::vector<Settings>{}, Place{"default"});
    try {
      check_experiment(config);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(answer("a-b_c.1", "auto", "fresh", "quantize") == "no error");
  CHECK(answer("a", "12", "fresh", "quantize") == "no error");
  for (const char* name : {"", ".", "..", ".a", "a/b", "a b", "\xc3\xa9", "a\n"}) {
    CAPTURE(name);
    CHECK(answer(name, "auto", "fresh", "quantize").starts_with("f.yaml:1:1: error: '"));
  }
  for (const char* threads : {"", "0", "-1", "1.5", "all", "Auto", "99999999999"}) {
    CAPTURE(threads);
    CHECK(answer("a", threads, "fresh", "quantize").starts_with("f.yaml:2:1: error: 'threads' is"));
  }
  CHECK(answer("a", "auto", "previous", "quantize").starts_with("f.yaml:4:1: error: the first"));
  CHECK(answer("a", "auto", "fresh", "float").starts_with("f.yaml:5:1: error: two stages"));
}

TEST_CASE("files that cannot be read") {
  const RunDirectory dir;
  for (const std::string& path : {dir / "missing.yaml", dir.path()}) {
    std::string line;
    try {
      load_config(path, {}, fake_options(), fake_registries());
    } catch (const Error& error) {
      line = error.what();
      CHECK(error.status() == ExitStatus::config);
    }
    CHECK(line.starts_with(path + ": error: cannot be read"));
  }
}
