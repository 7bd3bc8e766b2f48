#include "experiment/run_directory.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <bitwright/core/error.h>
#include <bitwright/results/run_file.h>

namespace bitwright {

namespace fs = std::filesystem;

static bool is_checkpoint(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.starts_with("checkpoint-") &&
         (name.ends_with(".h5") || name.ends_with(".h5.unusable"));
}

static std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool RunDirectory::exists() const {
  std::error_code failed;
  if (fs::exists(run_file(), failed) || fs::exists(config_file(), failed)) return true;
  for (const auto& entry : fs::directory_iterator(path_, failed))
    if (is_checkpoint(entry.path())) return true;
  return false;
}

bool RunDirectory::finished() const {
  try {
    return RunReader::open(run_file())->status() == 1;
  } catch (const Error&) {
    return false;
  }
}

void RunDirectory::refuse_existing() const {
  throw config_error(
      Place{path_},
      fmt::format("the directory already holds {} run",
                  finished() ? "a finished" : "an unfinished"),
      "a new directory, or a word on what to do",
      "continue with --resume, start anew with --overwrite, or choose another folder with --out");
}

void RunDirectory::refuse_changes(const std::string& config) const {
  const std::string before = read_text(config_file());
  if (before.empty()) return;
  const auto keys = differing_keys(before, config);
  if (keys.empty()) return;
  throw config_error(
      Place{config_file()},
      fmt::format("the configuration changed since this run began: {}", fmt::join(keys, ", ")),
      "the same values", "restore them, or start anew with --overwrite or --out");
}

void RunDirectory::create() const {
  std::error_code failed;
  fs::create_directories(path_, failed);
  if (failed)
    throw storage_error(path_, "the run directory cannot be made: " + failed.message(), "",
                        "name a writable folder with --out");
}

void RunDirectory::clear() const {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(path_, failed)) {
    const fs::path& file = entry.path();
    if (is_checkpoint(file) || file == run_file() || file == config_file() || file == trace_file())
      fs::remove(file, failed);
    if (failed) throw storage_error(file.string(), "cannot be removed: " + failed.message());
  }
}

static void flatten(const YAML::Node& node, const std::string& path,
                    std::map<std::string, std::string>& leaves) {
  if (node.IsMap()) {
    for (const auto& entry : node) {
      const auto key = entry.first.as<std::string>();
      flatten(entry.second, path.empty() ? key : path + "." + key, leaves);
    }
  } else if (node.IsSequence()) {
    for (std::size_t i = 0; i < node.size(); ++i)
      flatten(node[i], path + "." + std::to_string(i), leaves);
  } else {
    leaves[path] = node.IsNull() ? "" : node.Scalar();
  }
}

static bool changes_numbers(const std::string& key) {
  static constexpr std::array<std::string_view, 7> harmless{
      "description",      "data.root",       "data.cache", "data.workers",
      "checkpoint.every", "checkpoint.keep", "log.flush"};
  for (const std::string_view list : {"profiles", "allow"})
    if (key == list || key.starts_with(std::string(list) + ".")) return false;
  return std::find(harmless.begin(), harmless.end(), key) == harmless.end();
}

// How histograms are made says nothing where none are.
static void drop_unused(std::map<std::string, std::string>& leaves) {
  if (leaves.contains("log.histograms.every")) return;
  std::erase_if(leaves, [](const auto& leaf) { return leaf.first.starts_with("log.histograms."); });
}

std::map<std::string, std::string> config_leaves(const std::string& config) {
  std::map<std::string, std::string> leaves;
  flatten(YAML::Load(config), "", leaves);
  return leaves;
}

std::map<std::string, std::string> number_deciding_leaves(const std::string& config) {
  std::map<std::string, std::string> leaves = config_leaves(config);
  std::erase_if(leaves, [](const auto& leaf) { return !changes_numbers(leaf.first); });
  drop_unused(leaves);
  return leaves;
}

std::vector<std::string> differing_keys(const std::string& before, const std::string& after) {
  std::map<std::string, std::string> old_leaves, new_leaves;
  try {
    flatten(YAML::Load(before), "", old_leaves);
  } catch (const YAML::Exception& e) {
    throw storage_error("config.yaml", "the run's record of its configuration is no YAML: " + e.msg,
                        "the file as the run wrote it",
                        "restore it, or start anew with --overwrite");
  }
  flatten(YAML::Load(after), "", new_leaves);
  drop_unused(old_leaves);
  drop_unused(new_leaves);
  std::set<std::string> keys;
  for (const auto& [key, value] : old_leaves)
    if (!new_leaves.contains(key) || new_leaves[key] != value) keys.insert(key);
  for (const auto& [key, value] : new_leaves)
    if (!old_leaves.contains(key)) keys.insert(key);
  std::vector<std::string> differing;
  std::copy_if(keys.begin(), keys.end(), std::back_inserter(differing), changes_numbers);
  return differing;
}

}  // namespace bitwright
