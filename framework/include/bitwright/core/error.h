#pragma once
// Errors that reach the user. Every one is a single line
//   FILE:LINE:COL: error: what; what was expected; what to do
// and carries the exit status that the program ends with.

#include <stdexcept>
#include <string>
#include <string_view>

namespace bitwright {

/// Documented exit statuses of the program.
enum class ExitStatus {
  done = 0,
  internal = 1,  ///< a bug of ours
  config = 2,    ///< configuration, command line, or a plugin at load time
  data = 3,      ///< data missing or damaged
  diverged = 4,  ///< training diverged
  storage = 5,   ///< run file, checkpoint or output folder unusable
  plugin = 6,    ///< a plugin failed during a run
};

/// Where something was said. `line` and `column` count from 1; 0 means unknown.
/// `file` may also name a source that is no file, such as "command line".
struct Place {
  std::string file;
  int line = 0;
  int column = 0;

  /// "FILE:LINE:COL", leaving out what is unknown; "bitwright" when the place is empty.
  std::string str() const;
};

/// A failure with a cause outside the program. `what()` is the complete line.
class Error : public std::runtime_error {
 public:
  /// `expected` and `remedy` may be empty; what is given is joined with "; ".
  Error(ExitStatus status, Place place, std::string_view what, std::string_view expected = {},
        std::string_view remedy = {});

  ExitStatus status() const { return status_; }
  const Place& place() const { return place_; }

 private:
  ExitStatus status_;
  Place place_;
};

/// The usual kinds, so that call sites read as a sentence.
Error config_error(Place place, std::string_view what, std::string_view expected = {},
                   std::string_view remedy = {});
Error data_error(std::string_view file, std::string_view what, std::string_view expected = {},
                 std::string_view remedy = {});
Error storage_error(std::string_view file, std::string_view what, std::string_view expected = {},
                    std::string_view remedy = {});

/// Throws std::logic_error (exit status 1) when a condition that only a bug can break is broken.
void require(bool condition, std::string_view what);

}  // namespace bitwright
