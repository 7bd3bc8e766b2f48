// What a stage may be beside training to its end: stopped early, partly frozen, only evaluated,
// with statistics measured anew; lengths, profiles and lints of experiments.
#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "experiment/assembly.h"
#include "experiment/load_experiment.h"
#include "experiment/problems.h"
#include "experiment/schema.h"
#include "train/batch_norm_statistics.h"
#include "train/single_evaluation.h"
#include "trainer_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;
using test::builtin_registries;

namespace {

const std::string head =
    "experiment: e\n"
    "data: {name: glyphs, train_images: 1100, batch: 10, split: {validation: 100}}\n"
    "network: lenet300\n";

LoadedExperiment load(const std::string& stages, const std::string& profile = "") {
  return load_experiment(builtin_registries(), read_config_text(head + stages, "f.yaml", {}),
                         profile);
}

std::string stage(const std::string& more) {
  return "stages:\n- {name: a, optimizer: {name: adam, learning_rate: 0.1}, " + more + "}\n";
}

std::int64_t steps(const LoadedExperiment& e, std::size_t i = 0) {
  const Settings& s = e.config.sections("stages")[i];
  return stage_steps(e.config, s, steps_per_epoch(e.config, s, 1000));
}

std::string finding(const std::string& stages) {
  try {
    const LoadedExperiment e = load(stages);
    return e.warnings.empty() ? "" : "warning " + e.warnings.front().lint->name;
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a stage ends when it is accurate enough, or no longer becomes better") {
  StageOptions options;
  options.trainer.steps = 40;
  SmallStage whole(options);
  Recorder all;
  CHECK(whole.trainer->run(all));
  CHECK(whole.trainer->ended_early() == "");

  options.trainer.stop.accuracy = all.evaluations.front().hard.accuracy;
  SmallStage accurate(options);
  Recorder first;
  CHECK(accurate.trainer->run(first));
  CHECK(accurate.trainer->steps_done() == 1);
  CHECK(accurate.trainer->ended_early().find("reached at step 1") != std::string::npos);

  options.trainer.stop = {.accuracy = {}, .patience = 2};
  SmallStage patient(options);
  Recorder some;
  CHECK(patient.trainer->run(some));
  const auto& evaluations = some.evaluations;
  REQUIRE(evaluations.size() >= 3);
  if (!patient.trainer->ended_early().empty()) {
    double best = -1;
    for (std::size_t i = 0; i + 2 < evaluations.size(); ++i)
      best = std::max(best, evaluations[i].hard.accuracy);
    CHECK(evaluations[evaluations.size() - 1].hard.accuracy <= best);
    CHECK(evaluations[evaluations.size() - 2].hard.accuracy <= best);
    // A resumed stage knows that it is over.
    MemoryState saved;
    saved.save(patient.state());
    SmallStage resumed(options);
    saved.load(resumed.state());
    Recorder nothing;
    CHECK(resumed.trainer->run(nothing));
    CHECK(nothing.steps.empty());
  }
}

TEST_CASE("held parameters keep their values, and methods leave them alone") {
  SmallStage stage({});
  const StageInfo info{"s", 1, 5, 5, false, stage.network.get()};
  std::vector<std::unique_ptr<Method>> methods;
  methods.push_back(test::make_method("binary_connect"));
  MethodStack stack(std::move(methods), info, {"fc1.*"});
  CHECK(stack.transforms());
  const auto frozen = stack.frozen();
  CHECK(std::find(frozen.begin(), frozen.end(), "fc1.weight") != frozen.end());
  for (const Parameter& p : stage.network->parameters())
    if (p.name == "fc1.weight") CHECK(stack.bits(p) == 32);
  const std::vector<float> before(stage.network->parameters()[0].value.values().begin(),
                                  stage.network->parameters()[0].value.values().end());
  Trainer trainer(*stage.network, stack, *stage.optimizer, *stage.schedule, *stage.loader,
                  *stage.validation, {.steps = 5});
  Recorder recorder;
  trainer.run(recorder);
  const auto after = stage.network->parameters()[0].value.values();
  CHECK(std::equal(before.begin(), before.end(), after.begin()));
}

TEST_CASE("batch-norm statistics measured anew are the mean over the batches") {
  SmallStage stage({});
  NetworkBuilder builder(InputSpec{1, 3, 3, 4});
  builder.flatten().batch_norm("bn").linear("fc", 4);
  const auto network = builder.build();
  initialize(*network, 1);
  const StageInfo info{"s", 1, 5, 5, true, network.get()};
  MethodStack none({}, info);
  constexpr std::int64_t batches = 3;
  std::vector<double> mean(9), variance(9);
  Batch batch;
  stage.loader->seek(0);
  for (std::int64_t i = 0; i < batches; ++i) {
    stage.loader->next(batch);
    const std::int64_t n = batch.shape.n;
    for (std::size_t c = 0; c < 9; ++c) {
      double sum = 0, squares = 0;
      for (std::int64_t k = 0; k < n; ++k) {
        const double x = static_cast<double>(batch.images[static_cast<std::size_t>(k) * 9 + c]);
        sum += x, squares += x * x;
      }
      const double m = sum / static_cast<double>(n);
      mean[c] += m / batches;
      variance[c] +=
          (squares - static_cast<double>(n) * m * m) / static_cast<double>(n - 1) / batches;
    }
  }
  reestimate_batch_norm(*network, none, *stage.loader, batches, DType::f32);
  for (std::size_t c = 0; c < 9; ++c) {
    CHECK(network->buffers()[0].value.values()[c] == doctest::Approx(mean[c]).epsilon(1e-4));
    CHECK(network->buffers()[1].value.values()[c] == doctest::Approx(variance[c]).epsilon(1e-4));
  }
}

TEST_CASE("an evaluation is one step without an update") {
  SmallStage stage({});
  SingleEvaluation work(*stage.network, *stage.methods, *stage.validation);
  Recorder recorder;
  const auto before = stage.weights();
  CHECK(work.run(recorder));
  CHECK(recorder.steps.empty());
  REQUIRE(recorder.evaluations.size() == 1);
  CHECK(recorder.evaluations[0].step == 1);
  CHECK(work.selected_accuracy() == recorder.evaluations[0].hard.accuracy);
  CHECK(work.run(recorder));
  CHECK(recorder.evaluations.size() == 1);
  CHECK(before == stage.weights());
}

TEST_CASE("lengths in steps, epochs and images") {
  CHECK(steps(load(stage("steps: 7"))) == 7);
  CHECK(steps(load(stage("epochs: 2.5"))) == 250);
  CHECK(steps(load(stage("images: 1234"))) == 123);
  CHECK(steps(load(stage("images: 1234, accumulate: 2"))) == 62);
  CHECK(steps(load(stage("images: 1"))) == 1);
  CHECK(steps(load(stage("epochs: 3, max_steps: 20"))) == 20);
  CHECK(steps(load(stage("images: 1000, data: {batch: 50}"))) == 20);
  CHECK(steps(load(stage("steps: 7") + "- {name: b, kind: evaluate, start: previous}\n"), 1) == 1);
}

TEST_CASE("a stage's data change the experiment's") {
  const LoadedExperiment e = load(stage("steps: 7, data: {batch: 50}"));
  const Settings& data = data_of(e.config, e.config.sections("stages")[0]);
  CHECK(data.name() == "glyphs");
  CHECK(data.integer("batch") == 50);
  CHECK(data.integer("train_images") == 1100);
  CHECK(data.where("train_images").str() == "f.yaml:2:36");
  CHECK(e.config.section("data").integer("batch") == 10);
}

TEST_CASE("profiles") {
  const std::string profiles =
      "profiles:\n- {name: short, scale: 0.1, max_steps: 15, set: [seed=9, evaluation.every=3]}\n";
  const std::string text =
      stage("steps: 100, schedule: {name: multi_step, milestones: [50 %], factor: 0.1}") +
      "- {name: b, epochs: 3, optimizer: {name: adam, learning_rate: 0.1}}\n" + profiles;
  CHECK(steps(load(text)) == 100);
  const LoadedExperiment brief = load(text, "short");
  CHECK(steps(brief) == 10);
  CHECK(steps(brief, 1) == 15);  // 30, but for max_steps
  CHECK(brief.config.integer("seed") == 9);
  CHECK(brief.config.text("experiment") == "e-short");
  CHECK(brief.config.text("budget") == "short");
  CHECK(brief.config.where("budget").str() == "profile short");
  CHECK(brief.config.sections("profiles").empty());
  const LoadedExperiment smoke = load(text, "smoke");
  CHECK(steps(smoke) <= 10);
  CHECK(smoke.config.section("data").name() == "glyphs");
  CHECK(load(text, "full").config.text("experiment") == "e");
  CHECK_THROWS_AS(load(text, "shrt"), Error);
  // What a shortened configuration resolves to is not shortened again.
  const std::string resolved =
      emit_config(brief.config, experiment_options(), builtin_registries());
  const LoadedExperiment again =
      load_experiment(builtin_registries(), read_config_text(resolved, "r.yaml", {}), "");
  CHECK(emit_config(again.config, experiment_options(), builtin_registries()) == resolved);
  CHECK_THROWS_AS(
      load_experiment(builtin_registries(), read_config_text(resolved, "r.yaml", {}), "smoke"),
      Error);
}

TEST_CASE("lints can be allowed") {
  const std::string late = stage("steps: 10, schedule: {name: step, interval: 20, factor: 0.5}");
  CHECK(finding(late).find("f.yaml:5:102: error: 'interval' of schedule 'step' is 20") == 0);
  CHECK(finding(late + "allow: [milestone_after_end]\n") == "");
  CHECK(finding(stage("steps: 10, schedule: {name: step, interval: 50 %, factor: 0.5}")) == "");
  CHECK(finding(stage("epochs: 2, schedule: {name: step, interval: 150, factor: 0.5}")) == "");
  CHECK(finding(stage("epochs: 2, schedule: {name: step, interval: 250, factor: 0.5}")) != "");
  CHECK(finding(stage("steps: 10") + "checkpoint: {every: 11}\n") ==
        "warning checkpoint_after_end");
  CHECK(finding(stage("steps: 10") + "init: {strict: false}\n") == "warning unused_key");
  CHECK(finding(stage("steps: 10") + "init: {strict: false}\nallow: [unused_key]\n") == "");
  CHECK(finding(stage("steps: 10") + "checkpoint: {every: 10}\n") == "");
}

TEST_CASE("networks in YAML are those that code builds") {
  const std::string layers =
      "experiment: e\ndata: glyphs\nnetwork:\n  init: xavier\n  layers:\n  - flatten\n"
      "  - {name: linear, label: fc1, features: 300}\n"
      "  - {name: batch_norm, label: bn1, affine: false}\n  - relu\n"
      "  - {name: linear, label: fc2, features: 100}\n"
      "  - {name: batch_norm, label: bn2, affine: false}\n  - relu\n"
      "  - {name: linear, label: fc3}\n" +
      stage("steps: 3");
  const auto own =
      load_experiment(builtin_registries(), read_config_text(layers, "f.yaml", {}), "");
  const auto built_in = load(stage("steps: 3"));
  initialize(*own.network, 5);
  initialize(*built_in.network, 5);
  REQUIRE(own.network->parameters().size() == built_in.network->parameters().size());
  CHECK(own.network->macs() == built_in.network->macs());
  for (std::size_t i = 0; i < own.network->parameters().size(); ++i) {
    const Parameter &a = own.network->parameters()[i], &b = built_in.network->parameters()[i];
    CHECK(a.name == b.name);
    CHECK(std::equal(a.value.values().begin(), a.value.values().end(), b.value.values().begin(),
                     b.value.values().end()));
  }
}
