#pragma once

#include <cstddef>

namespace bitwright {

/// Of the terminal at standard error; 80 x 24 where it does not say.
struct TerminalSize {
  std::size_t columns = 80, rows = 24;
};
TerminalSize terminal_size();
bool on_terminal();  ///< whether standard error is one

}  // namespace bitwright
