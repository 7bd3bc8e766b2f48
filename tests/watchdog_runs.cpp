// Whole runs that diverge: what each reaction does, and that a kill after a roll-back changes
// nothing.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>

#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_file.h>

#include "child_process.h"
#include "cli_fixture.h"

using namespace bitwright;
using testing::bitwright_program;
using testing::Outcome;
using testing::read_bytes;
using testing::RunDirectory;

namespace {

// Good up to step 36, then the learning rate is a million times larger, and from step 48 on again.
const std::string kExperiment = R"(
experiment: diverging
threads: 1
data: {name: glyphs, train_images: 300, test_images: 60, split: {validation: 60}, batch: 20}
network: {name: mlp, batch_norm: false}
stages:
  - name: float
    steps: 24
    optimizer: {name: sgd, learning_rate: 0.05}
    hand_over: last
  - name: fast
    start: previous
    steps: 60
    optimizer: {name: sgd, learning_rate: 0.05}
    schedule:
      name: chain
      parts:
        - {name: linear, start_factor: 1, end_factor: 1, length: 12}
        - {name: linear, start_factor: 1.0e+6, end_factor: 1.0e+6, length: 12}
        - {name: linear, start_factor: 1.0e+12, end_factor: 1.0e+12}
evaluation: {every: 10, batch: 60}
checkpoint: {every: 10, keep: 3}
watchdog: {every: 5, rate_factor: 1.0e-6, roll_backs: 4}
)";

const std::string kRun = "runs/diverging/seed-1/";

Outcome diverge(const RunDirectory& dir, const std::string& words) {
  testing::write_bytes(dir / "diverging.yaml", kExperiment);
  return bitwright_program(dir, "run diverging.yaml --quiet " + words, "env -u BITWRIGHT_DATA");
}

std::string reaction(const std::string& name) {
  return "watchdog.non_finite=" + name + " watchdog.divergence=" + name + " ";
}

std::vector<Event> events(const RunDirectory& dir, const std::string& kind) {
  std::vector<Event> all;
  for (const Event& event : RunReader::open(dir / (kRun + "run.h5"))->events())
    if (event.kind == kind) all.push_back(event);
  return all;
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// Whether the run was rolled back and then killed before it ended.
bool kill_behind_roll_back(const RunDirectory& dir, const std::string& words) {
  testing::write_bytes(dir / "diverging.yaml", kExperiment);
  const pid_t child = testing::start_child([&] {
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
    const std::string command = "cd " + dir.path() + " && exec env -u BITWRIGHT_DATA " +
                                BITWRIGHT_PROGRAM " run diverging.yaml --quiet " + words;
    return execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
  });
  const auto rolled_back = [&] {
    try {
      return !events(dir, "rolled_back").empty();
    } catch (const Error&) {
      return false;  // not yet there
    }
  };
  bool running = true;
  while (running && !rolled_back()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    running = waitpid(child, nullptr, WNOHANG) == 0;
  }
  if (!running) return false;
  kill(child, SIGKILL);
  return testing::wait_for(child) == -SIGKILL;
}

}  // namespace

TEST_CASE("stop: exit status 4, one line, the event, the state") {
  const RunDirectory dir;
  const Outcome o = diverge(dir, reaction("stop"));
  CAPTURE(o.err);
  CHECK(o.status == 4);
  CHECK(lines(o.err) == 1);
  CHECK(o.err.starts_with(kRun + "run.h5: error: fast: "));
  CHECK(o.err.find("checkpoint-diverged.h5") != std::string::npos);
  CHECK_NOTHROW(Checkpoint::open(dir / (kRun + "checkpoint-diverged.h5")));
  CHECK(RunReader::open(dir / (kRun + "run.h5"))->status() == static_cast<int>(RunStatus::failed));
  const auto diverged = events(dir, "diverged");
  REQUIRE(diverged.size() == 1);
  CHECK(diverged[0].step > 24 + 12);
  CHECK(diverged[0].step <= 24 + 16);
  CHECK(diverged[0].message.starts_with("fast: "));
  // It would diverge again: the same step, the same words.
  CHECK(diverge(dir, reaction("stop") + "--resume").err == o.err);
}

