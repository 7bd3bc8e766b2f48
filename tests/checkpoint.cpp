#include <cmath>
#include <csignal>
#include <cstring>
#include <functional>

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_lock.h>

#include "child_process.h"
#include "run_directory.h"

using namespace bitwright;
using bitwright::testing::check_line;
using bitwright::testing::failure;
using bitwright::testing::in_child;
using bitwright::testing::read_bytes;
using bitwright::testing::RunDirectory;
using bitwright::testing::write_bytes;

namespace {

/// A small network's worth of state.
struct Example {
  Tensor weight = Tensor::from({1.f, -0.f, NAN, 4.f, 5.f, 6.f}, {2, 3});
  Tensor scale = Tensor::scalar(0.5f);
  Tensor codes = Tensor::empty({{2, 2}, DType::i32});
  Tensor mask = Tensor::empty({{3}, DType::u8});
  Tensor image = Tensor::empty({{1, 2, 2, 3}, DType::f32, Layout::channels_last});
  Tensor unused;
  std::int64_t step = -(std::int64_t{1} << 60);
  double best = 0.1;
  std::string stage = "größe";
  std::string note;

  Example() {
    for (int i = 0; i < 4; ++i) codes.i32()[i] = -i;
    for (int i = 0; i < 3; ++i) mask.u8()[i] = static_cast<std::uint8_t>(250 + i);
    for (int i = 0; i < 12; ++i) image.f32()[i] = static_cast<float>(i);
  }
  void visit_state(StateVisitor& visitor) {
    visitor.integer("step", step);
    {
      StateScope network(visitor, "network");
      visitor.tensor("weight", weight);
      StateScope layer(visitor, "conv1");
      visitor.tensor("weight", image);
      visitor.tensor("codes", codes);
      visitor.tensor("mask", mask);
    }
    visitor.real("best", best);
    visitor.text("stage", stage);
    visitor.text("note", note);
    visitor.tensor("scale", scale);
    visitor.tensor("unused", unused);
  }
  VisitState visit() {
    return [this](StateVisitor& visitor) { visit_state(visitor); };
  }
  void clear() {
    for (Tensor* t : {&weight, &scale, &codes, &mask, &image})
      std::memset(t->data(), 0x11, t->bytes());
    step = 0;
    best = 0;
    stage = note = "other";
  }
};

}  // namespace

TEST_CASE("a checkpoint restores every bit") {
  RunDirectory dir;
  Example original, restored;
  save_checkpoint(dir / "c.h5", original.visit());
  restored.clear();
  CHECK(!state_equal(original.visit(), restored.visit()));
  Checkpoint::open(dir / "c.h5").load(restored.visit());
  CHECK(state_equal(original.visit(), restored.visit()));
  CHECK(restored.image.layout() == Layout::channels_last);
  CHECK(dir.files() == 1);
}

TEST_CASE("one scope of a checkpoint can be loaded alone") {
  RunDirectory dir;
  Example example;
  save_checkpoint(dir / "c.h5", example.visit());
  const Checkpoint checkpoint = Checkpoint::open(dir / "c.h5");
  Example other;
  other.clear();
  checkpoint.load_scope("network/conv1", [&](StateVisitor& visitor) {
    visitor.tensor("weight", other.image);
    visitor.tensor("codes", other.codes);
    visitor.tensor("mask", other.mask);
  });
  CHECK(other.codes.i32()[3] == -3);
  CHECK(other.image.f32()[5] == 5.f);
  check_line(failure([&] { checkpoint.load_scope("optimizer", [](StateVisitor&) {}); }),
             "lacks the state 'optimizer'");
}

TEST_CASE("equal state gives equal bytes") {
  Example a, b;
  const std::string first = checkpoint_image(a.visit());
  std::vector<char> dirty(8 << 20, 'x');  // memory that HDF5 may get next
  dirty.clear();
  dirty.shrink_to_fit();
  sleep(1);  // a timestamp would show
  CHECK(first == checkpoint_image(b.visit()));
  b.weight.f32()[1] = 0.f;  // was -0
  CHECK(first != checkpoint_image(b.visit()));
}

TEST_CASE("a flipped byte anywhere and every truncation are noticed") {
  RunDirectory dir;
  Example example;
  const std::string path = dir / "c.h5";
  const std::string good = checkpoint_image(example.visit());
  for (std::size_t at = 0; at < good.size(); at += at + 200 < good.size() ? 37 : 1) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    write_bytes(path, bad);
    CAPTURE(at);
    REQUIRE(failure([&] { Checkpoint::open(path); }).second == 5);
  }
  for (std::size_t size = 0; size < good.size(); size += 97) {
    write_bytes(path, good.substr(0, size));
    CAPTURE(size);
    REQUIRE(failure([&] { Checkpoint::open(path); }).second == 5);
  }
  write_bytes(path, good + "\n");
  CHECK(failure([&] { Checkpoint::open(path); }).second == 5);
  write_bytes(path, "");
  check_line(failure([&] { Checkpoint::open(path); }), "empty");
  check_line(failure([&] { Checkpoint::open(dir / "none.h5"); }), "cannot read");
  write_bytes(path, good);
  CHECK_NOTHROW(Checkpoint::open(path));
}

