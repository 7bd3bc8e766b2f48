#pragma once
// SIGINT and SIGTERM ask a run to save and stop.

namespace bitwright {

/// Catches SIGINT and SIGTERM from now on; a second one of the same kind kills as usual.
void catch_stop_signals();
/// The signal that asked to stop, or 0.
int stop_signal();

}  // namespace bitwright
