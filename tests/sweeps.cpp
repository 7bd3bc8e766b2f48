// Which cells a sweep has, what they are called, and what is said about wrong ones. No test here
// trains; tests/sweep_runs.cpp does.
#include <set>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "config_fixture.h"
#include "experiment/overview.h"
#include "experiment/sweep.h"
#include "experiment/sweep_axes.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

Sweep sweep_of(const std::string& more, const std::vector<std::string>& overrides = {},
               const std::string& profile = "") {
  return take_sweep(read_config_text(good_config + more, "f.yaml", overrides), profile);
}

std::vector<std::string> names(const Sweep& sweep) {
  std::vector<std::string> all;
  for (const SweepCell& cell : sweep.cells) all.push_back(cell.name);
  return all;
}

Settings config_of(const Sweep& sweep, std::size_t i) {
  ConfigFile file = sweep.file_of(sweep.cells.at(i));
  for (const char* key : {"cell", "threads"}) file.tree.remove(key);  // the fixture has none
  return resolve_config(std::move(file), fake_options(), fake_registries());
}

std::string wrong(const std::string& more, const std::vector<std::string>& overrides = {}) {
  try {
    const Sweep sweep = sweep_of(more, overrides);
    for (std::size_t i = 0; i < sweep.cells.size(); ++i) config_of(sweep, i);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

using Names = std::vector<std::string>;

const std::string without_seed =
    "experiment: good\ndata: {name: tiny, batch: 50}\nstages:\n"
    "  - {name: float, steps: 100, optimizer: adam}\n";

}  // namespace

TEST_CASE("a file without a sweep is one experiment") {
  const Sweep sweep = sweep_of("");
  CHECK(sweep.single());
  CHECK(names(sweep) == Names{""});
  CHECK(sweep.file_of(sweep.cells[0]).tree.find("threads") == nullptr);
}

TEST_CASE("a grid has all combinations, the last axis and then the seeds fastest") {
  const Sweep sweep = take_sweep(
      read_config_text(without_seed + "seeds: [7, 8]\n"
                                      "sweep:\n"
                                      "  axes:\n"
                                      "    - {key: data.batch, values: [10, 20]}\n"
                                      "    - key: stages.float.optimizer\n"
                                      "      name: by\n"
                                      "      values: [adam, {name: sgd, learning_rate: 0.5}]\n",
                       "f.yaml", {}));
  CHECK_FALSE(sweep.single());
  CHECK(names(sweep) == Names{"batch-10_by-adam/seed-7", "batch-10_by-adam/seed-8",
                              "batch-10_by-sgd_0.5/seed-7", "batch-10_by-sgd_0.5/seed-8",
                              "batch-20_by-adam/seed-7", "batch-20_by-adam/seed-8",
                              "batch-20_by-sgd_0.5/seed-7", "batch-20_by-sgd_0.5/seed-8"});
  const Settings last = config_of(sweep, 7);
  CHECK(last.integer("seed") == 8);
  CHECK(last.where("seed").str() == "f.yaml:5:12");
  CHECK(last.section("data").integer("batch") == 20);
  CHECK(last.section("data").where("batch").str() == "f.yaml:8:38");
  const Settings& optimizer = last.sections("stages")[0].section("optimizer");
  CHECK(optimizer.name() == "sgd");
  CHECK(optimizer.real("learning_rate") == 0.5);
  CHECK(config_of(sweep, 0).sections("stages")[0].section("optimizer").name() == "adam");
}

TEST_CASE("cells have one thread unless the file says otherwise, and carry their name") {
  const std::string seeds = without_seed + "seeds: [1]\n";
  const auto tree = [](const std::string& text) {
    const Sweep sweep = take_sweep(read_config_text(text, "f.yaml", {}));
    return sweep.file_of(sweep.cells[0]).tree;
  };
  CHECK(tree(seeds).find("threads")->text == "1");
  CHECK(tree(seeds).find("cell") == nullptr);
  CHECK(tree(seeds + "threads: auto\n").find("threads")->text == "auto");
  CHECK(tree(without_seed + "sweep: {axes: [{key: note, values: [a b]}]}\n").find("cell")->text ==
        "note-a-b");
}

TEST_CASE("zipped axes advance together") {
  const std::string axes =
      "sweep:\n  kind: zip\n  axes:\n"
      "    - {key: stages.float.steps, values: [1, 2, 3]}\n"
      "    - {key: log.flush, values: [0.1, 0.2, 0.3]}\n";
  const Sweep sweep = sweep_of(axes);
  CHECK(names(sweep) == Names{"steps-1_flush-0.1", "steps-2_flush-0.2", "steps-3_flush-0.3"});
  CHECK(config_of(sweep, 2).section("log").real("flush") == 0.3);
  CHECK(config_of(sweep, 2).sections("stages")[0].integer("steps") == 3);
}

TEST_CASE("a list has named cells with changes as on the command line") {
  const Sweep sweep = sweep_of(
      "sweep:\n  kind: list\n  cells:\n"
      "    - {name: plain}\n"
      "    - {name: rough, set: [stages.quantize.methods.uniform.bits=2, log.flush=9]}\n");
  CHECK(names(sweep) == Names{"plain", "rough"});
  const Settings rough = config_of(sweep, 1);
  CHECK(rough.sections("stages")[1].sections("methods")[1].integer("bits") == 2);
  CHECK(rough.section("log").real("flush") == 9);
  CHECK(config_of(sweep, 0).section("log").real("flush") == 1);
}

TEST_CASE("random cells follow from the seed; more samples and more axes leave the others") {
  const std::string rate =
      "    - {key: stages.quantize.optimizer.learning_rate, low: 0.0001, high: 0.1, scale: log}\n";
  const auto random = [&](int samples, const std::string& more, int seed = 5) {
    return sweep_of(fmt::format("sweep:\n  kind: random\n  samples: {}\n  seed: {}\n  axes:\n{}{}",
                                samples, seed, rate, more));
  };
  const Names few = names(random(8, "")), many = names(random(40, ""));
  CHECK(few.size() == 8);
  CHECK(std::equal(few.begin(), few.end(), many.begin()));
  CHECK(names(random(8, "", 6)) != few);
  CHECK(std::set<std::string>(many.begin(), many.end()).size() == 40);
  const Sweep sweep = random(
      40,
      "    - {key: data.batch, low: 1, high: 9, whole: true}\n    - {key: note, values: [a, b]}\n");
  int small = 0, first = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    const Settings config = config_of(sweep, i);
    const double value = config.sections("stages")[1].section("optimizer").real("learning_rate");
    CHECK(value >= 0.0001);
    CHECK(value <= 0.1);
    small += value < 0.00316 ? 1 : 0;
    first += config.text("note") == "a" ? 1 : 0;
    CHECK(sweep.cells[i].name.starts_with(many[i] + "_batch-"));
  }
  CHECK(small > 8);  // half of the draws, were there infinitely many
  CHECK(small < 32);
  CHECK(first > 8);
  CHECK(first < 32);
}

