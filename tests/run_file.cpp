#include <cmath>
#include <csignal>
#include <cstring>
#include <functional>
#include <random>

#include <doctest/doctest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bitwright/core/error.h>
#include <bitwright/results/run_file.h>

#include "child_process.h"
#include "results/file_system.h"
#include "run_directory.h"

using namespace bitwright;
using bitwright::testing::check_line;
using bitwright::testing::failure;
using bitwright::testing::in_child;
using bitwright::testing::read_bytes;
using bitwright::testing::RunDirectory;
using bitwright::testing::write_bytes;

namespace {

Table step_table() {
  return {.path = "/metrics/step",
          .scale = "step",
          .columns = {{.name = "step", .unit = "steps", .description = "step", .integer = true},
                      {.name = "train_loss", .unit = "1", .description = "batch loss"},
                      {.name = "learning_rate", .unit = "1", .description = "rate"}}};
}

Table epoch_table() {
  return {.path = "/metrics/epoch",
          .scale = "epoch",
          .columns = {{.name = "epoch", .unit = "epochs", .description = "epoch", .integer = true},
                      {.name = "step", .unit = "steps", .description = "step", .integer = true},
                      {.name = "bits",
                       .unit = "bit",
                       .description = "bits per weight",
                       .layers = {"conv1", "conv2", "größe"}},
                      {.name = "flips",
                       .unit = "1",
                       .description = "changed codes",
                       .integer = true,
                       .layers = {"conv1"}},
                      {.name = "clipped",
                       .unit = "1",
                       .description = "share of clipped weights",
                       .layers = {"conv1", "conv2", "größe"}},
                      {.name = "counts",
                       .unit = "1",
                       .description = "weights in each bin",
                       .integer = true,
                       .layers = {"conv1", "conv2", "größe"},
                       .bins = 2}}};
}

RunHeader example_header() {
  RunHeader header;
  header.experiment = "quickstart";
  header.config = "name: quickstart\nnote: ä\n";
  header.seed = 7;
  header.provenance = {{"version", "0.1.0"}, {"git", ""}, {"host", "größe"}};
  header.tables = {step_table(), epoch_table()};
  header.results = {{"test_accuracy_hard", "1", "hard accuracy"},
                    {"bits_per_weight", "bit", "storage"}};
  return header;
}

/// The row that stands at index i of the step table.
std::vector<double> step_row(int i) { return {i + 1.0, 1.0 / (i + 1), i * 1e-3}; }
std::vector<double> epoch_row(int i) {
  return {i + 1.0, (i + 1) * 10.0, i + .1,    i + .2, i + .3,  i * 3.0,     -i * 1.0,      -i - .5,
          NAN,     i * 1.0,        i + 100.0, 0,      i * 7.0, i % 2 * 1.0, 12345678.0 + i};
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || !std::memcmp(a.data(), b.data(), a.size() * 8));
}

std::vector<double> rows(int n, const std::function<std::vector<double>(int)>& row) {
  std::vector<double> all;
  for (int i = 0; i < n; ++i)
    for (double value : row(i)) all.push_back(value);
  return all;
}

std::pair<std::string, int> open_failure(const std::string& path) {
  return failure([&] { RunReader::open(path); });
}

/// What stands in the file must be the first rows of the run, whole.
int check_prefix(const std::string& path) {
  const auto reader = RunReader::open(path);
  const TableData steps = reader->table("/metrics/step"), epochs = reader->table("/metrics/epoch");
  const int n = static_cast<int>(steps.rows()), m = static_cast<int>(epochs.rows());
  CHECK(same_bits(steps.values, rows(n, step_row)));
  CHECK(same_bits(epochs.values, rows(m, epoch_row)));
  return n;
}

/// Appends for ever, a few rows between flushes.
void write_endlessly(const std::string& path) {
  const auto writer = RunWriter::create(path, example_header());
  for (int i = 0;; ++i) {
    writer->append(0, step_row(i));
    if (i % 10 == 9) writer->append(1, epoch_row(i / 10));
    if (i % 5 == 0) writer->event({i, "warning", "message " + std::to_string(i)});
    if (i % 7 == 0) writer->flush();
  }
}

// With the sizes of headers, which later forms lack.
#if H5_VERSION_GE(1, 12, 0)
using ObjectInfo = H5O_info1_t;
#else
using ObjectInfo = H5O_info_t;
#endif

}  // namespace

