// The configuration as it is written back: complete, loadable, and equal to what it came from.
#include <doctest/doctest.h>

#include "config_fixture.h"
#include "experiment/option_text.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

bool same(const Settings& a, const Settings& b);

bool same(const std::vector<Settings>& a, const std::vector<Settings>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same(a[i], b[i])) return false;
  return true;
}

// Equal values under equal names; places may differ.
bool same(const Settings& a, const Settings& b) {
  if (a.name() != b.name()) return false;
  for (const auto* pair : {&a, &b})
    for (const std::string& name : pair->names())
      if (!a.has(name) || !b.has(name)) return false;
  for (const std::string& name : a.names()) {
    if (const OptionValue* value = a.value(name)) {
      if (b.value(name) == nullptr || *value != *b.value(name)) return false;
      continue;
    }
    try {
      if (!same(a.section(name), b.section(name))) return false;
    } catch (const std::logic_error&) {
      if (!same(a.sections(name), b.sections(name))) return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("the resolved configuration holds every value, in the declared order") {
  CHECK(emit(parse(good_config)) ==
        "experiment: good\n"
        "description: \"\"\n"
        "seed: 3\n"
        "data:\n"
        "  name: tiny\n"
        "  batch: 50\n"
        "  split:\n"
        "    kind: last\n"
        "  images: 10\n"
        "network:\n"
        "  name: plain\n"
        "stages:\n"
        "  - name: float\n"
        "    steps: 100\n"
        "    methods: []\n"
        "    optimizer:\n"
        "      name: adam\n"
        "      learning_rate: 0.001\n"
        "    schedule:\n"
        "      name: constant\n"
        "  - name: quantize\n"
        "    steps: 200\n"
        "    methods:\n"
        "      - name: proximal\n"
        "        jacobian: eye\n"
        "        labels: [-1, 1]\n"
        "        exclude: []\n"
        "        beta_rate: 1.2\n"
        "      - name: uniform\n"
        "        bits: 4\n"
        "    optimizer:\n"
        "      name: sgd\n"
        "      learning_rate: 0.01\n"
        "      nesterov: false\n"
        "    schedule:\n"
        "      name: constant\n"
        "log:\n"
        "  verbose: false\n"
        "  flush: 1\n");
}

TEST_CASE("the comparison sees a difference") {
  CHECK(same(parse(good_config), parse(good_config)));
  for (const char* change :
       {"seed=4", "note=x", "data.split.kind=seeded", "stages.1.methods.1.bits=3",
        "stages.0.optimizer={name: sgd, learning_rate: 0.001}", "stages.1.methods=[]"}) {
    CAPTURE(change);
    CHECK_FALSE(same(parse(good_config), parse(good_config, {change})));
  }
}

TEST_CASE("what is written back loads to the same settings and the same text") {
  for (const std::vector<std::string>& overrides : std::vector<std::vector<std::string>>{
           {},
           {"note=here", "seed=9223372036854775807", "log.verbose=true"},
           {"log.flush=1e-300",
            "stages.1.methods.0.labels=[-1e20, 0.1, 1e-7, -0.0, 123456789.125]"},
           {"stages.1.methods.0.labels=[-.inf, .inf]", "log.flush=0.30000000000000004"},
           {"stages.1.methods.0.exclude=[conv1, '*', 'a, b', '[', \"'\", '-', '', '1', 'null']"},
           {"stages.0.schedule={name: step, milestones: [1, 2, 3]}"},
       }) {
    const Settings config = parse(good_config, overrides);
    const std::string text = emit(config);
    CAPTURE(text);
    const Settings again = parse(text);
    CHECK(same(config, again));
    CHECK(emit(again) == text);
  }
}

TEST_CASE("any text survives") {
  for (const std::string text : {"",
                                 " ",
                                 "NULL",
                                 "Null",
                                 "null",
                                 "~",
                                 "true",
                                 "No",
                                 "5",
                                 "1e3",
                                 ".inf",
                                 "a: b",
                                 "a #b",
                                 "#",
                                 "- a",
                                 "{a",
                                 "[",
                                 "\"",
                                 "'",
                                 "\\",
                                 "\\n",
                                 "line\nbreak",
                                 "\ttab",
                                 "*a",
                                 "&a",
                                 "!t",
                                 "%",
                                 "@",
                                 "`",
                                 "|",
                                 ">",
                                 "?",
                                 ":",
                                 "a:",
                                 "---",
                                 "...",
                                 "\xc3\xa9\xe2\x82\xac",
                                 "\x7f",
                                 "\x01",
                                 "=",
                                 "<<",
                                 " leading",
                                 "trailing ",
                                 "/a/b-c.d",
                                 "${seed}",
                                 "$${seed}",
                                 "a$$${",
                                 "x,y"}) {
    CAPTURE(text);
    Settings config = parse(good_config);
    config.set("description", text, Place{"test"});
    config.set("note", text, Place{"test"});
    const std::string emitted = emit(config);
    CAPTURE(emitted);
    const Settings again = parse(emitted);
    CHECK(again.text("description") == text);
    CHECK(again.text("note") == text);
  }
}

TEST_CASE("origins stand beside the values and do not change them") {
  const Settings config = parse(good_config, {"seed=8", "stages.0.optimizer.learning_rate=0.5"});
  const std::string text = emit(config, true);
  CAPTURE(text);
  CHECK(same(config, parse(text)));
  const auto has = [&](const std::string& value, const std::string& origin) {
    const auto at = text.find(value);
    REQUIRE(at != std::string::npos);
    const std::string line = text.substr(at, text.find('\n', at) - at);
    CAPTURE(line);
    CHECK(line.ends_with("# " + origin));
  };
  has("experiment: good", "f.yaml:1:13");
  has("seed: 8", "command line");
  has("description: \"\"", "default");
  has("batch: 50", "f.yaml:3:27");
  has("name: plain", "default");
  has("methods: []", "default");
  has("name: adam", "f.yaml:7:16");
  has("learning_rate: 0.5", "command line");
  has("bits: 4", "default");
  has("learning_rate: 0.01", "f.yaml:13:43");
}

TEST_CASE("mappings in which nothing is set are written as mappings") {
  const Options options = Options{}
                              .section("empty", Options{}.text("a", "").optional(), "")
                              .sections("list", Options{}.text("a", "").optional(), "");
  const auto read = [&](const std::string& text) {
    return parse_config(text, "f.yaml", {}, options, fake_registries());
  };
  const Settings config = read("list: [{}, {a: x}, {}]");
  const std::string text = emit_config(config, options, fake_registries());
  CAPTURE(text);
  CHECK(same(read(text), config));
}

TEST_CASE("options in words") {
  const Options options = Options{}
                              .integer("a", "")
                              .min(1)
                              .unit("steps")
                              .real("b", "")
                              .above(0)
                              .max(1)
                              .choice("c", {"x", "y"}, "")
                              .reals("d", {}, "")
                              .unit("1");
  CHECK(describe_type(options.list()[0]) == "an integer >= 1, in steps");
  CHECK(describe_type(options.list()[1]) == "a number > 0, <= 1");
  CHECK(describe_type(options.list()[2]) == "one of x, y");
  CHECK(describe_type(options.list()[3]) == "a list of numbers");
}