TEST_CASE("state that does not fit is named") {
  RunDirectory dir;
  Example example;
  save_checkpoint(dir / "c.h5", example.visit());
  const Checkpoint checkpoint = Checkpoint::open(dir / "c.h5");
  const auto load = [&](const VisitState& visit) {
    return failure([&] { checkpoint.load(visit); });
  };
  Example other;
  other.weight = Tensor::zeros({3, 2});
  check_line(load(other.visit()), "'network/weight' is of shape [2, 3]; expected shape [3, 2]");
  other = Example();
  other.codes = Tensor::zeros({2, 2});
  check_line(load(other.visit()), "'network/conv1/codes' is of another type; expected a tensor of");
  other = Example();
  other.unused = Tensor::zeros({1});
  check_line(load(other.visit()), "'unused' is no value; expected a tensor");
  other.unused = Tensor();
  check_line(load([&](StateVisitor& visitor) {
               other.visit_state(visitor);
               visitor.integer("epoch", other.step);
             }),
             "lacks the state 'epoch'");
  check_line(load([&](StateVisitor& visitor) { StateScope scope(visitor, "optimizer"); }),
             "lacks the state 'optimizer'");
  check_line(load([&](StateVisitor& visitor) { visitor.real("step", other.best); }),
             "'step' is of another type; expected a real number");
  check_line(load([&](StateVisitor& visitor) { visitor.integer("scale", other.step); }),
             "'scale' is of another type");
  check_line(load([&](StateVisitor& visitor) { visitor.integer("network", other.step); }),
             "'network' is a scope");
  check_line(load([&](StateVisitor& visitor) { visitor.integer("step", other.step); }),
             "has the state 'network/weight'");
  CHECK(load(other.visit()).second == 0);
}

TEST_CASE("state visited twice is a bug") {
  Example example;
  const VisitState twice = [&](StateVisitor& visitor) {
    visitor.real("best", example.best);
    visitor.real("best", example.best);
  };
  CHECK_THROWS_AS(checkpoint_image(twice), std::logic_error);
  MemoryState memory;
  CHECK_THROWS_AS(memory.save(twice), std::logic_error);
}

TEST_CASE("checkpoints are listed by step, and old ones pruned") {
  RunDirectory dir;
  CHECK(checkpoint_name(1200) == "checkpoint-00001200.h5");
  CHECK(checkpoint_step("checkpoint-00001200.h5") == 1200);
  CHECK(checkpoint_step(checkpoint_name(1234567890123)) == 1234567890123);
  for (const char* name : {"checkpoint-.h5", "checkpoint-12x.h5", "checkpoint-12.h5.1",
                           ".checkpoint-12.h5", "checkpoint--1.h5", "run.h5"})
    CHECK(!checkpoint_step(name));
  for (const int step : {5, 200000000, 1000, 70})
    write_bytes(dir / checkpoint_name(step), std::to_string(step));
  write_bytes(dir / "run.h5", "");
  const auto paths = list_checkpoints(dir.path());
  REQUIRE(paths.size() == 4);
  CHECK(paths[0] == dir / checkpoint_name(200000000));
  CHECK(paths[3] == dir / checkpoint_name(5));
  prune_checkpoints(dir.path(), 2);
  CHECK(list_checkpoints(dir.path()) == std::vector<std::string>{paths[0], paths[1]});
  prune_checkpoints(dir.path(), 0);
  CHECK(list_checkpoints(dir.path()) == std::vector<std::string>{paths[0]});
  CHECK(list_checkpoints(dir / "none").empty());
}

TEST_CASE("a damaged newest checkpoint falls back to the one before") {
  RunDirectory dir;
  Example example;
  for (const int step : {100, 200, 300}) {
    example.step = step;
    save_checkpoint(dir / checkpoint_name(step), example.visit());
  }
  const std::string newest = dir / checkpoint_name(300);
  std::string bytes = read_bytes(newest);
  bytes[bytes.size() / 2] ^= 1;
  write_bytes(newest, bytes);
  std::vector<std::string> warnings;
  const auto warn = [&](const Error& error) { warnings.push_back(error.what()); };
  const auto found = newest_checkpoint(dir.path(), warn);
  REQUIRE(found);
  CHECK(found->path() == dir / checkpoint_name(200));
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("checkpoint-00000300.h5: error: the checkpoint is damaged") !=
        std::string::npos);
  RunDirectory empty;
  CHECK(!newest_checkpoint(empty.path(), warn));
}