TEST_CASE("continue: the run finishes, and each fault is said once") {
  const RunDirectory dir;
  const Outcome o = diverge(dir, reaction("continue"));
  CAPTURE(o.err);
  CHECK(o.status == 0);
  const auto warnings = events(dir, "warning");
  CHECK(lines(o.err) == warnings.size());
  CHECK(warnings.size() >= 1);
  CHECK(warnings.size() < 12);
  CHECK(o.err.starts_with("bitwright: warning: fast: "));
  CHECK(RunReader::open(dir / (kRun + "run.h5"))->status() ==
        static_cast<int>(RunStatus::finished));
}

TEST_CASE("roll_back: from the last checkpoint with a smaller rate, so often and no more") {
  const RunDirectory dir;
  const Outcome o = diverge(dir, reaction("roll_back"));
  CAPTURE(o.err);
  REQUIRE(o.status == 0);
  const auto back = events(dir, "rolled_back");
  REQUIRE(back.size() == 2);  // as often as the rate jumps
  CHECK(lines(o.err) == back.size());
  for (std::size_t i = 0; i < back.size(); ++i)
    CHECK(back[i].message.find(fmt::format("({} of 4)", i + 1)) != std::string::npos);
  const TableData steps = RunReader::open(dir / (kRun + "run.h5"))->table("/metrics/step");
  REQUIRE(steps.rows() == 84);
  const std::size_t width = steps.table.row_width();
  for (std::size_t i = 0; i < 84; ++i) CHECK(steps.values[i * width] == static_cast<double>(i + 1));
  CHECK(steps.values[static_cast<std::size_t>(back[0].step - 1) * width + 3] ==
        doctest::Approx(0.05));
  CHECK(steps.values[83 * width + 3] == doctest::Approx(0.05));

  const Outcome once = diverge(dir, reaction("roll_back") + "--overwrite watchdog.roll_backs=1");
  CAPTURE(once.err);
  CHECK(once.status == 4);
  CHECK(lines(once.err) == 2);
  CHECK(events(dir, "rolled_back").size() == 1);
}

TEST_CASE("roll_back before the first checkpoint: from the start") {
  const RunDirectory dir;
  const Outcome o = diverge(dir, reaction("roll_back") +
                                     "stages.float.optimizer.learning_rate=50000 "
                                     "'stages.fast.schedule={name: constant}' "
                                     "stages.float.steps=8");
  CAPTURE(o.err);
  CHECK(o.status == 0);
  const auto back = events(dir, "rolled_back");
  REQUIRE(back.size() == 1);
  CHECK(back[0].step == 0);
  CHECK(events(dir, "started").size() == 1);
}

TEST_CASE("killed after a roll-back, resumed: the bits of a run that was not") {
  const RunDirectory whole, killed;
  // Long enough to be killed behind the roll-backs.
  const std::string words = reaction("roll_back") + "stages.fast.steps=3000 checkpoint.every=25 " +
                            "'stages.fast.schedule={name: chain, parts: [{name: linear, "
                            "start_factor: 1, end_factor: 1, length: 12}, {name: linear, "
                            "start_factor: 1.0e+6, end_factor: 1.0e+6}]}' ";
  REQUIRE(diverge(whole, words).status == 0);
  bool in_time = false;  // it may end before this process notices
  for (int tries = 0; tries < 5 && !in_time; ++tries)
    in_time = kill_behind_roll_back(killed, words + "--overwrite");
  REQUIRE(in_time);
  const Outcome o = diverge(killed, words + "--resume");
  CAPTURE(o.err);
  REQUIRE(o.status == 0);
  CHECK(events(killed, "rolled_back").size() == events(whole, "rolled_back").size());
  for (const char* name : {"checkpoint-final.h5", "checkpoint-00003024.h5"})
    CHECK(read_bytes(whole / (kRun + name)) == read_bytes(killed / (kRun + name)));
  for (const char* table : {"/metrics/step", "/metrics/epoch", "/metrics/evaluation"})
    CHECK(RunReader::open(whole / (kRun + "run.h5"))->table(table).values ==
          RunReader::open(killed / (kRun + "run.h5"))->table(table).values);
}
