#pragma once
// An empty folder that is removed at the end of a test, and what tests do with files in it.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <stdlib.h>

namespace bitwright::testing {

class RunDirectory {
 public:
  RunDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "bitwright-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  ~RunDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A Python that has `module`, or "" (the test then says "skipped").
inline std::string python_with(const std::string& module) {
  for (const std::string python : {"/usr/bin/python3", "python3"})
    if (std::system((python + " -c 'import " + module + "' 2>/dev/null").c_str()) == 0)
      return python;
  return "";
}

/// What a Python script prints (errors included); argv[1] is `argument`.
inline std::string run_python(const std::string& python, const std::string& script,
                              const std::string& argument) {
  RunDirectory dir;
  write_bytes(dir / "script.py", script);
  const std::string command =
      python + " " + (dir / "script.py") + " " + argument + " > " + (dir / "output") + " 2>&1";
  const int status = std::system(command.c_str());
  return read_bytes(dir / "output") + (status == 0 ? "" : "failed\n");
}

}  // namespace bitwright::testing
