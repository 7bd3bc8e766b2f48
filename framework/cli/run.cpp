#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "cli/commands.h"
#include "experiment/dry_run.h"
#include "experiment/load_experiment.h"
#include "experiment/runner.h"
#include "experiment/schema.h"

namespace bitwright {

Words split_words(const std::vector<std::string>& words) {
  Words split;
  for (const std::string& word : words) {
    std::error_code longer_than_a_path;  // an override may be: then it is no file
    const bool file =
        word.find('=') == std::string::npos || std::filesystem::exists(word, longer_than_a_path);
    (file ? split.files : split.overrides).push_back(word);
  }
  if (split.files.empty())
    throw config_error(Place{"command line"}, "no experiment file is named", "FILE.yaml",
                       "for example experiments/quickstart.yaml");
  return split;
}

int run(const Registries& registries, const RunArguments& arguments) {
  const Words words = split_words(arguments.words);
  if (arguments.trace && !arguments.trace->empty() && words.files.size() > 1)
    throw config_error(Place{"command line"}, "one trace file for several experiments",
                       "one experiment, or --trace without a file",
                       "each run then writes trace.json into its directory");
  const Options options = experiment_options();
  std::vector<RunRequest> requests;
  for (const std::string& file : words.files) {  // all are checked before the first one runs
    RunRequest request;
    LoadedExperiment loaded =
        load_experiment(registries, read_config(file, words.overrides), arguments.profile);
    for (const Finding& warning : loaded.warnings) fmt::print(stderr, "{}\n", warning.line());
    request.config = std::move(loaded.config);
    request.config_text = emit_config(request.config, options, registries);
    request.out = arguments.out;
    request.existing = arguments.resume      ? RunRequest::Existing::resume
                       : arguments.overwrite ? RunRequest::Existing::overwrite
                                             : RunRequest::Existing::refuse;
    request.show_finished = arguments.show_finished;
    request.quiet = arguments.quiet;
    request.json = arguments.json;
    request.trace = arguments.trace;
    request.check_numerics = arguments.check_numerics;
    request.command_line = arguments.command_line;
    requests.push_back(std::move(request));
  }
  if (arguments.dry_run) {
    for (const RunRequest& request : requests)
      fmt::print("{}: {}\n{}", request.config.text("experiment"),
                 request.config.text("description"), dry_run(registries, request.config));
    return 0;
  }
  for (const RunRequest& request : requests)
    if (const int status = run_experiment(registries, request); status != 0) return status;
  return 0;
}

}  // namespace bitwright
