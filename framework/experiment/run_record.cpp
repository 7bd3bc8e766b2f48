#include "experiment/run_record.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include <bitwright/core/error.h>
#include <bitwright/core/sha256.h>
#include <bitwright/results/run_file.h>

#include "experiment/run_directory.h"
#include "results/logged_value.h"

namespace bitwright {

using Json = nlohmann::ordered_json;

static constexpr const char* kFormat = "bitwright record 1";

std::string RunRecord::config_hash() const {
  Sha256 sum;
  for (const auto& [key, value] : config) {
    const std::string line = key + "=" + value + "\n";
    sum.update(line.data(), line.size());
  }
  return sum.hex();
}

std::string RunRecord::revision() const {
  const auto of = [&](const char* name) {
    const auto at = environment.find(name);
    return at == environment.end() ? std::string("unknown") : at->second;
  };
  return fmt::format("{} ({})", of("version"), of("git"));
}

// Images of the training stages: their updates, as the evaluations that end them say, times the
// batches of an update.
static double images_seen(const RunReader& reader, const std::string& config) {
  const TableData evaluations = reader.table("/metrics/evaluation");
  const std::size_t width = evaluations.table.row_width();
  std::map<std::size_t, double> last_step;  // by stage
  for (std::size_t row = 0; row < evaluations.rows(); ++row) {
    const double* const at = &evaluations.values[row * width];
    last_step[static_cast<std::size_t>(at[1])] = at[0];
  }
  const YAML::Node root = YAML::Load(config);
  double images = 0, before = 0;
  for (const auto& [stage, step] : last_step) {
    const double steps = step - std::exchange(before, step);
    const YAML::Node s = root["stages"][stage];
    if (!s || s["kind"].as<std::string>("train") != "train") continue;
    const YAML::Node data = s["data"] ? s["data"] : root["data"];
    images += steps * data["batch"].as<double>() * s["accumulate"].as<double>(1);
  }
  return images;
}

std::optional<RunRecord> record_of_run(const std::string& directory,
                                       const std::set<std::string>& logged) {
  const RunDirectory run(directory);
  if (!run.exists() || !run.finished()) return {};
  const auto reader = RunReader::open(run.run_file());
  const RunHeader header = reader->header();
  RunRecord record;
  record.experiment = header.experiment;
  record.seed = header.seed;
  record.config = deciding_values(header.config);
  for (const auto& [name, value] : header.provenance)
    if (name.starts_with("data.")) {
      record.data[name.substr(5)] = value;
    } else if (name != "command_line" && name != "host" && name != "binary") {
      record.environment[name] = value;
    }
  record.images = images_seen(*reader, header.config);
  record.results = reader->results();
  for (const std::string& name : logged)
    record.results[name] = results::logged_value(*reader, name, run.run_file());
  return record;
}

std::string record_text(const RunRecord& record) {
  Json results = Json::object();
  for (const auto& [name, value] : record.results)
    if (!std::isnan(value)) results[name] = value;
  return Json{{"format", kFormat},       {"experiment", record.experiment},
              {"seed", record.seed},     {"config_sha256", record.config_hash()},
              {"images", record.images}, {"results", results},
              {"data", record.data},     {"environment", record.environment},
              {"config", record.config}}
             .dump(1) +
         "\n";
}

RunRecord read_record(const std::string& text, const std::string& file) {
  try {
    const Json json = Json::parse(text);
    if (json.at("format") != kFormat)
      throw storage_error(file, fmt::format("format {}", json.at("format").dump()),
                          fmt::format("\"{}\"", kFormat), "make it again with this version");
    RunRecord r;
    json.at("experiment").get_to(r.experiment);
    json.at("seed").get_to(r.seed);
    json.at("images").get_to(r.images);
    json.at("results").get_to(r.results);
    json.at("data").get_to(r.data);
    json.at("environment").get_to(r.environment);
    json.at("config").get_to(r.config);
    if (json.at("config_sha256") != r.config_hash())
      throw storage_error(file, "the record was changed by hand: its config does not fit its hash",
                          "the file as it was written", "make it again with table --keep");
    return r;
  } catch (const Json::exception& e) {
    throw storage_error(file, fmt::format("not a record of a run: {}", e.what()),
                        fmt::format("JSON with \"format\": \"{}\"", kFormat),
                        "remove it, or make it again with table --keep");
  }
}

std::map<std::string, std::string> deciding_values(const std::string& config) {
  std::map<std::string, std::string> values = number_deciding_leaves(config);
  values.erase("seed");
  return values;
}

std::vector<std::string> conflicts(const RunRecord& record,
                                   const std::map<std::string, std::string>& config) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : record.config)
    if (const auto now = config.find(key); now == config.end() || now->second != value)
      keys.push_back(key);
  return keys;
}

}  // namespace bitwright