TEST_CASE("a run file gives back what was written") {
  RunDirectory dir;
  const std::string path = dir / "run.h5";
  const RunHeader header = example_header();
  const auto writer = RunWriter::create(path, header);
  for (int i = 0; i < 3000; ++i) {
    writer->append(0, step_row(i));
    if (i % 100 == 0) writer->flush();
  }
  for (int i = 0; i < 3; ++i) writer->append(1, epoch_row(i));
  writer->event({0, "started", "from ä"});
  writer->event({20, "warning", std::string(478, 'x') + "ää"});
  writer->result("test_accuracy_hard", 0.25);
  writer->wallclock("total", 3.5);
  writer->close(RunStatus::finished);

  const auto reader = RunReader::open(path);
  const RunHeader read = reader->header();
  CHECK(reader->format_version() == "1.3");
  CHECK(read.experiment == header.experiment);
  CHECK(read.config == header.config);
  CHECK(read.seed == 7);
  CHECK(read.provenance == header.provenance);
  REQUIRE(read.tables.size() == 2);
  for (std::size_t t = 0; t < 2; ++t) {
    const Table &want = header.tables[t], &got = read.tables[t];
    CHECK(got.path == want.path);
    CHECK(got.scale == want.scale);
    REQUIRE(got.columns.size() == want.columns.size());
    for (std::size_t c = 0; c < got.columns.size(); ++c) {
      CHECK(got.columns[c].name == want.columns[c].name);
      CHECK(got.columns[c].bins == want.columns[c].bins);
      CHECK(got.columns[c].unit == want.columns[c].unit);
      CHECK(got.columns[c].description == want.columns[c].description);
      CHECK(got.columns[c].integer == want.columns[c].integer);
      CHECK(got.columns[c].layers == want.columns[c].layers);
    }
  }
  CHECK(same_bits(reader->table("/metrics/step").values, rows(3000, step_row)));
  CHECK(same_bits(reader->table("/metrics/epoch").values, rows(3, epoch_row)));
  const auto events = reader->events();
  REQUIRE(events.size() == 2);
  CHECK(events[0].message == "from ä");
  CHECK(events[1].step == 20);
  CHECK(events[1].kind == "warning");
  CHECK(events[1].message == std::string(478, 'x') + "ä");  // cut between two characters
  CHECK(reader->results().at("test_accuracy_hard") == 0.25);
  CHECK(std::isnan(reader->results().at("bits_per_weight")));
  CHECK(reader->wallclock().at("total") == 3.5);
  CHECK(reader->status() == 1);
  CHECK(dir.files() == 1);
}

TEST_CASE("texts of any length are kept verbatim") {
  RunDirectory dir;
  RunHeader header = example_header();
  header.config = std::string(200000, 'c') + "\n";
  header.provenance["command"] = std::string(100000, 'p');
  header.experiment = "";
  RunWriter::create(dir / "run.h5", header)->close(2);
  const auto reader = RunReader::open(dir / "run.h5");
  CHECK(reader->header().config == header.config);
  CHECK(reader->header().provenance == header.provenance);
  CHECK(reader->header().experiment == "");
  CHECK(reader->status() == 2);
}

TEST_CASE("only flushed rows are in the file") {
  RunDirectory dir;
  const auto writer = RunWriter::create(dir / "run.h5", example_header());
  const auto seen_by_another_process = [&](int rows, int status) {
    return in_child([&] {
      const auto reader = RunReader::open(dir / "run.h5");
      const bool right = static_cast<int>(reader->table("/metrics/step").rows()) == rows &&
                         reader->status() == status;
      return right ? 0 : 1;
    });
  };
  writer->append(0, step_row(0));
  CHECK(seen_by_another_process(0, 0) == 0);
  writer->flush();
  CHECK(seen_by_another_process(1, 0) == 0);
  writer->append(0, step_row(1));
  writer->close(RunStatus::finished);
  CHECK(seen_by_another_process(2, 1) == 0);
}

