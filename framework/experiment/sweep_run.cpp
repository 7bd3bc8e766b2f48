#include "experiment/sweep_run.h"

#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bitwright/core/sha256.h>
#include <bitwright/results/run_file.h>
#include <bitwright/results/run_lock.h>

#include "core/child_process.h"
#include "experiment/overview.h"
#include "experiment/progress.h"
#include "experiment/run_directory.h"
#include "experiment/signals.h"
#include "experiment/summary.h"
#include "results/repair.h"

namespace bitwright {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;
using State = CellView::State;

// One run on its way.
struct Cell {
  const SweepJob* job = nullptr;
  std::unique_ptr<ChildProcess> child;
  Clock::time_point began;
  std::string out, err;           // read and not yet understood
  std::vector<std::string> said;  // messages, the last ones
  int status = 0;
  Json outcome;  // of a finished one
};

class SweepRun {
 public:
  SweepRun(const std::vector<SweepJob>& jobs, const SweepRequest& request)
      : request_(request), overview_(request.quiet) {
    for (const SweepJob& job : jobs) {
      cells_.emplace_back().job = &job;
      views_.push_back({job.name, State::waiting, ""});
    }
    refuse_shared_directories();
  }

  int run() {
    catch_stop_signals();
    look_at_what_is_there();
    while (start_some() || running() > 0) {
      tell_to_stop();
      wait_a_moment();
      overview_.show(views_);
    }
    overview_.show(views_, true);
    report();
    return exit_status();
  }

 private:
  void refuse_shared_directories() const {
    std::map<std::string, const SweepJob*> known;
    for (const Cell& cell : cells_) {
      const auto [at, fresh] = known.insert({cell.job->directory, cell.job});
      if (!fresh)
        throw config_error(Place{cell.job->file},
                           fmt::format("{} and {} would both run in {}", at->second->name,
                                       cell.job->name, cell.job->directory),
                           "a directory for each run", "give the experiments different names");
    }
  }

  // Nothing is started before it is clear that nothing stands in the way.
  void look_at_what_is_there() {
    using Existing = RunRequest::Existing;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const RunDirectory directory(cells_[i].job->directory);
      if (!directory.exists() || request_.existing == Existing::overwrite) continue;
      const bool finished = directory.finished();
      const bool shown = finished && request_.show_finished;
      if (request_.existing == Existing::refuse && !shown) directory.refuse_existing();
      if (finished) directory.refuse_changes(cells_[i].job->config_text);
      if (finished) take_results(i);
    }
    if (request_.existing != Existing::overwrite) return;
    for (const Cell& cell : cells_) {  // all at once: what is left by an interruption is new
      const RunDirectory directory(cell.job->directory);
      if (!directory.exists()) continue;
      const RunLock lock(directory.path());
      directory.clear();
    }
  }

  void take_results(std::size_t i) {
    const RunDirectory directory(cells_[i].job->directory);
    const std::string file = directory.run_file();
    if (!RunReader::open(file)->closed()) {  // about to be, or never: killed at its very end
      const RunLock lock(directory.path(), 60);
      results::repair_run_file(file);
    }
    const auto results = RunReader::open(file)->results();
    cells_[i].outcome = Json::parse(summary_json(results, file, ""));
    views_[i].state = State::finished;
    views_[i].text = "already; " + summary_words(results);
  }

  std::size_t running() const {
    std::size_t n = 0;
    for (const Cell& cell : cells_) n += cell.child != nullptr ? 1 : 0;
    return n;
  }

