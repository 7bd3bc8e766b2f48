#pragma once
// SIGINT, SIGTERM and SIGHUP ask a run to save and stop.

namespace bitwright {

/// Catches the three from now on, a SIGHUP only where it is not ignored already (nohup); a second
/// one of the same kind kills as usual.
void catch_stop_signals();
/// The signal that asked to stop, or 0.
int stop_signal();

/// From now on this process stops for its parent alone: signals of the terminal are ignored, and
/// when the parent ends, however it ends, SIGTERM comes.
void obey_parent(int parent);

}  // namespace bitwright
