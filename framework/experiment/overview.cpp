#include "experiment/overview.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include <fmt/format.h>

#include "experiment/terminal.h"

namespace bitwright {

using State = CellView::State;

std::string_view state_word(State state) {
  static constexpr std::array<std::string_view, 5> words{"waiting", "running", "finished", "failed",
                                                         "stopped"};
  return words[static_cast<std::size_t>(state)];
}

static std::string counts(const std::vector<CellView>& cells) {
  std::string text;
  for (const State state :
       {State::finished, State::failed, State::stopped, State::running, State::waiting}) {
    const auto n = std::count_if(cells.begin(), cells.end(),
                                 [&](const CellView& c) { return c.state == state; });
    if (n > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, state_word(state));
  }
  return fmt::format("{} cells: {}", cells.size(), text);
}

std::vector<std::string> overview_lines(const std::vector<CellView>& cells, std::size_t columns,
                                        std::size_t rows) {
  std::size_t widest = 0;
  for (const CellView& cell : cells) widest = std::max(widest, cell.name.size());
  const auto line = [&](const CellView& cell) {
    return fmt::format("{:<{}}  {:<8}  {}", cell.name, widest, state_word(cell.state), cell.text)
        .substr(0, columns);
  };
  std::vector<std::string> lines;
  const bool all = cells.size() <= rows;
  for (const CellView& cell : cells) {
    const bool telling = cell.state == State::running || cell.state == State::failed;
    if (all || (telling && lines.size() + 1 < rows)) lines.push_back(line(cell));
  }
  if (!all) lines.push_back(counts(cells).substr(0, columns));
  return lines;
}

Overview::Overview(bool quiet) : quiet_(quiet), terminal_(on_terminal()) {}

void Overview::show(const std::vector<CellView>& cells, bool now) {
  constexpr auto pause = std::chrono::milliseconds(200);
  if (quiet_ || !terminal_ || (!now && Clock::now() - drawn_ < pause)) return;
  const TerminalSize size = terminal_size();
  erase();
  lines_ = overview_lines(cells, size.columns - 1, std::max<std::size_t>(size.rows, 4) - 1);
  for (const std::string& line : lines_) fmt::print(stderr, "{}\n", line);
  std::fflush(stderr);
  drawn_ = Clock::now();
}

void Overview::changed(const std::vector<CellView>& cells, std::size_t which) {
  if (terminal_) return show(cells, true);
  const CellView& cell = cells[which];
  if (!quiet_)
    fmt::print(stderr, "[{}/{}] {}: {}{}{}\n", which + 1, cells.size(), cell.name,
               state_word(cell.state), cell.text.empty() ? "" : ", ", cell.text);
}

void Overview::say(const std::string& line) {
  if (quiet_) return;
  erase();
  fmt::print(stderr, "{}\n", line);
}

void Overview::erase() {
  if (!lines_.empty()) fmt::print(stderr, "\x1b[{}A\r\x1b[J", lines_.size());
  lines_.clear();
}

}  // namespace bitwright