TEST_CASE("one reader follows a live run") {
  RunDirectory dir;
  const std::string path = dir / "run.h5";
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = testing::start_child([&] {
    const auto writer = RunWriter::create(path, example_header());
    for (int i = 0; i < 20000; ++i) {
      if (i == 100 && write(ready[1], "x", 1) != 1) return 1;
      writer->append(0, step_row(i));
      if (i % 10 == 9) writer->append(1, epoch_row(i / 10));
      if (i % 9 == 0) writer->flush();
    }
    writer->result("test_accuracy_hard", 0.5);
    writer->close(RunStatus::finished);
    return 0;
  });
  ::close(ready[1]);  // a child that dies early ends the read below
  char byte;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  const auto reader = RunReader::open(path);
  std::size_t seen = 0;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    const TableData steps = reader->table("/metrics/step");
    REQUIRE(steps.rows() >= seen);
    seen = steps.rows();
    REQUIRE(same_bits(steps.values, rows(static_cast<int>(seen), step_row)));
    const TableData epochs = reader->table("/metrics/epoch");
    REQUIRE(same_bits(epochs.values, rows(static_cast<int>(epochs.rows()), epoch_row)));
  }
  CHECK(status == 0);
  CHECK(reader->table("/metrics/step").rows() == 20000);
  CHECK(reader->results().at("test_accuracy_hard") == 0.5);
  CHECK(reader->status() == 1);
  ::close(ready[0]);
}

TEST_CASE("a killed writer leaves whole rows with the right values") {
  std::mt19937 random(20);
  int rows_seen = 0;
  for (int round = 0; round < 20; ++round) {
    RunDirectory dir;
    const std::string path = dir / "run.h5";
    const pid_t child = testing::start_child([&] {
      write_endlessly(path);
      return 0;
    });
    for (int i = 0; i < 100000 && !std::filesystem::exists(path); ++i) usleep(200);
    REQUIRE(std::filesystem::exists(path));
    usleep(random() % 60000);
    kill(child, SIGKILL);
    REQUIRE(testing::wait_for(child) == -SIGKILL);
    rows_seen += check_prefix(path);
    const auto reader = RunReader::open(path);
    CHECK(reader->status() == 0);
    for (const Event& event : reader->events())
      CHECK(event.message == "message " + std::to_string(event.step));
  }
  CHECK(rows_seen > 0);
}

TEST_CASE("a resumed run carries its rows over and repeats none") {
  RunDirectory dir;
  const std::string path = dir / "run.h5";
  CHECK(in_child([&] {
          const auto writer = RunWriter::create(path, example_header());
          for (int i = 0; i < 25; ++i) writer->append(0, step_row(i));
          for (int i = 0; i < 2; ++i) writer->append(1, epoch_row(i));
          writer->event({3, "warning", "early"});
          writer->event({20, "warning", "late"});
          writer->result("test_accuracy_hard", 0.75);
          writer->flush();
          kill(getpid(), SIGKILL);
          return 0;
        }) == -SIGKILL);
  const Carried carried = carried_until(*RunReader::open(path), 12);
  REQUIRE(carried.events.size() == 1);
  CHECK(carried.events[0].message == "early");
  const auto writer = RunWriter::create(path, example_header(), carried);
  for (int i = 12; i < 30; ++i) writer->append(0, step_row(i));
  writer->append(1, epoch_row(1));
  writer->close(RunStatus::finished);
  const auto reader = RunReader::open(path);
  CHECK(same_bits(reader->table("/metrics/step").values, rows(30, step_row)));
  CHECK(same_bits(reader->table("/metrics/epoch").values, rows(2, epoch_row)));
  CHECK(reader->results().at("test_accuracy_hard") == 0.75);
  CHECK(dir.files() == 1);
}

TEST_CASE("equal runs give equal bytes") {
  RunDirectory dir;
  const auto write = [&](const std::string& name, double loss) {
    std::vector<char> dirty(1 << 20, static_cast<char>(name.size()));  // freed memory differs
    dirty.clear();
    dirty.shrink_to_fit();
    const auto writer = RunWriter::create(dir / name, example_header());
    for (int i = 0; i < 40; ++i) writer->append(0, step_row(i));
    writer->flush();
    writer->append(0, std::vector<double>{41, loss, 0});
    writer->append(1, epoch_row(0));
    writer->event({1, "started", "now"});
    writer->close(RunStatus::finished);
    return read_bytes(dir / name);
  };
  const std::string first = write("a.h5", 1);
  sleep(1);  // a timestamp would show
  CHECK(first == write("bb.h5", 1));
  CHECK(first != write("ccc.h5", 2));
}