TEST_CASE("a write that fails leaves the earlier file and nothing beside it") {
  RunDirectory dir;
  write_atomically(dir / "c.h5", "earlier");
  write_atomically(dir / "c.h5", "first");
  CHECK(in_child([&] {
          signal(SIGXFSZ, SIG_IGN);
          const rlimit limit{1000, 1000};  // stands in for a full disk
          setrlimit(RLIMIT_FSIZE, &limit);
          const auto [line, status] =
              failure([&] { write_atomically(dir / "c.h5", std::string(5000, 'x')); });
          return status == 5 && line.find("File too large") != std::string::npos ? 0 : 1;
        }) == 0);
  CHECK(read_bytes(dir / "c.h5") == "first");
  CHECK(dir.files() == 1);
  check_line(failure([&] { write_atomically(dir / "none/c.h5", "x"); }), "No such file");
  check_line(failure([&] { write_atomically(dir / "c.h5/c.h5", "x"); }), "Not a directory");
  std::filesystem::create_directories(dir / "folder/in/the/way");
  check_line(failure([&] { write_atomically(dir / "folder", "x"); }),
             "cannot put the file in place");
  CHECK(dir.files() == 2);
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0555));
  CHECK(in_child([&] {
          if (geteuid() == 0 && setuid(65534) != 0) return 1;
          const auto [line, status] = failure([&] { write_atomically(dir / "c.h5", "x"); });
          return status == 5 && line.find("Permission denied") != std::string::npos ? 0 : 2;
        }) == 0);
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
}

TEST_CASE("a kill while a checkpoint is written leaves a whole one") {
  RunDirectory dir;
  const std::string path = dir / checkpoint_name(1);
  const std::string image[2] = {std::string(300000, 'a'), std::string(500000, 'b')};
  write_atomically(path, image[0]);
  for (int round = 0; round < 10; ++round) {
    const pid_t child = testing::start_child([&]() -> int {
      for (int i = 0;; ++i) write_atomically(path, image[i % 2]);
    });
    usleep(static_cast<useconds_t>(500 + 1713 * round));
    kill(child, SIGKILL);
    CHECK(testing::wait_for(child) == -SIGKILL);
    const std::string now = read_bytes(path);
    CHECK((now == image[0] || now == image[1]));
  }
  write_bytes(dir / ".run.h5.4711", "left");
  write_bytes(dir / ".notes", "kept");
  const RunLock lock(dir.path());  // tidies up
  CHECK(dir.files() == 3);         // checkpoint, .notes, run.lock
}

TEST_CASE("a second run in one directory is refused") {
  RunDirectory dir;
  {
    const RunLock lock(dir.path());
    const auto refused = failure([&] { RunLock second(dir.path()); });
    check_line(refused, "another run is at work here (process " + std::to_string(getpid()) + ")");
    CHECK(in_child([&] { return failure([&] { RunLock second(dir.path()); }).second; }) == 5);
  }
  CHECK(in_child([&] {
          const RunLock lock(dir.path());
          kill(getpid(), SIGKILL);
          return 0;
        }) == -SIGKILL);
  CHECK_NOTHROW(RunLock(dir.path()));  // a killed run's lock is gone
  check_line(failure([&] { RunLock lock(dir / "none"); }), "cannot write here");
}

TEST_CASE("memory keeps state and compares it bit for bit") {
  Example original, other;
  MemoryState memory;
  CHECK(memory.empty());
  memory.save(original.visit());
  other.clear();
  memory.load(other.visit());
  CHECK(state_equal(original.visit(), other.visit()));

  other.image.f32()[11] += 1;
  MemoryState second;
  second.save(other.visit());
  CHECK(memory.first_difference(second) == "network/conv1/weight");
  other = Example();
  other.best = std::nextafter(other.best, 1.0);
  second.save(other.visit());
  CHECK(second.first_difference(memory) == "best");
  original.weight.f32()[0] = 9;  // the copy has storage of its own
  memory.load(other.visit());
  CHECK(other.weight.f32()[0] == 1.f);

  CHECK_THROWS_AS(memory.load([&](StateVisitor& v) { v.real("best", other.best); }),
                  std::logic_error);
  CHECK_THROWS_AS(memory.load([&](StateVisitor& v) { v.integer("best", other.step); }),
                  std::logic_error);
}

TEST_CASE("h5py opens a checkpoint") {
  const std::string python = testing::python_with("h5py");
  if (python.empty()) {
    MESSAGE("skipped: no python3 with h5py");
    return;
  }
  RunDirectory dir;
  Example example;
  save_checkpoint(dir / "c.h5", example.visit());
  CHECK(testing::run_python(python, R"(
import h5py, sys
f = h5py.File(sys.argv[1])
print(f['network/conv1/weight'].shape, f['network/conv1/weight'][0, 1, 0, 1], f['step'][()] == -2**60)
print(f['network/conv1/codes'][:].tolist(), f['stage'].asstr()[()], f['unused'].shape)
)",
                            dir / "c.h5") ==
        "(1, 2, 2, 3) 3.0 True\n[[0, -1], [-2, -3]] größe None\n");
}
