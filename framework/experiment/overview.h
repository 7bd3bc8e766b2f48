#pragma once
// What a person sees of several runs: on a terminal one live line for each, elsewhere a plain line
// when one begins and ends.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace bitwright {

struct CellView {
  enum class State { waiting, running, finished, failed, stopped };

  std::string name;
  State state = State::waiting;
  std::string text;  ///< how far it is, or how it ended
};

std::string_view state_word(CellView::State state);

class Overview {
 public:
  explicit Overview(bool quiet);

  /// On a terminal, draws all cells anew, at most a few times a second unless `now`.
  void show(const std::vector<CellView>& cells, bool now = false);
  /// A cell began or ended.
  void changed(const std::vector<CellView>& cells, std::size_t which);
  /// A line that stays, above what is live.
  void say(const std::string& line);

 private:
  void erase();

  using Clock = std::chrono::steady_clock;
  const bool quiet_, terminal_;
  Clock::time_point drawn_{};
  std::vector<std::string> lines_;  // that stand on the terminal
};

/// The lines for a terminal: each at most `columns` wide, at most `rows` of them. Where not all
/// cells fit, those that run or failed come first and the others are counted.
std::vector<std::string> overview_lines(const std::vector<CellView>& cells, std::size_t columns,
                                        std::size_t rows);

}  // namespace bitwright
