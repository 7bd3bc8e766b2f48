#include "bench/pytorch.h"

#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/child.h"
#include "core/source_script.h"

namespace bitwright::bench {
namespace {

// libgomp's waiting is ours; the peer chooses its own.
const std::map<std::string, std::string> kEnvironment{{"GOMP_SPINCOUNT", ""}};

}  // namespace

PyTorchPeer::PyTorchPeer(int threads) : threads_(threads), script_(source_script("bench-pytorch")) {
  const auto said = nlohmann::json::parse(run_child({kPython, script_, "--version"}, kEnvironment));
  version_ = said.at("torch");
  if (said.at("jemalloc") == "") version_ += " (without jemalloc; apt-get install libjemalloc2)";
}

std::string PyTorchPeer::call(const Case& c, const std::vector<std::string>& more) const {
  std::vector<std::string> command{kPython,     script_,
                                   "--net",     c.net.name,
                                   "--dtype",   c.dtype,
                                   "--mode",    c.mode,
                                   "--batch",   std::to_string(c.net.batch),
                                   "--threads", std::to_string(threads_)};
  command.insert(command.end(), more.begin(), more.end());
  return run_child(command, kEnvironment);
}

std::string PyTorchPeer::tune(const Case& c) const {
  return nlohmann::json::parse(call(c, {"--tune"})).at("settings");
}

PyTorchPeer::Result PyTorchPeer::measure(const Case& c, const std::string& settings,
                                         std::int64_t steps) const {
  const auto said =
      nlohmann::json::parse(call(c, {"--settings", settings, "--steps", std::to_string(steps)}));
  return {said.at("median_ms"), said.at("peak_rss_mb"), said.at("parameters")};
}

}  // namespace bitwright::bench
