#include "experiment/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace bitwright {

TerminalSize terminal_size() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
    return {};
  return {size.ws_col, size.ws_row};
}

bool on_terminal() { return isatty(STDERR_FILENO) == 1; }

}  // namespace bitwright
