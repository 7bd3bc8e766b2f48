// What an update does beside the optimizer's step: accumulated batches, clipped gradients, averaged
// weights; and that a stage with all of it resumes to the same bits.
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "small_net.h"
#include "train/gradients.h"
#include "trainer_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

std::vector<float> list(const Tensor& tensor) { return test::list(tensor); }

}  // namespace

TEST_CASE("two batches of 8 are one batch of 16") {
  StageOptions options;
  options.settings.push_back({"momentum", 0.9});
  SmallStage whole(options);
  options.batch = 8;
  options.trainer.accumulate = 2;
  SmallStage halves(options);
  const std::vector<float> start = whole.weights();
  CHECK(largest_difference(start, halves.weights()) == 0);

  Recorder a, b;
  CHECK(whole.trainer->run(a));
  CHECK(halves.trainer->run(b));
  CHECK(largest_difference(start, whole.weights()) > 0.1);
  CHECK(largest_difference(whole.weights(), halves.weights()) < 1e-5);
  REQUIRE(a.steps.size() == 20);
  REQUIRE(b.steps.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) {
    CHECK(b.steps[i].train_loss == doctest::Approx(a.steps[i].train_loss).epsilon(1e-5));
    CHECK(b.steps[i].learning_rate == a.steps[i].learning_rate);
    CHECK(b.steps[i].step == a.steps[i].step);
  }
  REQUIRE(a.epochs.size() == 3);  // 6 updates of 16 out of 100 images
  REQUIRE(b.epochs.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(b.epochs[i].step == a.epochs[i].step);
    CHECK(b.epochs[i].train_loss == doctest::Approx(a.epochs[i].train_loss).epsilon(1e-5));
    CHECK(b.epochs[i].train_accuracy == a.epochs[i].train_accuracy);
  }
  REQUIRE(a.evaluations.size() == b.evaluations.size());
}

TEST_CASE("an epoch holds whole groups of batches") {
  const ImageSet images = random_images(100);
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < 100; ++i) all.push_back(i);
  const Normalization normalization = unit_normalization(1);
  BatchLoader whole(images, all, 24, 1, normalization);
  BatchLoader pieces(images, all, 8, 1, normalization, {.group = 3});
  CHECK(pieces.batches_per_epoch() == 12);  // not 100 / 8
  Batch batch, piece;
  for (int step = 0; step < 9; ++step) {
    whole.next(batch);
    for (std::size_t i = 0; i < 3; ++i) {
      pieces.next(piece);
      REQUIRE(std::equal(piece.labels.begin(), piece.labels.end(), batch.labels.begin() + 8 * i));
    }
  }
  try {
    BatchLoader(images, all, 34, 1, normalization, {.group = 3, .where = Place{"f.yaml", 2, 3}});
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).starts_with("f.yaml:2:3: error: batch size 34, accumulated 3"));
  }
}

namespace {

struct ThreeGradients {
  Tensor a = Tensor::from({3, 0}, {2}), b = Tensor::from({-4}, {1}), c = Tensor::from({12}, {1});
  std::vector<Optimized> tensors() {
    return {{"a", Tensor::zeros({2}), a, "a", "bias"},
            {"b", Tensor::zeros({1}), b, "b", "bias"},
            {"c", Tensor::zeros({1}), c, "c", "bias"}};
  }
};

}  // namespace

TEST_CASE("clipping by the global norm") {
  ThreeGradients g;
  Gradients gradients(g.tensors(), {.norm = 6.5, .value = {}});
  CHECK(gradients.clip() == 13);
  CHECK(list(g.a) == std::vector<float>{1.5f, 0});
  CHECK(list(g.b) == std::vector<float>{-2});
  CHECK(list(g.c) == std::vector<float>{6});
  CHECK(gradients.clip() == 6.5);  // at the threshold: nothing
  CHECK(list(g.c) == std::vector<float>{6});

  gradients.freeze("c");  // neither counted nor touched
  CHECK(gradients.clip() == 2.5);
  g.a.f32()[0] = 30;
  g.b.f32()[0] = -40;
  CHECK(gradients.clip() == 50);
  CHECK(g.a.f32()[0] == doctest::Approx(3.9));
  CHECK(g.b.f32()[0] == doctest::Approx(-5.2));
  CHECK(g.c.f32()[0] == 6);
  g.b.f32()[0] = std::numeric_limits<float>::infinity();
  CHECK(gradients.clip() == std::numeric_limits<double>::infinity());
  CHECK(g.a.f32()[0] == doctest::Approx(3.9));
}

