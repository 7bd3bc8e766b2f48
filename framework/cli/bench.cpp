#include <fmt/format.h>

#include <bitwright/core/parallel.h>

#include "bench/child.h"
#include "bench/comparison.h"
#include "bench/loader_speed.h"
#include "bench/report.h"
#include "cli/commands.h"

namespace bitwright {
namespace {

void check_numbers(const BenchArguments& a, std::size_t cases) {
  const auto at_least = [](std::string_view option, std::int64_t value, std::int64_t low) {
    if (value < low)
      throw config_error(Place{"command line"}, fmt::format("{} {}", option, value),
                         fmt::format("a number from {}", low));
  };
  at_least("--threads", a.threads.value_or(1), 1);
  at_least("--repetitions", a.repetitions, 1);
  at_least("--steps", a.steps, 0);
  if (a.in_process && cases != 1)
    throw config_error(Place{"command line"},
                       fmt::format("--in-process with {} things to measure", cases), "one",
                       "choose it with --net, --dtype and --mode");
}

std::vector<bench::Row> measure_all(const Registries& registries, const BenchArguments& a,
                                    const std::vector<bench::Case>& cases) {
  const bench::Schedule schedule{a.threads.value_or(available_cores()), a.repetitions, a.steps};
  if (a.in_process) return {bench::measure_here(registries, cases.front(), schedule)};
  std::optional<bench::PyTorchPeer> peer;
  if (a.compare_pytorch) peer.emplace(schedule.threads);
  // People see each row as soon as it is there; with --json they see it beside the result.
  std::FILE* const table = a.json ? stderr : stdout;
  fmt::print(table, "{}{}", bench::machine_text(schedule.threads, peer ? peer->version() : ""),
             bench::table_head(peer.has_value()));
  std::vector<bench::Row> rows;
  for (const bench::Case& c : cases) {
    std::fflush(table);
    rows.push_back(bench::compare(c, schedule, peer ? &*peer : nullptr));
    fmt::print(table, "{}", bench::table_row(rows.back()));
  }
  return rows;
}

int bench_loader(const Registries& registries, const BenchArguments& a) {
  const int threads = a.threads.value_or(available_cores());
  const auto speed = bench::measure_loader(registries, threads, a.steps);
  const auto steps = bench::measure_fed_steps(registries, threads, a.steps);
  fmt::print("{}", a.json ? bench::loader_as_json(speed, steps) : bench::loader_text(speed, steps));
  return 0;
}

}  // namespace

int bench_command(const Registries& registries, const BenchArguments& a) {
  if (a.loader) {
    check_numbers(a, 1);
    return bench_loader(registries, a);
  }
  const auto cases = bench::select(registries, {a.nets, a.dtypes, a.modes, a.methods});
  check_numbers(a, cases.size());
  try {
    const auto rows = measure_all(registries, a, cases);
    if (a.json)
      fmt::print("{}", bench::rows_as_json(rows));
    else if (a.in_process)
      fmt::print("{}{}{}\n", bench::table_head(false), bench::table_row(rows[0]), rows[0].ops);
  } catch (const bench::ChildFailed& child) {  // it has said what there is to say
    fmt::print(stderr, "{}\n", child.what());
    return child.status;
  }
  return 0;
}

}  // namespace bitwright