TEST_CASE("references in values are replaced cell by cell; the sweep itself may refer") {
  const Sweep sweep = sweep_of(
      "sweep:\n  axes:\n"
      "    - {key: data.batch, values: [10, 20]}\n"
      "    - {key: stages.float.steps, name: length, values: ['${data.batch * 2}', '${seed}']}\n");
  REQUIRE(sweep.cells.size() == 4);
  CHECK(config_of(sweep, 2).sections("stages")[0].integer("steps") == 40);
  CHECK(config_of(sweep, 3).sections("stages")[0].integer("steps") == 3);
  CHECK(
      names(sweep_of("note: 2\nsweep: {kind: random, samples: '${seed}', axes: [{key: data.batch, "
                     "low: 1, high: 1000, whole: true}]}\n"))
          .size() == 3);
}

TEST_CASE("seeds and the command line") {
  const std::string seeds = "seeds: [4, 5]\n";
  const auto cells = [&](const std::vector<std::string>& overrides) {
    return names(take_sweep(read_config_text(without_seed + seeds, "f.yaml", overrides)));
  };
  CHECK(cells({}) == Names{"seed-4", "seed-5"});
  CHECK(cells({"seed=9"}) == Names{""});
  CHECK(cells({"seeds=[1, 2, 3]"}) == Names{"seed-1", "seed-2", "seed-3"});
  const Sweep one = take_sweep(read_config_text(without_seed + seeds, "f.yaml", {"seed=9"}));
  CHECK(config_of(one, 0).integer("seed") == 9);
  CHECK(one.file_of(one.cells[0]).tree.find("threads")->text ==
        "1");  // the bits of the sweep's cell
}

