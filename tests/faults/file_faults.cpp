// A library that tests preload (LD_PRELOAD) to make file calls fail, also those of HDF5 and of the
// C++ library. Environment variables, read once:
//
//   FILE_FAULT=CALL:NAME:N:ACTION
//     CALL    open (for writing), write (also pwrite, writev), fsync or rename
//     NAME    part of the file's name, the last component of its path; of rename, the new name
//     N       the N-th such call, from 1; "N+": that one and all after it
//     ACTION  ENOSPC, EIO, EROFS or EACCES: the call fails so, the file untouched;
//             short: a write takes half of the bytes (the kernel's answer when a disk runs full);
//             kill: SIGKILL instead of the call; after: SIGKILL when the call is done;
//             torn: SIGKILL in the middle of a write, between two pages of the file where it has
//             any
//   FILE_FAULT_LOG=PATH
//     appends a line "CALL NAME" for each call, "write NAME FROM TO" (in the file) for a write.
//   FILE_FAULT_STATFS=NUMBER
//     statfs gives this as the type of every file system.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace {

enum class Action { none, fail, shorten, kill, torn, after };

struct Fault {
  std::string call, name;
  long first = 0;
  bool all_after = false;
  Action action = Action::none;
  int error = 0;
  std::string log;
};

[[noreturn]] void wrong(const char* text) {
  std::fprintf(stderr, "FILE_FAULT=%s: not CALL:NAME:N:ACTION\n", text);
  std::_Exit(125);
}

void set_action(Fault& fault, const std::string& name, const char* text) {
  static const struct {
    const char* name;
    Action action;
    int error;
  } actions[] = {{"ENOSPC", Action::fail, ENOSPC}, {"EIO", Action::fail, EIO},
                 {"EROFS", Action::fail, EROFS},   {"EACCES", Action::fail, EACCES},
                 {"short", Action::shorten, 0},    {"kill", Action::kill, 0},
                 {"torn", Action::torn, 0},        {"after", Action::after, 0}};
  for (const auto& known : actions)
    if (name == known.name) {
      fault.action = known.action;
      fault.error = known.error;
      return;
    }
  wrong(text);
}

Fault read_environment() {
  Fault fault;
  if (const char* log = std::getenv("FILE_FAULT_LOG")) fault.log = log;
  const char* text = std::getenv("FILE_FAULT");
  if (!text) return fault;
  std::string parts[4];
  const char* at = text;
  for (int i = 0; i < 4; ++i) {
    const char* end = std::strchr(at, ':');
    if ((end == nullptr) != (i == 3)) wrong(text);
    parts[i] = end ? std::string(at, end) : at;
    at = end ? end + 1 : at;
  }
  fault.call = parts[0];
  fault.name = parts[1];
  char* rest = nullptr;
  fault.first = std::strtol(parts[2].c_str(), &rest, 10);
  fault.all_after = *rest == '+';
  if (fault.first < 1) wrong(text);
  set_action(fault, parts[3], text);
  return fault;
}

const Fault& fault() {
  static const Fault fault = read_environment();
  return fault;
}

