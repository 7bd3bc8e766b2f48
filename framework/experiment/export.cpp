#include "experiment/export.h"

#include <filesystem>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

#include <bitwright/core/parallel.h>
#include <bitwright/results/checkpoint.h>
#include <bitwright/results/run_file.h>

#include "experiment/algorithms.h"
#include "experiment/assembly.h"
#include "experiment/config.h"
#include "experiment/deployed_network.h"
#include "experiment/run_directory.h"
#include "experiment/schema.h"

namespace bitwright {
namespace {

namespace fs = std::filesystem;

// What a file says about its network, beside the network itself.
struct About {
  std::string experiment, config, result, algorithms;  // algorithms: one choice a line
  std::int64_t seed = 0, threads = 1;
  double accuracy = 0;

  void visit(StateVisitor& visitor) {
    visitor.text("experiment", experiment);
    visitor.text("config", config);
    visitor.integer("seed", seed);
    visitor.integer("threads", threads);
    visitor.text("algorithms", algorithms);
    visitor.text("result", result);
    visitor.real("accuracy", accuracy);
  }
};

RunDirectory directory_of(const fs::path& run_file) {
  return RunDirectory(run_file.has_parent_path() ? run_file.parent_path().string() : ".");
}

Error not_understood(const std::string& file, const Error& error) {
  return storage_error(file, fmt::format("its configuration is not understood: {}", error.what()),
                       "components that this program has", "use the version that made it");
}

// Everything in it counts as a default: it was checked before the run, and a default pattern that
// fits nothing in this network is no mistake.
Settings settings_of(const Registries& registries, const About& about, const std::string& file) {
  try {
    return parse_config(about.config, "default", {}, experiment_options(), registries);
  } catch (const Error& error) {
    throw not_understood(file, error);
  }
}

RebuiltNetwork rebuild(const Registries& registries, const Settings& config,
                       const std::string& file) {
  try {
    return RebuiltNetwork(registries, config);
  } catch (const Error& error) {
    throw not_understood(file, error);
  }
}

// The result that a run's final checkpoint had in its test.
std::string result_of(const Settings& config) {
  const Settings& stage = config.sections("stages").back();
  const std::string kind = stage.sections("methods").empty() ? "float" : "hard";
  return "test_accuracy_" + kind + (stage.text("hand_over") == "last" ? "_last" : "");
}

About about_run(const Registries& registries, const std::string& file) {
  const auto reader = RunReader::open(file);
  if (reader->status() != static_cast<int>(RunStatus::finished))
    throw storage_error(file,
                        fmt::format("the run is not finished but {}",
                                    name_of(static_cast<RunStatus>(reader->status()))),
                        "a finished run", "finish it with `bitwright run --resume`");
  const RunHeader header = reader->header();
  About about;
  about.experiment = header.experiment;
  about.config = header.config;
  about.seed = header.seed;
  const auto threads = header.provenance.find("threads");
  if (threads != header.provenance.end()) about.threads = std::stoi(threads->second);
  for (const Event& event : reader->events())
    if (event.kind == "algorithm") about.algorithms += event.message + "\n";
  about.result = result_of(settings_of(registries, about, file));
  about.accuracy = reader->results().at(about.result);
  return about;
}

// Everything that the final checkpoint holds of the network and its methods.
void load_final(const RunDirectory& directory, RebuiltNetwork& rebuilt) {
  const Checkpoint checkpoint = Checkpoint::open(directory.final_checkpoint());
  checkpoint.load_scope("network", [&](StateVisitor& v) { rebuilt.network->visit(v); });
  checkpoint.load_scope("methods", [&](StateVisitor& v) { rebuilt.methods->visit(v); });
}

void load_exported(const Checkpoint& file, RebuiltNetwork& rebuilt) {
  std::vector<StoredWeight> weights;
  for (const Parameter& p : rebuilt.network->parameters()) weights.emplace_back(p);
  try {
    file.load_scope("payload", [&](StateVisitor& v) {
      visit_payload(v, *rebuilt.network, *rebuilt.methods, weights);
    });
    std::size_t i = 0;
    for (const Parameter& p : rebuilt.network->parameters())
      rebuilt.methods->replace_deployed(p, weights[i++].decoded());
  } catch (const std::invalid_argument& wrong) {
    throw storage_error(file.path(), wrong.what(), "what `bitwright export` writes");
  }
}

void refuse_other_file(const std::string& file) {
  std::error_code failed;
  if (!fs::exists(file, failed)) return;
  try {
    Checkpoint::open(file, deployed_format);
  } catch (const Error&) {
    throw storage_error(file, "exists and is no exported network, which alone is replaced", "",
                        "name another file, or remove it");
  }
}

std::vector<Event> recorded_algorithms(const About& about) {
  std::vector<Event> events;
  for (std::size_t begin = 0; begin < about.algorithms.size();) {
    const std::size_t end = about.algorithms.find('\n', begin);
    if (end == std::string::npos) break;
    events.push_back({0, "algorithm", about.algorithms.substr(begin, end - begin)});
    begin = end + 1;
  }
  return events;
}

double test_accuracy(const Registries& registries, const Settings& config, const About& about,
                     RebuiltNetwork& rebuilt) {
  set_algorithms(config, static_cast<int>(about.threads), recorded_algorithms(about));
  const ExperimentData data =
      load_data(registries, data_of(config, config.sections("stages").back()),
                static_cast<std::uint64_t>(config.integer("seed")));
  return test_evaluator(config, data, *rebuilt.network, *rebuilt.methods)
      ->run(Deployment::hard)
      .accuracy;
}

}  // namespace

Exported export_network(const Registries& registries, const std::string& run,
                        const std::string& file) {
  refuse_other_file(file);
  const std::string run_file = run_file_of(run);
  About about = about_run(registries, run_file);
  RebuiltNetwork rebuilt = rebuild(registries, settings_of(registries, about, run_file), run_file);
  load_final(directory_of(run_file), rebuilt);
  std::vector<StoredWeight> weights;
  for (const Parameter& p : rebuilt.network->parameters())
    weights.emplace_back(p, *rebuilt.methods);
  const std::string image = checkpoint_image(
      [&](StateVisitor& v) {
        {
          const StateScope scope(v, "about");
          about.visit(v);
        }
        const StateScope scope(v, "payload");
        visit_payload(v, *rebuilt.network, *rebuilt.methods, weights);
      },
      deployed_format);
  write_atomically(file, image);
  return {payload_bytes(*rebuilt.network, *rebuilt.methods),
          static_cast<std::int64_t>(image.size()), rebuilt.network->parameter_count()};
}

TestedNetwork evaluate_network(const Registries& registries, const std::string& path) {
  const fs::path given(path);
  std::error_code failed;
  const bool is_run = fs::is_directory(given, failed) || given.filename() == "run.h5";
  About about;
  std::optional<Checkpoint> exported;
  if (is_run) {
    about = about_run(registries, run_file_of(path));
  } else {
    exported = Checkpoint::open(path, deployed_format);
    exported->load_scope("about", [&](StateVisitor& v) { about.visit(v); });
  }
  const Settings config = settings_of(registries, about, path);
  set_threads(static_cast<int>(about.threads));
  RebuiltNetwork rebuilt = rebuild(registries, config, path);
  if (exported) {
    load_exported(*exported, rebuilt);
  } else {
    load_final(directory_of(run_file_of(path)), rebuilt);
  }
  return {about.result, test_accuracy(registries, config, about, rebuilt), about.accuracy};
}

}  // namespace bitwright
