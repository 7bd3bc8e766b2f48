// The corpus of wrong experiments in tests/wrong_configs: one file per mistake, whose first line
// says where it is and what is to be said about it. "# schema:" marks those that no JSON schema can
// see.
#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <bitwright/core/rng.h>

#include "builtin_registries.h"
#include "experiment/load_experiment.h"
#include "experiment/read_yaml.h"
#include "experiment/schema.h"
#include "run_directory.h"

using namespace bitwright;
using bitwright::testing::read_bytes;
using test::builtin_registries;

namespace fs = std::filesystem;

namespace {

struct Expected {
  std::string place, text;
};

Expected expected_of(const std::string& file) {
  std::istringstream lines(read_bytes(file));
  std::string line;
  std::getline(lines, line);
  const std::string start = "# expect: ";
  REQUIRE(line.starts_with(start));
  const auto space = line.find(' ', start.size());
  const std::string place = line.substr(start.size(), space - start.size());
  const std::string folder = fs::path(file).parent_path().string();
  return {place == "-"                  ? file
          : place.starts_with("parts/") ? folder + "/" + place
                                        : file + ":" + place,
          line.substr(space + 1)};
}

std::string answer_to(ConfigFile file) {
  try {
    if (file.fragment) {
      resolve_config(take_sweep(std::move(file)).file, experiment_options(), builtin_registries());
      return "no error";
    }
    load_cells(builtin_registries(), std::move(file), "",
               [](const SweepCell&, const LoadedExperiment&) {});
  } catch (const Error& error) {
    return error.status() == ExitStatus::config ? error.what() : "not a configuration error";
  }
  return "no error";
}

std::string answer_to_text(const std::string& text) {
  try {
    return answer_to(read_config_text(text, "f.yaml", {}));
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("every wrong experiment is answered at the right place") {
  const fs::path folder = BITWRIGHT_SOURCE "/tests/wrong_configs";
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    ++count;
    const std::string file = entry.path().string();
    CAPTURE(file);
    const Expected expected = expected_of(file);
    std::string line;
    try {
      line = answer_to(read_config(file, {}));
    } catch (const Error& error) {
      line = error.what();
    }
    CHECK(line.substr(0, line.find(": error: ")) == expected.place);
    INFO("answer: " << line);
    CHECK(line.find(expected.text) != std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
  }
  CHECK(count >= 120);
}

TEST_CASE("files that are too large, too deep, or multiply") {
  const auto start = [](const std::string& text, const std::string& begin) {
    const std::string line = answer_to_text(text);
    CAPTURE(line);
    CHECK(line.starts_with(begin));
  };
  start("experiment: " + std::string(max_config_bytes, 'a') + "\n", "f.yaml: error: the file has");
  std::string many = "allow: [";
  for (int i = 0; i < 150'000; ++i) many += "a, ";
  start(many + "a]\n", "f.yaml:1:");
  for (const char bracket : {'[', '{'})
    start("allow: " + std::string(100'000, bracket) + "\n", "f.yaml:1:");
  std::string stairs;
  for (int i = 0; i < 300; ++i) stairs += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  start(stairs, "f.yaml:65:");
  std::string bomb = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i)
    bomb += fmt::format("b{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i,
                        i - 1);
  start(bomb, "f.yaml:6:");
  std::string references = "a: [1, 1, 1, 1, 1, 1, 1, 1]\nb0: ['${a}', '${a}', '${a}', '${a}']\n";
  for (int i = 1; i < 25; ++i)
    references +=
        fmt::format("b{0}: ['${{b{1}}}', '${{b{1}}}', '${{b{1}}}', '${{b{1}}}']\n", i, i - 1);
  start(references, "f.yaml:");
  CHECK(answer_to_text(references).find("beyond all measure") != std::string::npos);
}

namespace {

// Every name that a mapping of the schema may hold, with the others that stand beside it.
void collect(const Options& options, std::vector<std::vector<std::string>>& groups) {
  std::vector<std::string> names;
  for (const Option& o : options.list()) {
    names.push_back(o.name);
    if (o.section) collect(*o.section, groups);
  }
  if (!names.empty()) groups.push_back(names);
}

std::vector<std::string> typos(const std::string& word) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word.size() > 3) all.push_back(word.substr(0, i) + word.substr(i + 1));
    all.push_back(word.substr(0, i) + word[i] + word.substr(i));
    all.push_back(word.substr(0, i) + (word[i] == 'e' ? 'r' : 'e') + word.substr(i + 1));
    if (i + 1 < word.size() && word[i] != word[i + 1]) {
      std::string swapped = word;
      std::swap(swapped[i], swapped[i + 1]);
      all.push_back(swapped);
    }
  }
  std::string hyphens = word, upper = word;
  std::replace(hyphens.begin(), hyphens.end(), '_', '-');
  upper[0] = static_cast<char>(upper[0] - 'a' + 'A');
  all.push_back(hyphens);
  all.push_back(upper);
  return all;
}

}  // namespace

TEST_CASE("of typing errors in every declared name, 95 % and more are understood") {
  std::vector<std::vector<std::string>> groups;
  collect(file_options(), groups);
  for (const std::string& kind : Registries::kinds()) {
    const RegistryBase& registry = *builtin_registries().find(kind);
    if (!registry.names().empty()) groups.push_back(registry.names());
    for (const std::string& name : registry.names()) collect(registry.find(name)->options, groups);
  }
  int right = 0, all = 0;
  for (const auto& names : groups)
    for (const std::string& name : names)
      for (const std::string& typo : typos(name)) {
        if (std::find(names.begin(), names.end(), typo) != names.end()) continue;
        ++all;
        right += nearest_name(typo, names) == name ? 1 : 0;
      }
  CHECK(all > 1000);
  const double share = static_cast<double>(right) / all;
  MESSAGE(right << " of " << all << " typing errors understood");
  CHECK(share >= 0.95);
}