std::string last_component(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string name_of(int fd) {
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t bytes = readlink(link, path, sizeof path);
  return bytes > 0 ? last_component(std::string(path, static_cast<std::size_t>(bytes))) : "";
}

/// With system calls, which nobody intercepts.
void log_call(const char* call, const std::string& name, const std::string& where) {
  const std::string line = std::string(call) + " " + name + where + "\n";
  const long fd =
      syscall(SYS_openat, AT_FDCWD, fault().log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fd < 0) return;
  syscall(SYS_write, fd, line.data(), line.size());
  syscall(SYS_close, fd);
}

/// What is to happen to this call.
Action strike(const char* call, const std::string& name, const std::string& where = "") {
  static std::atomic<long> calls{0};
  if (!fault().log.empty()) log_call(call, name, where);
  if (fault().action == Action::none || fault().call != call) return Action::none;
  if (name.find(fault().name) == std::string::npos) return Action::none;
  const long number = ++calls;
  if (number == fault().first || (fault().all_after && number > fault().first))
    return fault().action;
  return Action::none;
}

template <class Function>
Function* original(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

/// Makes the call, or what the fault wants instead.
template <class Result, class Call>
Result act(Action action, const Call& call) {
  if (action == Action::fail) {
    errno = fault().error;
    return -1;
  }
  if (action == Action::kill || action == Action::torn) raise(SIGKILL);
  const Result result = call();
  if (action == Action::after) raise(SIGKILL);
  return result;
}

Action strike_write(int fd, off_t at, std::size_t size) {
  char where[64];
  std::snprintf(where, sizeof where, " %lld %lld", static_cast<long long>(at),
                static_cast<long long>(at) + static_cast<long long>(size));
  return strike("write", name_of(fd), where);
}

/// How much of a write at `at` is done when a kill ends it: whole pages, for the kernel looks for
/// signals between two of them.
std::size_t bytes_before_kill(std::size_t at, std::size_t size) {
  constexpr std::size_t page = 4096;
  const std::size_t begin = at % page, end = begin + size;
  const std::size_t boundary = std::max(page, end / 2 / page * page);
  return boundary < end ? boundary - begin : 0;
}

/// `part(n)` writes the first n bytes of `size`.
template <class Part>
ssize_t act_on_write(Action action, off_t at, std::size_t size, const Part& part) {
  if (action == Action::shorten) return part(size / 2);
  if (action == Action::torn)
    if (const std::size_t some = bytes_before_kill(static_cast<std::size_t>(at), size)) part(some);
  return act<ssize_t>(action, [&] { return part(size); });
}

int open_with(const char* function, const char* path, int flags, mode_t mode) {
  const auto call = [&] {
    return original<int(const char*, int, ...)>(function)(path, flags, mode);
  };
  if ((flags & O_ACCMODE) == O_RDONLY) return call();
  return act<int>(strike("open", last_component(path)), call);
}

ssize_t pwrite_with(const char* function, int fd, const void* bytes, std::size_t size, off_t at) {
  return act_on_write(strike_write(fd, at, size), at, size, [&](std::size_t some) {
    return original<ssize_t(int, const void*, std::size_t, off_t)>(function)(fd, bytes, some, at);
  });
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_with("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_with("open64", path, flags, mode);
}

ssize_t write(int fd, const void* bytes, std::size_t size) {
  const off_t at = std::max(lseek(fd, 0, SEEK_CUR), off_t{0});
  return act_on_write(strike_write(fd, at, size), at, size, [&](std::size_t some) {
    return original<ssize_t(int, const void*, std::size_t)>("write")(fd, bytes, some);
  });
}

ssize_t writev(int fd, const iovec* parts, int count) {
  return act<ssize_t>(strike("write", name_of(fd)), [&] {
    return original<ssize_t(int, const iovec*, int)>("writev")(fd, parts, count);
  });
}

ssize_t pwrite(int fd, const void* bytes, std::size_t size, off_t at) {
  return pwrite_with("pwrite", fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void* bytes, std::size_t size, off_t at) {
  return pwrite_with("pwrite64", fd, bytes, size, at);
}

int fsync(int fd) {
  return act<int>(strike("fsync", name_of(fd)), [&] { return original<int(int)>("fsync")(fd); });
}

int statfs(const char* path, struct statfs* system) noexcept {
  const int result = original<int(const char*, struct statfs*)>("statfs")(path, system);
  if (const char* type = std::getenv("FILE_FAULT_STATFS"))
    system->f_type = static_cast<decltype(system->f_type)>(std::strtoul(type, nullptr, 0));
  return result;
}

int rename(const char* from, const char* to) noexcept {
  return act<int>(strike("rename", last_component(to)),
                  [&] { return original<int(const char*, const char*)>("rename")(from, to); });
}
}
