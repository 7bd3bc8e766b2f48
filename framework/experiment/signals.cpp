#include "experiment/signals.h"

#include <csignal>
#include <initializer_list>

#include <sys/prctl.h>
#include <unistd.h>

namespace bitwright {

static volatile std::sig_atomic_t received = 0;
static bool has_parent = false;

static void remember(int signal) { received = signal; }

static bool ignored(int signal) {
  struct sigaction now {};
  return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, nullptr);
  if (has_parent) return;
  sigaction(SIGINT, &action, nullptr);
  if (!ignored(SIGHUP)) sigaction(SIGHUP, &action, nullptr);
}

int stop_signal() { return received; }

void obey_parent(int parent) {
  has_parent = true;
  for (const int signal : {SIGINT, SIGHUP}) std::signal(signal, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) raise(SIGTERM);  // it ended before we could ask
}

}  // namespace bitwright
