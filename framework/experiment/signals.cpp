#include "experiment/signals.h"

#include <csignal>
#include <initializer_list>

namespace bitwright {

static volatile std::sig_atomic_t received = 0;

static void remember(int signal) { received = signal; }

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

int stop_signal() { return received; }

}  // namespace bitwright