  // False when nothing is left to start.
  bool start_some() {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (views_[i].state != State::waiting) continue;
      if (stop_signal() != 0) return false;
      if (running() >= static_cast<std::size_t>(request_.at_once)) return true;
      start(i);
    }
    return false;
  }

  void start(std::size_t i) {
    Cell& cell = cells_[i];
    const SweepJob& job = *cell.job;
    std::vector<std::string> command{"bitwright", "run", job.file};
    command.insert(command.end(), request_.words.begin(), request_.words.end());
    command.insert(command.end(), job.words.begin(), job.words.end());
    if (!job.cell.empty()) command.insert(command.end(), {"--cell", job.cell});
    command.insert(command.end(),
                   {"--json", "--expect", sha256(job.config_text.data(), job.config_text.size()),
                    "--child-of", std::to_string(getpid())});
    cell.began = Clock::now();
    try {
      cell.child = std::make_unique<ChildProcess>(command, std::map<std::string, std::string>{},
                                                  ChildProcess::this_program);
    } catch (const std::runtime_error& error) {
      cell.said = {error.what()};
      cell.status = static_cast<int>(ExitStatus::internal);
      return ended(i, State::failed, "cannot be started");
    }
    views_[i].state = State::running;
    overview_.changed(views_, i);
  }

  void tell_to_stop() {
    if (told_ || stop_signal() == 0) return;
    told_ = true;
    overview_.say("stopping: running cells are saved");
    for (Cell& cell : cells_)
      if (cell.child) cell.child->signal(SIGTERM);
  }

  void wait_a_moment() {
    std::vector<pollfd> ends;
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (!cells_[i].child) continue;
      for (const int end : {cells_[i].child->out(), cells_[i].child->err()}) {
        ends.push_back({end, POLLIN, 0});  // an end that is closed is negative, and passed over
        owners.push_back(i);
      }
    }
    constexpr int milliseconds = 300;
    if (poll(ends.data(), ends.size(), milliseconds) <= 0) return;  // nothing, or a signal
    for (std::size_t k = 0; k < ends.size(); k += 2) {
      Cell& cell = cells_[owners[k]];
      if (ends[k].revents != 0) cell.child->read_out(cell.out);
      if (ends[k + 1].revents != 0) cell.child->read_err(cell.err);
      understand(owners[k]);
      if (cell.child->closed()) reap(owners[k]);
    }
  }

  // Whole lines of a child's standard error: where it stands, and messages.
  void understand(std::size_t i) {
    Cell& cell = cells_[i];
    for (auto end = cell.err.find('\n'); end != std::string::npos; end = cell.err.find('\n')) {
      const std::string line = cell.err.substr(0, end);
      cell.err.erase(0, end + 1);
      if (line.starts_with(progress_mark)) {
        views_[i].text = line.substr(1);
        continue;
      }
      constexpr std::size_t most = 20;
      if (cell.said.size() == most) cell.said.erase(cell.said.begin());
      cell.said.push_back(line);
    }
  }

  void reap(std::size_t i) {
    Cell& cell = cells_[i];
    const int status = cell.child->wait();
    cell.child.reset();
    const double seconds = std::chrono::duration<double>(Clock::now() - cell.began).count();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      cell.outcome = Json::parse(cell.out, nullptr, false);
      return ended(i, State::finished,
                   fmt::format("{}; {:.1f} s", summary_words(numbers(cell)), seconds));
    }
    cell.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    const bool asked = cell.status == 128 + SIGTERM;
    if (asked) return ended(i, State::stopped, "saved");
    ended(i, State::failed,
          WIFSIGNALED(status) ? fmt::format("ended by signal {} ({})", WTERMSIG(status),
                                            strsignal(WTERMSIG(status)))
                              : fmt::format("exit status {}", cell.status));
  }

  void ended(std::size_t i, State state, std::string text) {
    views_[i].state = state;
    views_[i].text = std::move(text);
    overview_.changed(views_, i);
  }

  static std::map<std::string, double> numbers(const Cell& cell) {
    std::map<std::string, double> all;
    if (cell.outcome.is_object() && cell.outcome.contains("results"))
      for (const auto& [name, number] : cell.outcome["results"].items()) all[name] = number;
    return all;
  }

  // Errors have one form; of others, the last words.
  static std::string last_words(const Cell& cell) {
    for (const std::string& line : cell.said)
      if (line.find(": error: ") != std::string::npos) return line;
    return cell.said.empty() ? "" : cell.said.back();
  }

  void report() {
    if (!request_.results) {
      // Somebody else shows them.
    } else if (request_.json) {
      print_json();
    } else if (request_.quiet) {
      for (std::size_t i = 0; i < cells_.size(); ++i)
        if (views_[i].state == State::finished)
          fmt::print("{}\n", RunDirectory(cells_[i].job->directory).run_file());
    } else {
      print_table();
    }
    std::fflush(stdout);
    print_failures();
  }

  void print_json() const {
    Json all = Json::array();
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      Json one{{"cell", views_[i].name}, {"state", state_word(views_[i].state)}};
      if (views_[i].state == State::failed) {
        one["exit_status"] = cells_[i].status;
        one["error"] = last_words(cells_[i]);
      }
      if (cells_[i].outcome.is_object()) one.update(cells_[i].outcome);
      all.push_back(std::move(one));
    }
    fmt::print("{}\n", all.dump(1, ' ', false, Json::error_handler_t::replace));
  }

  void print_table() const {
    std::vector<NamedResults> rows;
    for (std::size_t i = 0; i < cells_.size(); ++i)
      rows.push_back({views_[i].name, state_word(views_[i].state), numbers(cells_[i])});
    fmt::print("{}", sweep_table(rows));
  }

  // Errors go to standard error, quiet or not.
  void print_failures() const {
    std::size_t failed = 0;
    for (const CellView& view : views_) failed += view.state == State::failed ? 1 : 0;
    if (failed > 0) fmt::print(stderr, "{} of {} cells failed:\n", failed, cells_.size());
    for (std::size_t i = 0; i < cells_.size(); ++i)
      if (views_[i].state == State::failed)
        fmt::print(stderr, "{}: {}\n{}", views_[i].name, views_[i].text,
                   last_words(cells_[i]).empty() ? "" : last_words(cells_[i]) + "\n");
    if (stop_signal() != 0)
      fmt::print(stderr, "stopped by a signal, state saved; continue with --resume\n");
  }

  int exit_status() const {
    if (stop_signal() != 0) return 128 + stop_signal();
    for (const Cell& cell : cells_)
      if (cell.status != 0) return cell.status;
    return 0;
  }

  const SweepRequest& request_;
  std::vector<Cell> cells_;
  std::vector<CellView> views_;  // of the same order
  Overview overview_;
  bool told_ = false;
};

}  // namespace

int run_sweep(const std::vector<SweepJob>& jobs, const SweepRequest& request) {
  return SweepRun(jobs, request).run();
}

}  // namespace bitwright