TEST_CASE("clipping by value") {
  ThreeGradients g;
  Gradients gradients(g.tensors(), {.norm = {}, .value = 3.5});
  gradients.freeze("c");
  g.a.f32()[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK_FALSE(gradients.clip());
  CHECK(g.a.f32()[0] == 3);
  CHECK(std::isnan(g.a.f32()[1]));
  CHECK(list(g.b) == std::vector<float>{-3.5f});
  CHECK(list(g.c) == std::vector<float>{12});
}

TEST_CASE("the norm of a large tensor: exact to rounding, the same for any team") {
  Tensor x = Tensor::empty({100003});
  fill_normal(x, 3);
  double expected = 0;
  for (const float v : x.values()) expected += static_cast<double>(v) * static_cast<double>(v);
  double norms[2];
  for (const int team : {1, 3}) {
    const ThreadsScope threads(team);
    Gradients gradients({{"x", x, x, "x", "bias"}}, {.norm = 1e9, .value = {}});
    norms[team == 3] = gradients.clip().value_or(kNothing);
  }
  CHECK(norms[0] == doctest::Approx(std::sqrt(expected)).epsilon(1e-12));
  CHECK(norms[0] == norms[1]);
}

TEST_CASE("a clipped stage logs the norm before the clip, and moves at most rate times the clip") {
  StageOptions options;
  options.trainer.update.clip.norm = 0.01;
  SmallStage stage(options);
  std::vector<float> before = stage.weights();
  Recorder recorder;
  recorder.stop_at = 1;
  stage.trainer->run(recorder);
  CHECK(recorder.steps[0].gradient_norm > 0.01);
  double moved = 0;
  const std::vector<float> after = stage.weights();
  for (std::size_t i = 0; i < after.size(); ++i)
    moved += std::pow(static_cast<double>(after[i]) - static_cast<double>(before[i]), 2);
  CHECK(std::sqrt(moved) == doctest::Approx(0.1 * 0.01).epsilon(1e-3));

  SmallStage plain{StageOptions()};
  Recorder unclipped;
  plain.trainer->run(unclipped);
  CHECK(std::isnan(unclipped.steps[0].gradient_norm));
}

namespace {

// Leaves an infinite gradient behind.
class Saboteur final : public Method {
 public:
  explicit Saboteur(MethodStack*& stack) : stack_(stack) {}
  std::string_view name() const override { return "saboteur"; }
  void attach(const StageInfo&) override {}
  bool after_backward(const StepInfo& info) override {
    if (info.step == 2)
      stack_->optimized()[1].gradient.f32()[0] = std::numeric_limits<float>::infinity();
    return true;
  }

 private:
  MethodStack*& stack_;  // that it will be part of
};

}  // namespace

TEST_CASE("a norm that is not finite ends the training, before anything is updated") {
  StageOptions options;
  SmallStage stage(options);
  MethodStack* stack = nullptr;
  std::vector<std::unique_ptr<Method>> list;
  list.push_back(std::make_unique<Saboteur>(stack));
  MethodStack methods(std::move(list), test::stage_of(*stage.network));
  stack = &methods;
  TrainingStep step(*stage.network, methods, *stage.optimizer, stage.loader->shape(), DType::f32,
                    {.clip = {.norm = 1.0, .value = {}}});
  std::vector<float> before;
  try {
    for (std::int64_t i = 0; i < 5; ++i) {
      stage.loader->next(step.images(), step.labels());
      before = stage.weights();
      step.update({i, 0, 0.1});
    }
    FAIL("went on");
  } catch (const Diverged& diverged) {
    CHECK(std::string(diverged.what()) == "the norm of the gradients is inf at step 3");
    CHECK(diverged.step == 3);
  }
  CHECK(stage.weights() == before);
}

TEST_CASE("the average begins as the values after the first update and follows its recurrence") {
  for (const bool warm_up : {false, true}) {
    Tensor x = Tensor::from({1, -2}, {2});
    WeightAverage average({{"x", x, x, "x", "bias"}}, {.decay = 0.9, .warm_up = warm_up});
    double expected = 0;
    for (int t = 0; t < 30; ++t) {
      x.f32()[0] = static_cast<float>(std::sin(t));
      average.update();
      double decay = warm_up ? std::min(0.9, (1.0 + t) / (10.0 + t)) : 0.9;
      if (t == 0) decay = 0;
      expected = decay * expected + (1 - decay) * static_cast<double>(x.f32()[0]);
    }
    const std::vector<float> now = list(x);
    {
      const AveragedScope scope(average);
      CHECK(x.f32()[0] == doctest::Approx(expected).epsilon(1e-6));
      CHECK(x.f32()[1] == -2);  // never moved: exact
    }
    CHECK(list(x) == now);
    average.freeze("x");
    const AveragedScope scope(average);
    CHECK(list(x) == now);
  }
  WeightAverage none({{"x", Tensor::zeros({1}), {}, "x", "bias"}}, {});
  CHECK_FALSE(none.kept());
}

TEST_CASE("averaging leaves training alone, and is what evaluation sees, selects and hands on") {
  for (const std::string method : {"", "binary_connect"}) {
    CAPTURE(method);
    StageOptions options;
    if (!method.empty()) options.methods = {{method, {}}};
    SmallStage plain(options);
    options.trainer.update.average.decay = 0.8;
    SmallStage averaged(options);
    std::vector<double> expected;  // of each element, from the weights after each update
    struct Follower : Recorder {
      SmallStage* stage = nullptr;
      std::vector<double>* average = nullptr;
      bool on_step_complete(std::int64_t) override {
        const std::vector<float> now = stage->weights();
        if (average->empty()) average->assign(now.begin(), now.end());
        for (std::size_t i = 0; i < now.size(); ++i)
          (*average)[i] = 0.8 * (*average)[i] + 0.2 * static_cast<double>(now[i]);
        return false;
      }
    } follower;
    follower.stage = &averaged;
    follower.average = &expected;
    Recorder recorder;
    plain.trainer->run(recorder);
    averaged.trainer->run(follower);
    CHECK(plain.weights() == averaged.weights());
    for (std::size_t i = 0; i < 20; ++i)
      CHECK(recorder.steps[i].train_loss == follower.steps[i].train_loss);

    const std::vector<float> raw = averaged.weights();
    const Evaluation of_raw = averaged.validation->run(Deployment::hard);
    {
      const auto scope = averaged.trainer->evaluated_weights();
      const std::vector<float> shadow = averaged.weights();
      for (std::size_t i = 0; i < shadow.size(); ++i)
        CHECK(static_cast<double>(shadow[i]) == doctest::Approx(expected[i]).epsilon(1e-5));
      const Evaluation of_average = averaged.validation->run(Deployment::hard);
      CHECK(of_average.loss == follower.evaluations.back().hard.loss);
      if (method.empty()) CHECK(of_average.loss != of_raw.loss);  // signs may be the same
    }
    CHECK(averaged.weights() == raw);

    // The selected network holds the averages of its step.
    averaged.trainer->restore_selected();
    const Evaluation selected = averaged.validation->run(Deployment::hard);
    CHECK(selected.accuracy == averaged.trainer->selected_accuracy());
    for (const EvaluationRecord& r : follower.evaluations)
      if (r.step == averaged.trainer->selected_step()) CHECK(selected.loss == r.hard.loss);
  }
}

TEST_CASE("a stage with all of it resumes to the same bits from any step") {
  for (const std::string method : {"", "binary_connect"}) {
    CAPTURE(method);
    StageOptions options;
    if (!method.empty()) options.methods = {{method, {}}};
    options.settings = {
        {"learning_rate", 0.1}, {"momentum", 0.9}, {"dampening", 0.1}, {"weight_decay", 0.01}};
    options.batch = 8;
    options.trainer.accumulate = 2;
    options.trainer.update.clip.norm = 0.5;
    options.trainer.update.average = {.decay = 0.9, .warm_up = true};
    SmallStage whole(options);
    Recorder all;
    whole.trainer->run(all);
    for (const std::int64_t at : {1, 7, 12}) {
      CAPTURE(at);
      MemoryState saved;
      Recorder first, rest;
      {
        SmallStage half(options);
        first.stop_at = at;
        CHECK_FALSE(half.trainer->run(first));
        saved.save(half.state());
      }
      SmallStage other(options);
      saved.load(other.state());
      CHECK(other.trainer->run(rest));
      CHECK(state_equal(whole.state(), other.state()));
      REQUIRE(first.steps.size() + rest.steps.size() == all.steps.size());
      for (std::size_t i = 0; i < rest.steps.size(); ++i) {
        const StepRecord& expected = all.steps[first.steps.size() + i];
        CHECK(rest.steps[i].train_loss == expected.train_loss);
        CHECK(rest.steps[i].gradient_norm == expected.gradient_norm);
      }
      CHECK(rest.evaluations.back().hard.loss == all.evaluations.back().hard.loss);
    }
  }
}
