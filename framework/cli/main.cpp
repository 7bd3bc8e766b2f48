// The program: the command line, and how failures become exit statuses.
#include <algorithm>
#include <exception>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <bitwright/experiment/builtin.h>

#include "cli/commands.h"
#include "experiment/problems.h"
#include "experiment/provenance.h"

namespace bitwright {
namespace {

constexpr int kInternal = static_cast<int>(ExitStatus::internal);
constexpr int kConfig = static_cast<int>(ExitStatus::config);

struct Commands {
  RunArguments run;
  BenchArguments bench;
  TableArguments table;
  ProbeArguments probe;
  VerifyArguments verify;
  std::vector<std::string> check_words, tune_words;
  std::string check_profile;
  std::string kind, component, run_path, second_run, report, exported, metrics_table, data_folder,
      shell, reference_root = ".";
  bool json = false, csv = false, only_check = false;
};

void declare_bench(CLI::App& app, BenchArguments& a) {
  CLI::App* const bench =
      app.add_subcommand("bench", "Step time and memory of the standard networks");
  bench->add_option("--net", a.nets,
                    "lenet300 lenet5 resnet20 vgg16 resnet18 resnet18-64x64 (all)");
  bench->add_option("--dtype", a.dtypes, "f32 bf16 (all that the engine has)");
  bench->add_option("--mode", a.modes, "train eval (both)");
  CLI::Option* const method = bench->add_option("--method", a.methods,
                                                "a method that quantizes, by name or as {name: "
                                                "NAME, OPTION: VALUE}; none: the plain network");
  bench->add_option("--threads", a.threads, "size of the team that computes (the cores)");
  CLI::Option* const repetitions =
      bench->add_option("--repetitions", a.repetitions, "processes per network, type and mode (5)");
  bench->add_option("--steps", a.steps, "timed steps of a repetition (about two seconds of them)");
  CLI::Option* const compare =
      bench
          ->add_flag("--compare-pytorch", a.compare_pytorch,
                     "take turns with PyTorch (python3-torch) at its best settings")
          ->excludes(method);
  bench
      ->add_flag("--in-process", a.in_process,
                 "measure once, without child processes (for profilers), and print the time of "
                 "each op")
      ->excludes(repetitions)
      ->excludes(compare);
  bench
      ->add_flag("--loader", a.loader,
                 "instead, images a second of the CIFAR training transform, by so many --threads; "
                 "scripts/bench-loader compares it with PyTorch")
      ->excludes(compare);
  bench->add_flag("--json", a.json, "an array of objects, one per row");
}

void declare_probe(CLI::App& app, ProbeArguments& a) {
  CLI::App* const probe =
      app.add_subcommand("probe", "What a method does to given numbers, as JSON");
  probe->add_option("METHOD", a.words, "a method, and its options key=value ...")->required();
  probe->add_option("--values", a.values, "the numbers, with commas: 0.1,-0.7,2")->required();
  probe->add_option("--grad", a.gradient, "the loss's gradient where they are used (all 1)");
  probe->add_flag("--activations", a.activations,
                  "the numbers are what goes into a layer, instead of its weight");
}

void declare_verify(CLI::App& app, VerifyArguments& a) {
  CLI::App* const verify = app.add_subcommand(
      "verify", "Do the last steps of a run again from a checkpoint, and prove the bits equal");
  verify->add_option("RUN", a.run, "run directory or its run.h5; nothing in it is changed")
      ->required();
  verify
      ->add_option(
          "--steps", a.steps,
          "at least so many, as far as there are checkpoints (those after the last but one "
          "checkpoint)")
      ->check(CLI::PositiveNumber);
  verify->add_option("--threads", a.threads, "another team than on the run's record")
      ->check(CLI::Range(1, 4096));
  verify->add_flag("--json", a.json, "one JSON object");
  verify->footer(
      "Exit status: 0 equal; 7 different: metrics and tensors are named, and what else differs: "
      "binary, libraries,\nCPU, threads, data; 5 no checkpoint can serve.");
}

void declare(CLI::App& app, Commands& c) {
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text());
  app.footer(
      "Exit status: 0 done; 1 a bug of bitwright; 2 configuration or command line; 3 data; "
      "4 training diverged;\n5 run file, checkpoint or output folder; 6 a plugin; 7 verify: other "
      "bits; 129, 130, 143 stopped by a\nsignal after saving. Of several runs: that of the first "
      "that failed, or "
      "128 + the signal that ended it.");

