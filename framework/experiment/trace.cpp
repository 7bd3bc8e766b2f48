#include "experiment/trace.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <bitwright/core/error.h>

namespace bitwright {
namespace {

using Json = nlohmann::ordered_json;
using Span = StepProfile::Span;

double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

std::string_view name_of(Phase phase) {
  switch (phase) {
    case Phase::batch:
      return "batch";
    case Phase::methods:
      return "methods";
    case Phase::tape:
      return "tape";
    case Phase::optimizer:
      return "optimizer";
    case Phase::evaluation:
      return "evaluation";
  }
  return "";
}

std::string_view name_of(const Span& span, const StepProfile& profile) {
  switch (span.kind) {
    case Span::Kind::op:
      return profile.ops()[span.node].name;
    case Span::Kind::phase:
      return name_of(span.phase);
    case Span::Kind::step:
      break;
  }
  return "step";
}

std::string_view category_of(const Span& span) {
  if (span.kind != Span::Kind::op) return "phase";
  return span.pass == Pass::forward ? "forward" : "backward";
}

Json metadata(std::string_view what, std::string_view name, std::size_t process) {
  return {{"name", what}, {"ph", "M"}, {"pid", process}, {"tid", 1}, {"args", {{"name", name}}}};
}

// A complete event ("X"): times in microseconds since the run began.
Json event(const Span& span, const StepProfile& profile, std::size_t process,
           StepProfile::Clock::time_point start) {
  const auto microseconds = [](StepProfile::Clock::duration d) {
    return std::chrono::duration<double, std::micro>(d).count();
  };
  Json e = {{"name", name_of(span, profile)},
            {"cat", category_of(span)},
            {"ph", "X"},
            {"pid", process},
            {"tid", 1},
            {"ts", microseconds(span.begin - start)},
            {"dur", microseconds(span.end - span.begin)},
            {"args", {{"step", span.at_step + 1}}}};
  if (span.kind == Span::Kind::op) e["args"]["layer"] = profile.ops()[span.node].layer;
  return e;
}

}  // namespace

Trace::Trace(std::string file) : file_(std::move(file)) { write(); }

StepObserver& Trace::begin_stage(const std::string& name) {
  stages_.push_back({name, std::make_unique<StepProfile>(kStepsInFile)});
  return *stages_.back().profile;
}

std::string Trace::end_stage() const {
  write();
  return profile_table("stage " + stages_.back().name, *stages_.back().profile) +
         fmt::format("\n  the first {} steps of each stage: {}", kStepsInFile, file_);
}

void Trace::write() const {
  Json events = Json::array();
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const StepProfile& profile = *stages_[i].profile;
    events.push_back(metadata("process_name", "stage " + stages_[i].name, i + 1));
    events.push_back(metadata("thread_name", "training", i + 1));
    for (const Span& span : profile.spans())
      if (span.kind != Span::Kind::phase || span.phase != Phase::tape)  // its ops say more
        events.push_back(event(span, profile, i + 1, start_));
  }
  std::ofstream file(file_, std::ios::binary);
  file << Json{{"displayTimeUnit", "ms"}, {"traceEvents", events}}.dump(
              -1, ' ', false, Json::error_handler_t::replace)
       << '\n';
  file.close();
  if (!file)
    throw storage_error(file_, fmt::format("the trace cannot be written: {}", std::strerror(errno)),
                        "a writable file", "name one with --trace=FILE");
}

std::string profile_table(const std::string& what, const StepProfile& profile) {
  const double floor = profile.floor(), step = profile.steps().median();
  std::size_t layer_width = 9, op_width = 2;
  for (const StepProfile::OpTimes& op : profile.ops()) {
    layer_width = std::max(layer_width, op.layer.size());
    op_width = std::max(op_width, op.name.size());
  }
  const auto row = [&](std::string_view layer, std::string_view op, auto forward, auto backward,
                       auto share) {
    return fmt::format("  {:<{}}  {:<{}}  {:>12}  {:>12}  {:>8}\n", layer, layer_width, op,
                       op_width, forward, backward, share);
  };
  const auto ms = [](double t) { return fmt::format("{:.4f}", t); };
  const auto share = [&](double t) { return fmt::format("{:.1f} %", percent(t, floor)); };
  std::string text = fmt::format("{}: time of {} steps, medians\n", what, profile.steps().count());
  text += row("layer", "op", "forward ms", "backward ms", "of floor");
  for (const StepProfile::OpTimes& op : profile.ops()) {
    const double forward = op.forward.median(), backward = op.backward.median();
    text += row(op.layer, op.name, ms(forward), op.backward.count() ? ms(backward) : "-",
                share(forward + backward));
  }
  const double optimizer = profile.phase(Phase::optimizer).median();
  text += row("optimizer", "", ms(optimizer), "", share(optimizer));
  const double total = profile.steps().total();
  return text + fmt::format(
                    "  step {:.4f} ms, floor (sum of the above) {:.4f} ms, {:.1f} % of the step\n"
                    "  batch (waiting and copying) {:.1f} %, methods {:.1f} % of all time in steps",
                    step, floor, percent(floor, step),
                    percent(profile.phase(Phase::batch).total(), total),
                    percent(profile.phase(Phase::methods).total(), total));
}

}  // namespace bitwright
