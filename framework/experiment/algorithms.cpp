#include "experiment/algorithms.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <bitwright/core/error.h>
#include <bitwright/core/parallel.h>
#include <bitwright/results/checkpoint.h>

#include "experiment/assembly.h"
#include "experiment/cache_folder.h"
#include "kernels/convolution_choice.h"
#include "kernels/library_versions.h"

namespace bitwright {
namespace {

namespace fs = std::filesystem;
using kernels::ConvTable;

constexpr const char* kEvent = "algorithm";

Error unreadable(const std::string& file, const std::string& what) {
  return config_error(Place{file}, what, "a table that `bitwright tune` wrote",
                      "remove it and run `bitwright tune` on the experiment");
}

ConvTable read_table(const std::string& file) {
  ConvTable table;
  try {
    for (const auto& entry : YAML::LoadFile(file)["conv2d"]) {
      const auto choice = kernels::parse_choice(entry.second.as<std::string>());
      if (!choice)
        throw unreadable(file,
                         fmt::format("'{}' names no algorithms", entry.second.as<std::string>()));
      table[entry.first.as<std::string>()] = *choice;
    }
  } catch (const YAML::Exception& error) {
    throw unreadable(file, error.what());
  }
  return table;
}

void write_table(const std::string& file, const ConvTable& table) {
  std::string text = fmt::format(
      "# The fastest algorithms that `bitwright tune` found; used by experiments that say\n"
      "# `algorithms: tuned`. {}, oneDNN {}, {} threads.\nconv2d:\n",
      kernels::instruction_set(), kernels::onednn_version(), threads());
  for (const auto& [shape, choice] : table)
    text += fmt::format("  {}: {}\n", shape, kernels::text_of(choice));
  fs::create_directories(fs::path(file).parent_path());
  write_atomically(file, text);
}

ConvTable tuned_table(const Settings& config, int threads) {
  const std::string file = tuned_algorithms_file(threads);
  if (!fs::exists(file))
    throw config_error(config.where("algorithms"),
                       fmt::format("nothing is tuned on this machine for {} threads", threads),
                       file, "run `bitwright tune` on this experiment, or say 'rule'");
  return read_table(file);
}

ConvTable recorded_table(const std::vector<Event>& events) {
  ConvTable table;
  for (const Event& event : events) {
    const auto cut = event.message.find(": ");
    if (event.kind != kEvent || cut == std::string::npos) continue;
    if (const auto choice = kernels::parse_choice(event.message.substr(cut + 2)))
      table[event.message.substr(0, cut)] = *choice;
  }
  return table;
}

// Makes, and throws away, all that the experiment would train and evaluate.
std::vector<kernels::ConvShape> shapes_of(const Registries& registries, const Settings& config) {
  kernels::set_convolution_table({});
  const StageData data(registries, config);
  const auto network = build_network(registries, config, data.of(0).input);
  HandedOverByMethod left;
  for (std::size_t i = 0; i < config.sections("stages").size(); ++i) {
    Stage stage(registries, config, i, data.of(i), *network, left);
    stage.methods->leave(left);
    test_evaluator(config, data.of(i), *network, *stage.methods);
  }
  return kernels::chosen_shapes();
}

}  // namespace

std::string tuned_algorithms_file(int threads) {
  return fmt::format("{}/algorithms-{}-onednn{}-threads{}.yaml", user_cache_folder(),
                     kernels::instruction_set(), kernels::onednn_version(), threads);
}

void set_algorithms(const Settings& config, int threads, const std::vector<Event>& recorded) {
  ConvTable table = recorded_table(recorded);
  if (table.empty() && config.text("algorithms") == "tuned") table = tuned_table(config, threads);
  kernels::set_convolution_table(std::move(table));
}

std::vector<Event> algorithm_events(std::int64_t step, std::size_t& first) {
  std::vector<Event> events;
  for (const kernels::ConvShape& shape : kernels::chosen_shapes(first)) {
    events.push_back(
        {step, kEvent,
         fmt::format("{}: {}", kernels::text_of(shape), kernels::text_of(kernels::choose(shape)))});
    ++first;
  }
  return events;
}

void tune_algorithms(const Registries& registries, const Settings& config) {
  const int team = resolve_threads(config);
  set_threads(team);
  const std::string file = tuned_algorithms_file(team);
  ConvTable table = fs::exists(file) ? read_table(file) : ConvTable{};
  for (const kernels::ConvShape& shape : shapes_of(registries, config)) {
    const kernels::ConvChoice choice = kernels::fastest_choice(shape);
    fmt::print("{}: {}{}\n", kernels::text_of(shape), kernels::text_of(choice),
               choice == kernels::choose(shape)
                   ? ""
                   : " (the rule: " + kernels::text_of(kernels::choose(shape)) + ")");
    table[kernels::text_of(shape)] = choice;
  }
  write_table(file, table);
  fmt::print("written to {}; used with algorithms: tuned, threads: {}\n", file, team);
}

}  // namespace bitwright