  CLI::App* const run = app.add_subcommand("run", "Train experiments and write their run files");
  run->add_option("FILE", c.run.words, "FILE.yaml ... and overrides key.sub=value ...")->required();
  run->add_option("--profile", c.run.profile,
                  "a budget: full, smoke, or one that the file lists under 'profiles'");
  run->add_option("--out", c.run.out, "output folder (runs)");
  CLI::Option* const resume =
      run->add_flag("--resume", c.run.resume, "continue from the last checkpoint");
  run->add_flag("--overwrite", c.run.overwrite, "remove an earlier run and start anew")
      ->excludes(resume);
  run->add_flag("--show-finished", c.run.show_finished,
                "print the results of a run that is finished already");
  run->add_flag("--quiet", c.run.quiet, "no progress, only the path of the run file");
  run->add_flag("--json", c.run.json, "results as one JSON object");
  run->add_option("-j", c.run.at_once,
                  "runs at once, each a process of its own; never changes 'threads' (1)")
      ->check(CLI::Range(1, 4096));
  run->add_option("--cell", c.run.cell, "of a sweep only this cell, as `check` names it");
  run->add_option("--expect", c.run.expected_config)->group("");  // for the children of a sweep
  run->add_option("--child-of", c.run.child_of)->group("");
  run->add_flag("--dry-run", c.run.dry_run,
                "train a few steps without writing anything, and print shapes, parameters, MACs, "
                "memory and the time to expect");
  CLI::Option* const trace =
      run->add_flag("--trace{}", c.run.trace,
                    "--trace[=FILE]: time per op and layer, as a table after each stage and as a "
                    "Chrome trace (trace.json in the run directory)");
  run->add_flag("--check-numerics", c.run.check_numerics,
                "stop at the first NaN or Inf and name where it appeared; slower")
      ->excludes(trace);

  CLI::App* const check =
      app.add_subcommand("check", "Validate experiment files and print what they resolve to");
  check->add_option("FILE", c.check_words, "FILE.yaml ... and overrides key.sub=value ...")
      ->required();
  check->add_option("--profile", c.check_profile, "the budget to check");

  app.add_subcommand("tune", "Time the algorithms of experiments' networks on this machine")
      ->add_option("FILE", c.tune_words, "FILE.yaml ... and overrides key.sub=value ...")
      ->required();

  CLI::App* const list = app.add_subcommand("list", "List components");
  list->add_option("KIND", c.kind, fmt::format("{}", fmt::join(Registries::kinds(), ", ")))
      ->required();
  list->add_flag("--json", c.json, "an array of objects");

  app.add_subcommand("describe", "Options of a component, or of an experiment")
      ->add_option("NAME", c.component, "a name that 'list' prints")
      ->required();

  CLI::App* const show = app.add_subcommand("show", "What is in a run");
  show->add_option("RUN", c.run_path, "run directory or its run.h5")->required();
  show->add_flag("--json", c.json, "one JSON object");

  CLI::App* const table =
      app.add_subcommand("table", "A paper's table beside what finished runs give");
  table
      ->add_option("FILE", c.table.words,
                   "table file, and overrides of its experiments key.sub=value ...")
      ->required();
  CLI::Option* const run_table =
      table->add_flag("--run", c.table.run, "first run or resume what is missing");
  table->add_option("-j", c.table.at_once, "with --run: runs at once (1)")
      ->check(CLI::PositiveNumber)
      ->needs(run_table);
  table->add_option("--out", c.table.out, "folder of the runs (runs)");
  table->add_option("--format", c.table.format, "md, csv, tex or html (md)")
      ->check(CLI::IsMember({"md", "csv", "tex", "html"}));
  table->add_flag("--records-only", c.table.records_only,
                  "do not look for runs: what the repository alone can show");
  table->add_flag(
      "--keep", c.table.keep,
      "also write a text record of each finished run into the table's 'records' folder");