TEST_CASE("h5py and xarray open a run file in one line") {
  RunDirectory dir;
  const std::string path = dir / "run.h5";
  const auto writer = RunWriter::create(path, example_header());
  for (int i = 0; i < 3; ++i) writer->append(0, step_row(i));
  for (int i = 0; i < 2; ++i) writer->append(1, epoch_row(i));
  writer->flush();
  const std::string python = testing::python_with("h5py");
  if (python.empty()) {
    MESSAGE("skipped: no python3 with h5py");
    return;
  }
  const std::string live = "import h5py, sys; f = h5py.File(sys.argv[1], swmr=True)\n";
  const std::string script = R"(
loss = f['/metrics/step/train_loss']
print(loss[:].tolist()[0], loss.dims[0].keys(), loss.dims[0][0][:].tolist(), loss.attrs['units'])
bits = f['/metrics/epoch/bits']
print(bits.shape, [d.keys() for d in bits.dims], [x.decode() for x in bits.dims[1][0][:]])
print(f['config'].asstr()[()].splitlines()[0], f['results/bits_per_weight'][()], f['status'][()])
)";
  const std::string expected =
      "1.0 ['step'] [1, 2, 3] b'1'\n"
      "(2, 3) [['epoch'], ['layer']] ['conv1', 'conv2', 'größe']\n"
      "name: quickstart nan ";
  CHECK(testing::run_python(python, live + script, path) == expected + "0\n");
  writer->close(RunStatus::finished);
  const std::string plain = "import h5py, sys; f = h5py.File(sys.argv[1])\n";
  CHECK(testing::run_python(python, plain + script, path) == expected + "1\n");

  const std::string xarray = testing::python_with("xarray, h5netcdf");
  if (xarray.empty()) return;
  CHECK(testing::run_python(xarray, R"(
import sys, xarray
d = xarray.open_dataset(sys.argv[1], group='metrics/epoch', engine='h5netcdf')
print(d.bits.dims, d.clipped.dims, d.flips.dims, d.step.dims, d.bits.attrs['units'])
print(d.counts.dims, d.counts.sel(epoch=2, bin=1).values.tolist())
)",
                            path) ==
        "('epoch', 'layer') ('epoch', 'layer') ('epoch', 'layer_2') ('epoch',) bit\n"
        "('epoch', 'layer', 'bin') [101, 7, 12345679]\n");
}

TEST_CASE("files that are no run file are refused in one line") {
  RunDirectory dir;
  RunWriter::create(dir / "good.h5", example_header())->close(1);
  const std::string good = read_bytes(dir / "good.h5");

  check_line(open_failure(dir / "none.h5"), "No such file");
  check_line(open_failure(dir.path()), "cannot read the run file");
  write_bytes(dir / "empty.h5", "");
  check_line(open_failure(dir / "empty.h5"), "empty");
  write_bytes(dir / "text.h5", "name: quickstart\n");
  check_line(open_failure(dir / "text.h5"), "not an HDF5 file");
  write_bytes(dir / "short.h5", good.substr(0, good.size() / 2));
  check_line(failure([&] { RunReader::open(dir / "short.h5")->header(); }), "short.h5: error:");
  std::string damaged = good;
  for (std::size_t i = 48; i < 2000; ++i) damaged[i] = '\x55';
  write_bytes(dir / "damaged.h5", damaged);
  check_line(open_failure(dir / "damaged.h5"), "damaged.h5: error:");

  const hid_t other =
      H5Fcreate((dir / "other.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(other);
  check_line(open_failure(dir / "other.h5"), "not a bitwright run");
}

TEST_CASE("a newer major version is refused, a newer minor one is read") {
  RunDirectory dir;
  const auto with_version = [&](const char* version) {
    const std::string path = dir / (std::string(version) + ".h5");
    RunWriter::create(path, example_header())->close(1);
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t attribute = H5Aopen(file, "format_version", H5P_DEFAULT);
    const hid_t type = H5Aget_type(attribute);
    H5Awrite(attribute, type, version);
    H5Tclose(type);
    H5Aclose(attribute);
    H5Fclose(file);
    return path;
  };
  CHECK(RunReader::open(with_version("1.7"))->format_version() == "1.7");
  const auto refused = open_failure(with_version("2.0"));
  check_line(refused, "written in format version 2.0");
  check_line(refused, "use a newer bitwright");
}

TEST_CASE("a folder that cannot be written is one line") {
  RunDirectory dir;
  const auto create = [&](const std::string& path) {
    return failure([&] { RunWriter::create(path, example_header()); });
  };
  check_line(create(dir / "none/run.h5"), "No such file");
  write_bytes(dir / "file", "");
  check_line(create(dir / "file/run.h5"), "Not a directory");
  std::filesystem::create_directory(dir / "locked");
  std::filesystem::permissions(dir / "locked", std::filesystem::perms(0555));
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
  CHECK(in_child([&] {
          if (geteuid() == 0 && setuid(65534) != 0) return 1;
          const auto [line, status] = create(dir / "locked/run.h5");
          return status == 5 && line.find("Permission denied") != std::string::npos ? 0 : 2;
        }) == 0);
}

TEST_CASE("a run file that goes away under its writer is an error") {
  RunDirectory dir;
  const auto writer = RunWriter::create(dir / "run.h5", example_header());
  writer->append(0, step_row(0));
  std::filesystem::remove(dir / "run.h5");
  check_line(failure([&] { writer->flush(); }), "the run file was removed; it was put back");
  check_line(failure([&] { writer->flush(); }), "could not be written earlier");
  CHECK(RunReader::open(dir / "run.h5")->table("/metrics/step").rows() == 1);

  const auto second = RunWriter::create(dir / "run.h5", example_header());
  std::filesystem::remove(dir / "run.h5");
  write_bytes(dir / "run.h5", "another");
  check_line(failure([&] { second->flush(); }), "another file took the place");
  CHECK(read_bytes(dir / "run.h5") == "another");
}

TEST_CASE("a write that fails is an error, and what was flushed stays readable") {
  RunDirectory dir;
  const std::string path = dir / "run.h5";
  const int status = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{200000, 200000};  // stands in for a full disk
    setrlimit(RLIMIT_FSIZE, &limit);
    const int failed = failure([&] { write_endlessly(path); }).second;
    H5close();  // as at the end of a process
    return failed;
  });
  CHECK(status == 5);
  CHECK(check_prefix(path) > 0);
}

