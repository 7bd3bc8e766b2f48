// data check: reads every copy of every data set in a folder and says what is there.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <bitwright/data/dataset.h>

#include "cli/commands.h"
#include "experiment/assembly.h"
#include "experiment/resolver.h"

namespace bitwright {
namespace {

/// One set in one folder or archive.
struct CopyReport {
  std::string set, path;
  std::int64_t train = 0, test = 0;
  int classes = 0;
  std::int64_t fewest = 0, most = 0;  ///< training images of a class that has any
  std::optional<OfficialSize> official;
  std::map<std::string, std::string> hashes;
  std::string problem;  ///< the message, when it cannot be read

  bool subset() const {
    return official &&
           (train < official->train || test < official->test || classes < official->classes);
  }
};

DataRoot checked_root(const std::string& path) {
  Settings settings;
  settings.set("root", path, Place{"command line"});
  settings.set("cache", std::string(), Place{"default"});
  DataRoot root = data_root(settings);
  root.verify_again = true;
  return root;
}

std::unique_ptr<Dataset> make_set(const Registries& registries, const std::string& name,
                                  const std::string& path) {
  const ConfigNode nothing = ConfigNode::mapping(Place{"command line"});
  Settings settings =
      Resolver(registries).mapping(nothing, registries.datasets.find(name)->options);
  settings.set_component(name);
  return registries.datasets.make(settings, checked_root(path));
}

void count_classes(const ImageSet& train, CopyReport& report) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(train.classes));
  for (const std::int32_t label : train.labels) ++counts[static_cast<std::size_t>(label)];
  counts.erase(std::remove(counts.begin(), counts.end(), 0), counts.end());
  report.classes = static_cast<int>(counts.size());
  const auto [fewest, most] = std::minmax_element(counts.begin(), counts.end());
  report.fewest = *fewest;
  report.most = *most;
}

CopyReport read_set(const Registries& registries, const std::string& name,
                    const std::string& path) {
  CopyReport report{.set = name, .path = path, .official = {}, .hashes = {}, .problem = {}};
  try {
    const auto dataset = make_set(registries, name, path);
    report.official = dataset->official();
    const ImageSet train = dataset->train();
    count_classes(train, report);
    report.train = train.count();
    report.test = dataset->test().count();
    report.hashes = dataset->hashes();
  } catch (const Error& error) {
    if (error.status() != ExitStatus::data) throw;
    report.problem = error.what();
  }
  return report;
}

// "FashionMNIST/raw" names "fashion_mnist".
bool names(const std::string& path, const std::string& set) {
  const auto letters = [](const std::string& text) {
    std::string kept;
    for (const unsigned char c : text)
      if (std::isalnum(c)) kept += static_cast<char>(std::tolower(c));
    return kept;
  };
  return letters(path).find(letters(set)) != std::string::npos;
}

// Sets that share file names claim the same folder. Of those that cannot read it, one speaks, and
// only when none can: the one that the path names, else the one with the shortest name.
std::vector<CopyReport> settle_claims(std::vector<CopyReport> reports) {
  std::vector<CopyReport> settled;
  for (const CopyReport& report : reports) {
    const bool outdone = std::any_of(reports.begin(), reports.end(), [&](const CopyReport& other) {
      if (report.problem.empty() || &other == &report || other.path != report.path) return false;
      const auto rank = [](const CopyReport& r) {
        return std::tuple(!r.problem.empty(), !names(r.path, r.set), r.set.size(), r.set);
      };
      return rank(other) < rank(report);
    });
    if (!outdone) settled.push_back(report);
  }
  return settled;
}

std::vector<CopyReport> read_all_sets(const Registries& registries, const std::string& folder) {
  std::vector<CopyReport> reports;
  for (const std::string& name : registries.datasets.names())
    for (const std::string& path : make_set(registries, name, folder)->copies())
      reports.push_back(read_set(registries, name, path));
  return settle_claims(std::move(reports));
}

std::string counted(std::int64_t count, std::optional<std::int64_t> official) {
  return official && count != *official ? fmt::format("{} of {}", count, *official)
                                        : fmt::format("{}", count);
}

std::string text(const CopyReport& r) {
  const auto official = [&](auto member) -> std::optional<std::int64_t> {
    if (!r.official) return {};
    return (*r.official).*member;
  };
  std::string lines = fmt::format(
      "{}{}: {} training and {} test images, {} classes with {} training images each\n  {}\n",
      r.set, r.subset() ? " (subset)" : "", counted(r.train, official(&OfficialSize::train)),
      counted(r.test, official(&OfficialSize::test)),
      r.official ? counted(r.classes, r.official->classes) : counted(r.classes, {}),
      r.fewest == r.most ? fmt::format("{}", r.most) : fmt::format("{} to {}", r.fewest, r.most),
      r.path);
  for (const auto& [file, hash] : r.hashes) lines += fmt::format("  {}  {}\n", hash, file);
  return lines;
}

nlohmann::ordered_json json(const CopyReport& r) {
  nlohmann::ordered_json object{{"set", r.set}, {"path", r.path}, {"whole", r.problem.empty()}};
  if (!r.problem.empty()) {
    object["problem"] = r.problem;
    return object;
  }
  object["subset"] = r.subset();
  object["train"] = r.train;
  object["test"] = r.test;
  object["classes"] = r.classes;
  object["sha256"] = r.hashes;
  return object;
}

}  // namespace

int check_data(const Registries& registries, const std::string& folder, bool as_json) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder, ignored))
    throw data_error(folder, "does not exist", "a folder with data sets, or an archive of one",
                     "correct the path");
  const std::vector<CopyReport> reports = read_all_sets(registries, folder);
  if (reports.empty())
    throw data_error(folder, "there is no data set that bitwright knows",
                     fmt::format("one of {}", fmt::join(registries.datasets.names(), ", ")),
                     "download one with scripts/fetch-data, or see datasets/README.md for the "
                     "layouts that are read");
  auto all = nlohmann::ordered_json::array();
  std::int64_t problems = 0;
  for (const CopyReport& report : reports) {
    problems += report.problem.empty() ? 0 : 1;
    if (as_json)
      all.push_back(json(report));
    else if (report.problem.empty())
      fmt::print("{}", text(report));
    if (!report.problem.empty()) fmt::print(stderr, "{}\n", report.problem);
  }
  if (as_json)
    fmt::print("{}\n", all.dump(2));
  else
    fmt::print("{} found, {} damaged or incomplete\n", reports.size(), problems);
  return problems == 0 ? 0 : static_cast<int>(ExitStatus::data);
}

}  // namespace bitwright
