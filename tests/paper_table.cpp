// Tables of papers: statistics worked out by hand, verdicts, what each format says.
#include "results/paper_table.h"

#include <cmath>

#include <doctest/doctest.h>

#include <bitwright/core/error.h>

#include "experiment/run_record.h"

using namespace bitwright;
using namespace bitwright::results;

namespace {

TableCell cell(const std::string& name, std::vector<double> values, std::optional<double> paper,
               std::optional<double> tolerance) {
  TableCell c;
  c.name = name, c.row = name, c.column = "BC | 50%";
  c.metric = "test_accuracy_hard";
  c.paper = paper;
  c.paper_text = paper ? "98.05" : "not printed";
  c.tolerance = tolerance;
  c.command = "bitwright run e.yaml seed=N";
  c.config_hash = "0123456789abcdef";
  std::int64_t seed = 1;
  for (const double v : values) c.runs.push_back({seed++, v, "runs/e/run.h5", "0.1 (abc)"});
  return c;
}

}  // namespace

TEST_CASE("mean, spread and difference as worked out by hand") {
  const TableCell c = cell("a", {98.21, 98.20, 98.10}, 98.05, 0.15);
  const Summary s = summarize(c.values());
  CHECK(s.mean == doctest::Approx(98.17).epsilon(1e-12));
  // Deviations 0.04, 0.03, -0.07: squares 0.0016 + 0.0009 + 0.0049 = 0.0074, over 2.
  CHECK(*s.sd == doctest::Approx(std::sqrt(0.0037)).epsilon(1e-9));
  CHECK(*c.delta() == doctest::Approx(0.12).epsilon(1e-9));
  CHECK(c.verdict() == "within");
  CHECK(!summarize(std::vector<double>{1}).sd);
}

TEST_CASE("a verdict compares the difference with the tolerance") {
  CHECK(cell("a", {98.20}, 98.05, 0.15).verdict() == "within");  // 0.15 in binary is a little off
  CHECK(cell("a", {98.21}, 98.05, 0.15).verdict() == "above");
  CHECK(cell("a", {97.0}, 98.05, 0.15).verdict() == "below");
  CHECK(cell("a", {97.0}, {}, 0.15).verdict() == "no target");
  CHECK(cell("a", {}, 98.05, 0.15).verdict() == "no runs");
  CHECK(cell("a", {97.0}, 98.05, {}).verdict() == "no tolerance");
}

TEST_CASE("the paired t-test's p-value") {
  // Differences 1, 2, 3: mean 2, sd 1, t = 2 sqrt(3). With 2 degrees of freedom the two-sided
  // p-value is 1 - t / sqrt(2 + t^2) = 1 - sqrt(12 / 14).
  const auto test = paired_t_test(std::vector<double>{2, 4, 6}, std::vector<double>{1, 2, 3});
  CHECK(test.difference.mean == 2);
  CHECK(*test.difference.sd == 1);
  CHECK(*test.p == doctest::Approx(1 - std::sqrt(12.0 / 14)).epsilon(1e-12));
  CHECK(!paired_t_test(std::vector<double>{2, 4}, std::vector<double>{1, 2}).p);
  CHECK(*paired_t_test(std::vector<double>{1, 2, 3}, std::vector<double>{1, 2, 3}).p == 1);
  CHECK(*paired_t_test(std::vector<double>{2, 3, 4}, std::vector<double>{1, 2, 3}).p == 0);
}

TEST_CASE("only seeds that both cells have are compared") {
  TableCell a = cell("a", {1, 2, 3, 4}, {}, {}), b = cell("b", {1, 1, 1}, {}, {});
  b.runs[0].seed = 9;
  const Comparison c = compare(a, b);
  CHECK(c.seeds == std::vector<std::int64_t>{2, 3});
  CHECK(c.test->difference.mean == doctest::Approx(1.5));
  a.runs.clear();
  CHECK(!compare(a, b).test);
}

TEST_CASE("a smaller budget is marked wherever the number stands") {
  PaperTable table;
  table.number = "2", table.paper = "P";
  table.cells.push_back(cell("a", {98.21, 98.20}, 98.05, 0.15));
  table.cells.back().budget = 0.1;
  table.cells.push_back(cell("b", {98}, 98.05, 0.15));
  table.cells.back().budget = 1;
  for (const std::string& text : {as_markdown(table), as_latex(table), as_html(table)})
    CHECK(text.find("[budget 0.1]") != std::string::npos);
  CHECK(ours_text(table, table.cells[1]) == "98.00 (1)");
}

TEST_CASE("a record reads back as it was, and shows what no longer fits") {
  RunRecord r;
  r.experiment = "e";
  r.seed = 3;
  r.config = deciding_values("experiment: e\nseed: 3\ndata: {root: /here, batch: 10}\n");
  CHECK(r.config == std::map<std::string, std::string>{{"data.batch", "10"}, {"experiment", "e"}});
  r.environment = {{"version", "0.1.0"}, {"git", "abc"}};
  r.images = 1000;
  r.results = {{"test_accuracy_hard", 0.1 + 0.2}, {"unknown", NAN}};
  const RunRecord back = read_record(record_text(r), "f.json");
  CHECK(back.results == std::map<std::string, double>{{"test_accuracy_hard", 0.1 + 0.2}});
  CHECK(back.config == r.config);
  CHECK(back.revision() == "0.1.0 (abc)");
  CHECK(back.config_hash() == r.config_hash());

  CHECK(conflicts(back, {{"data.batch", "10"}, {"experiment", "e"}, {"new", "1"}}).empty());
  CHECK(conflicts(back, {{"data.batch", "20"}, {"experiment", "e"}}) ==
        std::vector<std::string>{"data.batch"});

  std::string changed = record_text(r);
  changed.replace(changed.find("\"10\""), 4, "\"20\"");
  CHECK_THROWS_AS(read_record(changed, "f.json"), Error);
  CHECK_THROWS_AS(read_record("{}", "f.json"), Error);
  CHECK_THROWS_AS(read_record("not json", "f.json"), Error);
}