  CLI::App* const diff =
      app.add_subcommand("diff", "Configuration, provenance, results of two runs side by side");
  diff->add_option("RUN", c.run_path, "run directory or its run.h5")->required();
  diff->add_option("OTHER", c.second_run, "another one")->required();
  diff->add_flag("--json", c.json, "one JSON object");

  CLI::App* const report =
      app.add_subcommand("report", "One HTML page about all runs of a folder, with plots");
  report->add_option("DIR", c.run_path, "folder with runs below it, or a run")->required();
  report->add_option("-o", c.report, "where the page goes (DIR/report.html)");

  app.add_subcommand("repair",
                     "Make the run file of a killed writer open plainly again, without resuming")
      ->add_option("RUN", c.run_path, "run directory or its run.h5")
      ->required();

  CLI::App* const metrics =
      app.add_subcommand("export-metrics", "The series of a run, to standard output");
  metrics->add_option("RUN", c.run_path, "run directory or its run.h5")->required();
  metrics->add_flag("--csv", c.csv, "comma-separated values, RFC 4180 (the only format)");
  metrics->add_option("--table", c.metrics_table,
                      "one table, one line a row: epoch, step, evaluation ...; left out: all, one "
                      "line a number");

  CLI::App* const exporting =
      app.add_subcommand("export", "Write the deployed network of a finished run to a file");
  exporting->add_option("RUN", c.run_path, "run directory or its run.h5")->required();
  exporting->add_option("FILE", c.exported, "HDF5 file to be written")->required();

  CLI::App* const evaluate = app.add_subcommand(
      "evaluate", "Test accuracy of an exported network, or of a run's final checkpoint");
  evaluate->add_option("FILE", c.run_path, "what export wrote, or a run")->required();
  evaluate->add_flag("--json", c.json, "one JSON object");

  CLI::App* const data = app.add_subcommand("data", "Data sets on disk")->require_subcommand(1);
  CLI::App* const check_data =
      data->add_subcommand("check", "Read every data set in a folder: what is there, is it whole");
  check_data->add_option("DIR", c.data_folder, "folder as in data.root, or an archive")->required();
  check_data->add_flag("--json", c.json, "an array of objects");

  app.add_subcommand("schema", "JSON schema of experiment files, for editors");
  app.add_subcommand("completion", "Shell completion, to be sourced")
      ->add_option("SHELL", c.shell, "bash or zsh")
      ->required();
  CLI::App* const reference =
      app.add_subcommand("reference", "Write the pages OPTIONS.md of a source tree");
  reference->add_option("ROOT", c.reference_root, "the tree (.)");
  reference->add_flag("--check", c.only_check, "only say which pages are stale");

