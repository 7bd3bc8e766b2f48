#include "experiment/progress.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "experiment/terminal.h"

namespace bitwright {

Progress::Progress(Audience audience) : audience_(audience), terminal_(on_terminal()) {}
Progress::~Progress() { clear(); }

static std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

std::string Progress::line(const ProgressState& s) const {
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = static_cast<double>(s.run_step - first_step_) / std::max(elapsed, 1e-9);
  std::string text = fmt::format("{}  {}/{}  epoch {}  loss {:.4f}", s.stage, s.stage_step,
                                 s.stage_steps, s.epoch, s.loss);
  if (s.validation_accuracy >= 0)
    text += fmt::format("  val {:.2f} %", 100 * s.validation_accuracy);
  if (rate > 0)
    text += fmt::format("  {:.0f} steps/s  {} left", rate,
                        duration(static_cast<double>(s.run_steps - s.run_step) / rate));
  return text;
}

void Progress::update(const ProgressState& s) {
  if (audience_ == Audience::nobody) return;
  if (first_step_ < 0) first_step_ = s.run_step - 1;
  const auto now = Clock::now();
  if (audience_ == Audience::sweep) {
    if (now - written_ < std::chrono::milliseconds(500)) return;
    fmt::print(stderr, "{}{}\n", progress_mark, line(s));
  } else if (terminal_) {
    const bool last = s.stage_step == s.stage_steps;
    if (now - written_ < std::chrono::milliseconds(100) && !last) return;
    const std::string text = line(s).substr(0, terminal_size().columns - 1);
    fmt::print(stderr, "\r\x1b[K{}{}", text, last ? "\n" : "");
    live_ = !last;
    std::fflush(stderr);
  } else {
    const std::int64_t tenth = 10 * s.stage_step / std::max<std::int64_t>(1, s.stage_steps);
    if (tenth == tenth_ && s.stage == stage_) return;
    if (tenth > 0) fmt::print(stderr, "{}\n", line(s));
    tenth_ = tenth;
    stage_ = s.stage;
  }
  written_ = now;
}

void Progress::say(const std::string& text) {
  if (audience_ != Audience::nobody) warn(text);
}

void Progress::warn(const std::string& text) {
  clear();
  fmt::print(stderr, "{}\n", text);
}

void Progress::clear() {
  if (live_) fmt::print(stderr, "\r\x1b[K");
  live_ = false;
}

}  // namespace bitwright
