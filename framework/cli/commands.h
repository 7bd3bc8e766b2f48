#pragma once
// The sub-commands, one file each. They return the exit status; failures are Errors.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>

namespace bitwright {

struct RunArguments {
  std::vector<std::string> words;  ///< files, and overrides "key=value"
  std::string out = "runs";
  std::string profile;  ///< empty: as the file says
  std::string cell;     ///< of a sweep, this one only
  int at_once = 1;      ///< runs
  bool dry_run = false;
  bool resume = false, overwrite = false, show_finished = false;
  bool quiet = false, json = false;
  std::optional<std::string> trace;  ///< a file; empty: in the run directory
  bool check_numerics = false;
  std::vector<std::string> command_line;
  std::string expected_config;  ///< SHA-256 of the resolved text that a sweep saw; empty: any
  int child_of = 0;             ///< the process of the sweep that started this one
};

struct BenchArguments {
  std::vector<std::string> nets, dtypes, modes;  ///< empty: all
  std::vector<std::string> methods;              ///< empty: the plain network
  std::optional<int> threads;                    ///< none: all cores that the process may use
  int repetitions = 5;
  std::int64_t steps = 0;  ///< per repetition; 0: by time
  bool compare_pytorch = false, in_process = false, loader = false, json = false;
};

struct TableArguments {
  std::vector<std::string> words;  ///< a file, and overrides "key=value" of its experiments
  std::string out = "runs", format = "md";
  bool run = false;  ///< run or resume what is missing
  int at_once = 1;
  bool keep = false;          ///< write records
  bool records_only = false;  ///< do not look for runs
};

struct ProbeArguments {
  std::vector<std::string> words;  ///< METHOD, and options "key=value"
  std::string values, gradient;    ///< numbers with commas between them; no gradient: all 1
  bool activations = false;        ///< instead of weights
};

struct VerifyArguments {
  std::string run;
  std::optional<std::int64_t> steps;
  std::optional<int> threads;
  bool json = false;
  std::vector<std::string> command_line;
};
/// Exit status of `verify` when its answer is no; it is no failure of the program.
inline constexpr int different_bits = 7;

/// What completion knows about a sub-command.
struct CommandWords {
  std::string name, help;
  std::vector<std::string> options;
};

int run(const Registries& registries, const RunArguments& arguments);
int check(const Registries& registries, const std::vector<std::string>& words,
          const std::string& profile);
int tune(const Registries& registries, const std::vector<std::string>& words);
int schema(const Registries& registries);
int completion(const Registries& registries, const std::string& shell,
               const std::vector<CommandWords>& commands);
/// Writes the option pages of all folders below `root`; with `only_check`, compares them instead.
int reference(const std::string& root, bool only_check);
int list(const Registries& registries, const std::string& kind, bool json);
int describe(const Registries& registries, const std::string& name);
int probe(const Registries& registries, const ProbeArguments& arguments);
int bench_command(const Registries& registries, const BenchArguments& arguments);
int table(const Registries& registries, const TableArguments& arguments);
int show(const std::string& run, bool json);
int diff(const std::string& first, const std::string& second, bool json);
int repair(const std::string& run);
/// Becomes scripts/report; comes back only by a failure. `target` empty: DIR/report.html.
int report(const std::string& folder, const std::string& target);
int verify(const Registries& registries, const VerifyArguments& arguments);
/// CSV of one table, or of all when `table` is empty.
int export_metrics(const std::string& run, const std::string& table);
int export_command(const Registries& registries, const std::string& run, const std::string& file);
int evaluate_command(const Registries& registries, const std::string& path, bool json);
int check_data(const Registries& registries, const std::string& folder, bool json);

/// Splits words into files and overrides. Throws a configuration error without a file.
struct Words {
  std::vector<std::string> files, overrides;
};
Words split_words(const std::vector<std::string>& words);

}  // namespace bitwright