TEST_CASE("no header of a series crosses a page, where a kill could tear it") {
  RunDirectory dir;
  RunHeader header = example_header();
  for (int i = 0; i < 40; ++i)
    header.tables[0].columns.push_back(
        {.name = "more_" + std::to_string(i), .unit = "1", .description = std::string(200, 'd')});
  RunWriter::create(dir / "run.h5", header)->close(RunStatus::finished);
  const hid_t file = H5Fopen((dir / "run.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  REQUIRE(file >= 0);
  int series = 0;
  const auto look = [](hid_t, const char* name, const ObjectInfo* info, void* count) -> herr_t {
    if (info->type != H5O_TYPE_DATASET) return 0;
    CAPTURE(name);
    constexpr haddr_t page = 4096;
    CHECK(info->addr / page == (info->addr + info->hdr.space.total - 1) / page);
    ++*static_cast<int*>(count);
    return 0;
  };
  H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_NATIVE, look, &series, H5O_INFO_BASIC | H5O_INFO_HDR);
  CHECK(series > 50);
  H5Fclose(file);
}

TEST_CASE("file systems on which nobody reads while another writes are known") {
  for (const long type : {0x6969L, 0xFE534D42L, static_cast<long>(std::int32_t(0xFE534D42U))})
    CHECK(results::without_swmr(type));
  for (const long type : {0xEF53L, 0x58465342L, 0x9123683EL, 0x01021994L, 0x0BD00BD0L})
    CHECK(!results::without_swmr(type));  // ext4, XFS, Btrfs, tmpfs, Lustre
  CHECK(!results::file_system_without_swmr("/none"));
}

TEST_CASE("bugs of the caller are not blamed on the file") {
  RunDirectory dir;
  const auto writer = RunWriter::create(dir / "run.h5", example_header());
  CHECK_THROWS_AS(writer->append(0, std::vector<double>{1, 2}), std::logic_error);
  CHECK_THROWS_AS(writer->result("accuracy", 1), std::logic_error);
  CHECK_THROWS_AS(writer->wallclock("lunch", 1), std::logic_error);
  RunHeader header = example_header();
  header.tables[0].scale = "epoch";
  CHECK_THROWS_AS(RunWriter::create(dir / "other.h5", header), std::logic_error);
  CHECK(!std::filesystem::exists(dir / "other.h5"));
}