  declare_probe(app, c.probe);
  declare_verify(app, c.verify);
  declare_bench(app, c.bench);
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::vector<CommandWords> command_words(const CLI::App& app) {
  std::vector<CommandWords> all;
  for (const CLI::App* command : app.get_subcommands(nullptr))
    all.push_back({command->get_name(), command->get_description(), option_names(*command)});
  return all;
}

int dispatch(const CLI::App& app, const Commands& c) {
  Registries registries;
  register_builtin_components(registries);
  if (app.got_subcommand("run")) return run(registries, c.run);
  if (app.got_subcommand("check")) return check(registries, c.check_words, c.check_profile);
  if (app.got_subcommand("tune")) return tune(registries, c.tune_words);
  if (app.got_subcommand("schema")) return schema(registries);
  if (app.got_subcommand("completion")) return completion(registries, c.shell, command_words(app));
  if (app.got_subcommand("reference")) return reference(c.reference_root, c.only_check);
  if (app.got_subcommand("probe")) return probe(registries, c.probe);
  if (app.got_subcommand("bench")) return bench_command(registries, c.bench);
  if (app.got_subcommand("verify")) return verify(registries, c.verify);
  if (app.got_subcommand("table")) return table(registries, c.table);
  if (app.got_subcommand("diff")) return diff(c.run_path, c.second_run, c.json);
  if (app.got_subcommand("repair")) return repair(c.run_path);
  if (app.got_subcommand("report")) return report(c.run_path, c.report);
  if (app.got_subcommand("export-metrics")) return export_metrics(c.run_path, c.metrics_table);
  if (app.got_subcommand("list")) return list(registries, c.kind, c.json);
  if (app.got_subcommand("describe")) return describe(registries, c.component);
  if (app.got_subcommand("export")) return export_command(registries, c.run_path, c.exported);
  if (app.got_subcommand("evaluate")) return evaluate_command(registries, c.run_path, c.json);
  if (app.got_subcommand("data")) return check_data(registries, c.data_folder, c.json);
  return show(c.run_path, c.json);
}

Error unknown_word(std::string_view kind, const std::string& word,
                   const std::vector<std::string>& known, std::string_view remedy) {
  const std::string near = nearest_name(word, known);
  return config_error(Place{"command line"}, fmt::format("unknown {} '{}'", kind, word),
                      near.empty() ? fmt::format("one of {}", fmt::join(known, ", "))
                                   : fmt::format("did you mean '{}'?", near),
                      remedy);
}

// What is wrong with the command line: the first unknown word with the nearest known one, else
// what the parser says.
Error command_line_error(const CLI::App& app, const CLI::ParseError& error,
                         const std::vector<std::string>& words) {
  const std::string first = words.empty() ? "" : words.front();
  const CLI::App* command = &app;
  if (!first.empty() && first[0] != '-') {
    std::vector<std::string> commands;
    for (const CLI::App* known : app.get_subcommands(nullptr)) {
      commands.push_back(known->get_name());
      if (known->get_name() == first) command = known;
    }
    if (command == &app) return unknown_word("command", first, commands, "see bitwright --help");
  }
  const std::string help =
      command == &app ? "see bitwright --help" : fmt::format("see bitwright {} --help", first);
  const auto known = option_names(*command);
  for (const std::string& word : words) {
    const std::string name = word.substr(0, word.find('='));
    if (name.size() > 1 && name[0] == '-' &&
        std::find(known.begin(), known.end(), name) == known.end())
      return unknown_word("option", name, known, help);
  }
  return config_error(Place{"command line"}, error.what(), "", help);
}

// libgomp reads its environment when it is loaded. Its workers spin for a while between parallel
// regions; the default wait is so long that a busy neighbour on the same cores slows a step many
// times over, and no spinning makes small steps twice as slow. A wait set by the user stays.
void choose_spinning(char** argv) {
  for (const char* variable : {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"})
    if (std::getenv(variable) != nullptr) return;
  setenv("GOMP_SPINCOUNT", "2000", 1);
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (!failed) execv(program.c_str(), argv);  // when that fails, the default serves
}

void print(const Problems& problems) {
  constexpr std::size_t most = 20;
  const auto& all = problems.all();
  for (std::size_t i = 0; i < std::min(most, all.size()); ++i)
    fmt::print(stderr, "{}\n", all[i].what());
  if (all.size() > most) fmt::print(stderr, "and {} more\n", all.size() - most);
}

int main(int argc, char** argv) {
  choose_spinning(argv);
  CLI::App app{"bitwright: neural-network quantization experiments", "bitwright"};
  Commands commands;
  commands.run.command_line.assign(argv, argv + argc);
  commands.verify.command_line = commands.run.command_line;
  declare(app, commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}\n", command_line_error(app, error, {argv + 1, argv + argc}).what());
    return kConfig;
  }
  try {
    return dispatch(app, commands);
  } catch (const Problems& problems) {
    print(problems);
    return static_cast<int>(problems.status());
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.status());
  } catch (const std::exception& error) {
    fmt::print(stderr, "bitwright: internal error: {}; please report it\n", error.what());
    return kInternal;
  }
}

}  // namespace
}  // namespace bitwright

int main(int argc, char** argv) { return bitwright::main(argc, argv); }
