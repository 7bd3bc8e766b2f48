#include "experiment/initial_weights.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <vector>

#include <fmt/format.h>

#include <bitwright/core/sha256.h>
#include <bitwright/results/array_file.h>

#include "experiment/run_directory.h"

namespace fs = std::filesystem;

namespace bitwright {
namespace {

using Targets = std::map<std::string, Tensor*>;

Targets targets_of(Network& network) {
  Targets targets;
  for (Parameter& p : network.parameters()) targets[p.name] = &p.value;
  for (Buffer& b : network.buffers()) targets[b.name] = &b.value;
  return targets;
}

// How the arrays of a file and the tensors of a network differ.
struct Difference {
  std::vector<std::string> missing, unknown, misshapen;
  std::size_t fitting = 0;
};

Difference compare(const std::map<std::string, Shape>& arrays, const Targets& targets) {
  Difference difference;
  for (const auto& [name, tensor] : targets) {
    const auto at = arrays.find(name);
    if (at == arrays.end()) {
      difference.missing.push_back(name);
    } else if (at->second != tensor->shape()) {
      difference.misshapen.push_back(
          fmt::format("{} {} instead of {}", name, at->second.str(), tensor->shape().str()));
    } else {
      ++difference.fitting;
    }
  }
  for (const auto& [name, shape] : arrays)
    if (!targets.contains(name)) difference.unknown.push_back(name);
  return difference;
}

// "WHAT a, b, c and 7 more"
void mention(std::vector<std::string>& parts, std::string_view what,
             const std::vector<std::string>& names) {
  constexpr std::size_t most = 4;
  if (names.empty()) return;
  const std::vector<std::string> some(names.begin(), names.begin() + std::min(most, names.size()));
  parts.push_back(fmt::format("{} {}", what, fmt::join(some, ", ")));
  if (names.size() > most) parts.back() += fmt::format(" and {} more", names.size() - most);
}

void refuse(const Settings& init, const Settings& network, const Difference& difference,
            bool strict) {
  std::vector<std::string> parts;
  mention(parts, "lacks", difference.missing);
  mention(parts, "has unknown", difference.unknown);
  mention(parts, "has the shapes", difference.misshapen);
  throw config_error(
      init.where("from"),
      fmt::format("the arrays of '{}' do not fit network '{}': it {}", init.text("from"),
                  network.name(), fmt::join(parts, "; it ")),
      strict ? "every parameter and running statistic of the network, and nothing else"
             : "at least one array, and only shapes that fit",
      strict
          ? "rename them as framework/nn/README.md says, or take what is there with strict: false"
          : "rename them as framework/nn/README.md says, or remove what has another shape");
}

void check_numbers(const std::string& file, const std::string& name, const Tensor& values) {
  const bool variance = name.ends_with(".running_variance");
  for (const float x : values.values())
    if (!std::isfinite(x) || (variance && x < 0))
      throw data_error(file, fmt::format("array '{}' holds {}", name, x),
                       variance ? "finite numbers of at least 0" : "finite numbers");
}

}  // namespace

bool has_initial_weights(const Settings& config) {
  return !config.section("init").text("from").empty();
}

std::string initial_weights_file(const Settings& config) {
  const std::string& from = config.section("init").text("from");
  const std::string named = "runs/" + from;
  for (const std::string& path :
       {from, fmt::format("{}/seed-{}", from, config.integer("seed")), named,
        fmt::format("{}/seed-{}", named, config.integer("seed"))}) {
    if (!fs::is_directory(path)) {
      if (path == from && fs::exists(path)) return path;
      continue;
    }
    const RunDirectory run(path);
    if (!run.exists()) continue;
    if (run.finished()) return run.final_checkpoint();
    throw data_error(path, "the run is not finished", "one that has ended",
                     "continue it with --resume");
  }
  throw data_error(from, "is no file, and no run's folder or name below 'runs'",
                   "an HDF5 file, or a finished run: FOLDER, EXPERIMENT or EXPERIMENT/seed-N");
}

std::string initial_weights_hash(const Settings& config) {
  return has_initial_weights(config) ? sha256_file(initial_weights_file(config)) : "";
}

std::string load_initial_weights(const Settings& config, Network& network) {
  const Settings& init = config.section("init");
  const bool strict = init.boolean("strict");
  const std::string path = initial_weights_file(config);
  const ArrayFile file = ArrayFile::open(path);
  const Targets targets = targets_of(network);
  const Difference difference = compare(file.arrays(), targets);
  const bool other_names = !difference.missing.empty() || !difference.unknown.empty();
  if (!difference.misshapen.empty() || difference.fitting == 0 || (strict && other_names))
    refuse(init, config.section("network"), difference, strict);
  for (const auto& [name, tensor] : targets) {
    if (!file.arrays().contains(name)) continue;
    file.read(name, *tensor);
    check_numbers(path, name, *tensor);
  }
  std::vector<std::string> parts;
  mention(parts, "left at their initial values:", difference.missing);
  mention(parts, "not used:", difference.unknown);
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace bitwright