TEST_CASE("a profile may shorten the sweep") {
  const std::string more =
      "profiles:\n  - {name: short, set: ['sweep.axes.0.values=[10]', data.batch=1]}\n"
      "sweep: {axes: [{key: log.flush, values: [1, 2, 3]}]}\n";
  CHECK(sweep_of(more).cells.size() == 3);
  CHECK(names(sweep_of(more, {}, "short")) == Names{"flush-10"});
  CHECK(changes_sweep("seeds=[1]"));
  CHECK(changes_sweep("sweep.samples=3"));
  CHECK_FALSE(changes_sweep("seed=1"));
}

TEST_CASE("folders are named after values") {
  const auto label = [](const std::string& yaml) {
    return folder_label(*read_config_text("a: " + yaml, "f.yaml", {}).tree.find("a"));
  };
  CHECK(label("0.1") == "0.1");
  CHECK(label("-1") == "-1");
  CHECK(label("1.0e+30") == "1.0e30");
  CHECK(label("25 %") == "25");
  CHECK(label("[-1, 1]") == "-1_1");
  CHECK(label("{name: adam, learning_rate: 0.01}") == "adam_0.01");
  CHECK(label("'../../etc'") == "..-..-etc");
  CHECK(label("'%'") == "empty");
  CHECK(label("'größe'").find_first_not_of("gre-") == std::string::npos);
  CHECK(label(std::string(500, 'a')).size() == 40);
  CHECK(names(sweep_of("sweep: {axes: [{key: note, values: ['a%', 'a!']}]}\n")) ==
        Names{"note-a.1", "note-a.2"});
  CHECK(names(sweep_of("sweep: {axes: [{key: stages.float.methods.0, values: [uniform]}]}\n")) ==
        Names{"methods.0-uniform"});
  std::string axes;
  for (int i = 0; i < 12; ++i)
    axes += fmt::format("    - {{key: stages.{}.a{}, values: [{}]}}\n", i, i, std::string(40, 'x'));
  const Names longest = names(sweep_of("sweep:\n  axes:\n" + axes));
  CHECK(longest[0].size() < 255);
}

TEST_CASE("wrong sweeps") {
  const std::string axis = "sweep: {axes: [{key: log.flush, values: [1, 2]}]}\n";
  CHECK(wrong(axis) == "no error");
  CHECK(wrong(axis, {"log.flush=3"}).starts_with("command line: error: 'log.flush' is swept"));
  CHECK(wrong("sweep: {axes: [{key: log.flush, values: [1, -2]}]}\n")
            .starts_with("f.yaml:14:45: error: 'log.flush' is -2, which is out of range"));
  CHECK(wrong("sweep: {axes: [{key: log.flash, values: [1]}]}\n")
            .starts_with("f.yaml:14:22: error: unknown key 'log.flash'; did you mean 'flush'?"));
  CHECK(wrong("sweep: {axes: [{key: stages.flaot.steps, values: [1]}]}\n")
            .find("did you mean 'float'?") != std::string::npos);
  CHECK(wrong("swep: {axes: []}\n").find("did you mean 'sweep'?") != std::string::npos);
  std::string many = "sweep:\n  axes:\n";
  for (int i = 0; i < 9; ++i)
    many += fmt::format("    - {{key: a{}, values: [1, 2, 3, 4, 5, 6, 7, 8, 9]}}\n", i);
  CHECK(wrong(many).find("more than 10000 cells") != std::string::npos);
}

TEST_CASE("the overview fits the terminal") {
  std::vector<CellView> cells;
  for (int i = 0; i < 5; ++i)
    cells.push_back({fmt::format("cell-{}", i), CellView::State::waiting, "text"});
  cells[3].state = CellView::State::running;
  cells[4].state = CellView::State::failed;
  const auto all = overview_lines(cells, 20, 10);
  REQUIRE(all.size() == 5);
  CHECK(all[0] == "cell-0  waiting   te");
  const auto some = overview_lines(cells, 80, 3);
  REQUIRE(some.size() == 3);
  CHECK(some[0].starts_with("cell-3  running"));
  CHECK(some[1].starts_with("cell-4  failed"));
  CHECK(some[2] == "5 cells: 1 failed, 1 running, 3 waiting");
}
