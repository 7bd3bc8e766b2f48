// What `bitwright verify` says.
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiment/verify.h"

namespace bitwright {
namespace {

using Json = nlohmann::ordered_json;

// Of a list that may be long; JSON has it all.
constexpr std::size_t kMost = 10;

template <class T, class Line>
void lines(const std::vector<T>& all, const char* more, Line line, std::string& text) {
  for (std::size_t i = 0; i < std::min(kMost, all.size()); ++i) text += "  " + line(all[i]) + "\n";
  if (all.size() > kMost) text += fmt::format("  and {} more {}\n", all.size() - kMost, more);
}

std::string known(const std::string& value) { return value.empty() ? "nothing" : value; }

std::string facts_text(const Verification& v) {
  if (v.facts.empty())
    return "binary, libraries, CPU, threads and data are those on the run's record\n";
  std::string text = "other than on the run's record:\n";
  for (const FactDifference& f : v.facts)
    text += fmt::format("  {}: {} was {}, here {}\n", f.group, f.fact, known(f.recorded),
                        known(f.here));
  return text;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace

std::string verification_text(const Verification& v) {
  std::string text = fmt::format("{}: steps {} to {}, from the checkpoint of step {}\n", v.run_file,
                                 v.from + 1, v.to, v.from);
  if (v.asked)
    text += fmt::format("no checkpoint lies {} steps before the end: {} steps were done again\n",
                        *v.asked, v.to - v.from);
  if (v.equal())
    text += fmt::format("equal: all bits of {} numbers and of {} entries of state\n", v.numbers,
                        v.entries);
  if (!v.diverged.empty()) text += fmt::format("different: the re-run ended: {}\n", v.diverged);
  if (!v.metrics.empty()) text += "different, each first at this step:\n";
  lines(
      v.metrics, "metrics",
      [](const MetricDifference& d) {
        return fmt::format("step {}: {} was {}, here {}", d.step, d.metric, d.recorded, d.here);
      },
      text);
  if (!v.state.empty())
    text += fmt::format("different after step {}, as recorded and here:\n", v.to);
  lines(
      v.state, "entries",
      [](const results::StateDifference& d) { return fmt::format("{}: {}", d.entry, d.what); },
      text);
  return text + facts_text(v);
}

std::string verification_json(const Verification& v) {
  Json metrics = Json::array(), state = Json::array(), facts = Json::array();
  for (const MetricDifference& d : v.metrics)
    metrics.push_back({{"metric", d.metric},
                       {"step", d.step},
                       {"recorded", number(d.recorded)},
                       {"here", number(d.here)}});
  for (const results::StateDifference& d : v.state)
    state.push_back({{"entry", d.entry}, {"difference", d.what}});
  for (const FactDifference& f : v.facts)
    facts.push_back(
        {{"group", f.group}, {"fact", f.fact}, {"recorded", f.recorded}, {"here", f.here}});
  const Json object = {{"run", v.run_file},
                       {"equal", v.equal()},
                       {"from", v.from},
                       {"to", v.to},
                       {"asked", v.asked ? Json(*v.asked) : Json(nullptr)},
                       {"numbers", v.numbers},
                       {"entries", v.entries},
                       {"metrics", metrics},
                       {"state", state},
                       {"facts", facts},
                       {"diverged", v.diverged}};
  return object.dump() + "\n";
}

}  // namespace bitwright
