#pragma once
// Another program that runs beside this one, what it writes caught.

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace bitwright {

class ChildProcess {
 public:
  /// Starts a program, its name looked up in PATH, without standard input. `environment` is added
  /// to this process's; an empty value removes a variable. `program` is run in place of the file
  /// that command[0] names. Throws std::runtime_error when it cannot be started.
  explicit ChildProcess(std::vector<std::string> command,
                        const std::map<std::string, std::string>& environment = {},
                        const std::string& program = "");
  /// As `program`: the very file that this process runs, even when another has replaced it since.
  static constexpr const char* this_program = "/proc/self/exe";
  ~ChildProcess();  ///< ends it with SIGKILL when it is still there
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Ends of pipes to wait on with poll(); -1 once the child has closed them.
  int out() const { return out_; }
  int err() const { return err_; }
  /// Appends what is there to read, after poll() said so; closes an end that has nothing more.
  void read_out(std::string& text) { read_some(out_, text); }
  void read_err(std::string& text) { read_some(err_, text); }
  bool closed() const { return out_ < 0 && err_ < 0; }

  void signal(int number) const;
  /// Waits for its end; the status as of waitpid().
  int wait();

 private:
  static void read_some(int& from, std::string& text);

  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
};

}  // namespace bitwright
