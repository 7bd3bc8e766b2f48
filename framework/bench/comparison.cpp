#include "bench/comparison.h"

#include <algorithm>
#include <filesystem>

#include <bitwright/core/error.h>

#include "bench/child.h"
#include "bench/report.h"
#include "experiment/trace.h"

namespace bitwright::bench {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return 0.5 * (values[(n - 1) / 2] + values[n / 2]);
}

Measurement measure_in_child(const Case& c, const Schedule& s) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  return measurement_from_json(
      run_child({program, "bench", "--in-process", "--json", "--net", c.net.name, "--dtype",
                 c.dtype, "--mode", c.mode, "--method", c.method.empty() ? "none" : c.method,
                 "--threads", std::to_string(s.threads), "--steps", std::to_string(s.steps)}));
}

// The repetitions as one: the one in the middle, by its median, with the extremes of all. Its step
// and its sum of primitives met the same machine.
Measurement combined(std::vector<Measurement> all) {
  std::sort(all.begin(), all.end(),
            [](const Measurement& a, const Measurement& b) { return a.median_ms < b.median_ms; });
  Measurement total = all[(all.size() - 1) / 2];
  total.steps = total.allocations = 0;
  for (const Measurement& m : all) {
    total.steps += m.steps;
    total.min_ms = std::min(total.min_ms, m.min_ms);
    total.allocations += m.allocations;
    total.peak_rss_mb = std::max(total.peak_rss_mb, m.peak_rss_mb);
  }
  return total;
}

PeerRow combined(const std::vector<PyTorchPeer::Result>& peer, const std::vector<Measurement>& ours,
                 const std::string& settings) {
  std::vector<double> times, ratios;
  PeerRow row{.settings = settings};
  for (std::size_t i = 0; i < peer.size(); ++i) {
    times.push_back(peer[i].median_ms);
    ratios.push_back(peer[i].median_ms / ours[i].median_ms);
    row.peak_rss_mb = std::max(row.peak_rss_mb, peer[i].peak_rss_mb);
    require(peer[i].parameters == ours[i].parameters,
            "scripts/bench-pytorch builds another network than bench measures");
  }
  const auto [least, greatest] = std::minmax_element(ratios.begin(), ratios.end());
  row.ratio_min = *least;
  row.ratio_max = *greatest;
  row.median_ms = median(times);
  row.ratio = median(ratios);
  return row;
}

}  // namespace

Row compare(const Case& c, const Schedule& schedule, const PyTorchPeer* peer) {
  const std::string settings = peer ? peer->tune(c) : "";
  std::vector<Measurement> ours;
  std::vector<PyTorchPeer::Result> theirs;
  for (int i = 0; i < schedule.repetitions; ++i) {
    ours.push_back(measure_in_child(c, schedule));
    if (peer) theirs.push_back(peer->measure(c, settings, schedule.steps));
  }
  Row row{c, schedule.threads, schedule.repetitions, combined(ours), std::nullopt, ""};
  if (peer) row.peer = combined(theirs, ours, settings);
  return row;
}

Row measure_here(const Registries& registries, const Case& c, const Schedule& s) {
  StepProfile profile;
  const Measurement measured = measure(registries, c, {s.threads, s.steps}, profile);
  return {
      c,        s.threads,    1,
      measured, std::nullopt, profile_table(c.net.name + " " + c.dtype + " " + c.mode, profile)};
}

}  // namespace bitwright::bench
