#pragma once
// The program as its users call it.

#include <algorithm>
#include <cstdlib>
#include <string>

#include <doctest/doctest.h>
#include <sys/wait.h>

#include "run_directory.h"

namespace bitwright::testing {

struct Outcome {
  int status = 0;
  std::string out, err;
};

/// Runs the program in a folder, without standard input. `environment` is put before the command.
inline Outcome bitwright_program(const RunDirectory& dir, const std::string& words,
                                 const std::string& environment = "") {
  const std::string command = "cd " + dir.path() + " && " + environment +
                              " " BITWRIGHT_PROGRAM " " + words + " >" + (dir / "out") + " 2>" +
                              (dir / "err") + " </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_bytes(dir / "out"),
          read_bytes(dir / "err")};
}

/// A user's mistake: exit status 2, nothing on standard output, one line on standard error.
inline void check_refused(const RunDirectory& dir, const std::string& words,
                          const std::string& place, const std::string& contains) {
  CAPTURE(words);
  const Outcome o = bitwright_program(dir, words);
  CAPTURE(o.err);
  CHECK(o.status == 2);
  CHECK(o.out == "");
  CHECK(std::count(o.err.begin(), o.err.end(), '\n') == 1);
  CHECK(o.err.starts_with(place + ": error: "));
  CHECK(o.err.find(contains) != std::string::npos);
}

}  // namespace bitwright::testing
