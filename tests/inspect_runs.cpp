// What can be done with runs beside showing them: repaired, compared, their series written as CSV.
#include <cmath>
#include <csignal>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <hdf5.h>

#include <bitwright/results/run_file.h>
#include <bitwright/results/run_lock.h>

#include "child_process.h"
#include "experiment/diff_runs.h"
#include "results/repair.h"
#include "results/series_csv.h"
#include "run_directory.h"

using namespace bitwright;
using namespace bitwright::results;
using bitwright::testing::failure;
using bitwright::testing::in_child;
using bitwright::testing::RunDirectory;

namespace {

RunHeader header(const std::string& rate) {
  RunHeader h;
  h.experiment = "example";
  h.config = fmt::format("experiment: e\noptimizer: {{learning_rate: {}}}\n", rate);
  h.provenance = {{"git", "abc"}, {"host", rate}};
  h.tables = {{"/metrics/step",
               "step",
               {{"step", "steps", "done", true, {}},
                {"loss, mean", "nats", "of the batch", false, {}},
                {"bits", "bits", "per weight", false, {"conv1", "fc"}}}}};
  h.results = {{"accuracy", "1", "top-1"}, {"unknown", "1", "never"}};
  return h;
}

std::unique_ptr<RunWriter> write(const std::string& path, const std::string& rate) {
  auto writer = RunWriter::create(path, header(rate));
  writer->append(0, std::vector<double>{1, 0.5, 8, 4});
  writer->append(0, std::vector<double>{2, 0.25, 7, NAN});
  writer->event({2, "warning", "something"});
  writer->result("accuracy", 0.75);
  writer->wallclock("total", 3);
  writer->flush();
  return writer;
}

void write_and_die(const std::string& path) {
  CHECK(in_child([&] {
          const auto writer = write(path, "0.1");
          raise(SIGKILL);
          return 0;
        }) == -SIGKILL);
}

/// As h5py and pandas open a file that nobody writes.
bool opens_plainly(const std::string& path) {
  H5E_auto2_t report = nullptr;
  void* data = nullptr;
  H5Eget_auto2(H5E_DEFAULT, &report, &data);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  H5Eset_auto2(H5E_DEFAULT, report, data);
  if (file >= 0) H5Fclose(file);
  return file >= 0;
}

}  // namespace

TEST_CASE("the run file of a killed writer opens plainly once it is repaired") {
  RunDirectory dir;
  const std::string path = dir / "run.h5";
  write_and_die(path);
  CHECK(!opens_plainly(path));
  CHECK(!RunReader::open(path)->closed());
  CHECK(repair_run(dir.path()) == RunStatus::stopped);
  CHECK(opens_plainly(path));
  CHECK(RunReader::open(path)->closed());

  const auto reader = RunReader::open(path);
  CHECK(reader->status() == static_cast<int>(RunStatus::stopped));
  const TableData steps = reader->table("/metrics/step");
  REQUIRE(steps.rows() == 2);
  CHECK(steps.values[5] == 0.25);
  CHECK(reader->results().at("accuracy") == 0.75);
  CHECK(reader->wallclock().at("total") == 3);
  CHECK(reader->header().config == header("0.1").config);
  REQUIRE(reader->events().size() == 2);
  CHECK(reader->events()[1].kind == "repaired");
  CHECK(!repair_run(path));  // nothing is left to do
}

TEST_CASE("repair leaves the file of a living writer alone") {
  RunDirectory dir;
  const std::string path = dir / "run.h5";
  write_and_die(path);
  const RunLock held(dir.path());
  const auto [line, status] = failure([&] { repair_run(path); });
  CHECK(status == 5);
  CHECK(line.find("error: ") != std::string::npos);
  CHECK(RunReader::open(path)->status() == 0);
  CHECK(failure([&] { repair_run(dir / "none.h5"); }).second == 5);
}

TEST_CASE("series as CSV: a table wide, all of them long") {
  RunDirectory dir;
  const std::string path = dir / "run.h5";
  write(path, "0.1")->close(RunStatus::finished);
  const auto reader = RunReader::open(path);
  CHECK(table_as_csv(*reader, "step") ==
        "step,\"loss, mean\",bits[conv1],bits[fc]\r\n1,0.5,8,4\r\n2,0.25,7,\r\n");
  CHECK(table_as_csv(*reader, "/metrics/step") == table_as_csv(*reader, "step"));
  CHECK(series_as_csv(*reader) ==
        "table,row,step,metric,layer,unit,value\r\n"
        "/metrics/step,0,1,\"loss, mean\",,nats,0.5\r\n"
        "/metrics/step,0,1,bits,conv1,bits,8\r\n"
        "/metrics/step,0,1,bits,fc,bits,4\r\n"
        "/metrics/step,1,2,\"loss, mean\",,nats,0.25\r\n"
        "/metrics/step,1,2,bits,conv1,bits,7\r\n");
  const auto [line, status] = failure([&] { table_as_csv(*reader, "epoch"); });
  CHECK(status == 2);
  CHECK(line.find("/metrics/step") != std::string::npos);
}

TEST_CASE("two runs side by side: what differs in how they were made, all that came out") {
  RunDirectory dir;
  const std::string a = dir / "a.h5", b = dir / "b.h5";
  write(a, "0.1")->close(RunStatus::finished);
  auto writer = write(b, "0.2");
  writer->result("accuracy", 0.5);
  writer->close(RunStatus::finished);
  const RunDifferences d = diff_runs(*RunReader::open(a), *RunReader::open(b));
  REQUIRE(d.config.size() == 1);
  CHECK(d.config[0].name == "optimizer.learning_rate");
  CHECK(d.config[0].first == "0.1");
  CHECK(d.config[0].second == "0.2");
  REQUIRE(d.provenance.size() == 1);
  CHECK(d.provenance[0].name == "host");
  REQUIRE(d.results.size() == 1);  // the unknown one is left out
  CHECK(d.results[0].second == "0.5");
  CHECK(d.metrics.size() == 3);  // step, loss and conv1's bits: fc's last is unknown
  const std::string text = differences_text(d, a, b);
  CHECK(text.find("-0.25") != std::string::npos);
  CHECK(text.find("equal") != std::string::npos);
  CHECK(differences_json(d).find("\"first\": 0.1") != std::string::npos);
}
