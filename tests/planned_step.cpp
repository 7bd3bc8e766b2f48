// Whole training steps of real networks: the same bits whenever they are run, planned tapes that
// compute what eager ones do, memory that is shared and then left alone.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/pool.h"
#include "method_fixture.h"
#include "naive.h"
#include "small_net.h"
#include "train/evaluation_step.h"
#include "train/training_step.h"

using namespace bitwright;
using testing::ThreadsScope;

namespace {

struct Subject {
  std::string network;
  InputSpec input;
  std::int64_t batch;
  test::Given given = {};
};

const Subject kSubjects[] = {
    {"lenet5", {1, 28, 28, 10}, 16},
    {"resnet20", {3, 16, 16, 10}, 8},
    {"resnet8", {3, 12, 12, 10}, 6, {{"shortcut", "B"}, {"pre_activation", true}}},
    {"vgg16", {3, 32, 32, 10}, 4, {{"width", 0.125}}},
};

// A network with its plain training step.
struct Training {
  std::unique_ptr<Network> network;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<TrainingStep> step;

  Training(const Subject& s, DType precision) {
    network = test::make_network(s.network, s.input, s.given);
    initialize(*network, 1);
    methods = std::make_unique<MethodStack>(std::vector<std::unique_ptr<Method>>{},
                                            StageInfo{"test", 1, 1, 1, true, network.get()});
    optimizer = test::make_component(test::builtin_registries().optimizers, "sgd",
                                     {{"learning_rate", 0.05}, {"momentum", 0.9}});
    step = std::make_unique<TrainingStep>(
        *network, *methods, *optimizer,
        BatchShape{s.batch, s.input.channels, s.input.height, s.input.width, s.batch}, precision);
  }

  /// Another batch, by number, and one update.
  double update(std::int64_t number, std::int64_t classes) {
    const Rng rng(1, "batch", static_cast<std::uint64_t>(number));
    const std::int64_t n = step->batch_size(), size = network->input().channels *
                                                      network->input().height *
                                                      network->input().width;
    for (std::int64_t i = 0; i < n * size; ++i)
      step->images()[i] = static_cast<float>(rng.normal(static_cast<std::uint64_t>(i)));
    for (std::int64_t i = 0; i < n; ++i)
      step->labels()[i] = static_cast<std::int32_t>((i + number) % classes);
    return step->update({number, 0, 0.05});
  }
};

constexpr int kUpdates = 4;

// Everything that a few updates leave behind.
std::vector<Tensor> trained(const Subject& s, DType precision) {
  Training training(s, precision);
  std::vector<float> losses;
  for (int i = 0; i < kUpdates; ++i)
    losses.push_back(static_cast<float>(training.update(i, s.input.classes)));
  std::vector<Tensor> all{Tensor::from(losses, Shape{kUpdates})};
  for (const Parameter& p : training.network->parameters()) all.push_back(p.value.clone());
  for (const Buffer& b : training.network->buffers()) all.push_back(b.value.clone());
  return all;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!testing::same_bits(a[i], b[i])) return false;
  return true;
}

}  // namespace

TEST_CASE("updates give the same bits twice, with any number of threads") {
  for (const Subject& s : kSubjects)
    for (const DType precision : {DType::f32, DType::bf16})
      for (const int team : {1, 2, 4}) {
        CAPTURE(s.network);
        CAPTURE(team);
        const ThreadsScope scope(team);
        const auto once = trained(s, precision);
        for (const Tensor& t : once)
          CHECK(std::all_of(t.values().begin(), t.values().end(),
                            [](float v) { return std::isfinite(v); }));
        CHECK(same(once, trained(s, precision)));
      }
}

TEST_CASE("bf16 follows f32") {
  for (const Subject& s : kSubjects) {
    CAPTURE(s.network);
    const auto f32 = trained(s, DType::f32), bf16 = trained(s, DType::bf16);
    CHECK_FALSE(same(f32, bf16));
    // The first loss, before updates amplify rounding; the small batches do enough of that.
    CHECK(bf16[0].f32()[0] == doctest::Approx(static_cast<double>(f32[0].f32()[0])).epsilon(0.05));
  }
}

TEST_CASE("a planned step computes what an eager tape does") {
  for (const Subject& s : kSubjects) {
    CAPTURE(s.network);
    Training planned(s, DType::f32), eager(s, DType::f32);
    const double loss = planned.update(0, s.input.classes);

    // The same step on an eager tape, by hand.
    MethodStack& methods = *eager.methods;
    Tape tape;
    Forward forward(tape, true, methods);
    Tensor images = Tensor::empty({Shape{s.batch, s.input.channels, s.input.height, s.input.width},
                                   DType::f32, Layout::channels_last}),
           labels = Tensor::empty({Shape{s.batch}, DType::i32});
    std::copy_n(planned.step->images(), images.numel(), images.f32());
    std::copy_n(planned.step->labels(), s.batch, labels.i32());
    const Variable logits = eager.network->forward(forward, tape.constant(images));
    const Variable expected = cross_entropy(logits, tape.constant(labels));
    tape.backward(expected);
    CHECK(loss == doctest::Approx(static_cast<double>(expected.value().item())).epsilon(1e-6));
    // One step of SGD from the same weights: value = before - rate * gradient.
    const std::vector<Optimized> optimized = methods.optimized();
    auto p = planned.network->parameters().begin();
    for (const Optimized& o : optimized) {
      CAPTURE(o.name);
      naive::Array want = naive::to_array(o.value);
      const naive::Array gradient = naive::to_array(o.gradient);
      for (std::int64_t i = 0; i < want.size(); ++i) want[i] -= 0.05 * gradient[i];
      CHECK(naive::distance(naive::to_array((p++)->value), want) < 1e-6);
    }
  }
}

TEST_CASE("after the second update nothing is taken from the system") {
  for (const Subject& s : kSubjects)
    for (const DType precision : {DType::f32, DType::bf16}) {
      CAPTURE(s.network);
      Training training(s, precision);
      for (int i = 0; i < 2; ++i) training.update(i, s.input.classes);
      const PoolStatistics before = pool_statistics();
      for (int i = 2; i < 6; ++i) training.update(i, s.input.classes);
      CHECK(pool_statistics().system_allocations == before.system_allocations);
    }
}

TEST_CASE("evaluation is the same in and out of training") {
  for (const Subject& s : kSubjects) {
    CAPTURE(s.network);
    Training training(s, DType::f32);
    const BatchShape shape{s.batch, s.input.channels, s.input.height, s.input.width, s.batch};
    EvaluationStep evaluation(*training.network, *training.methods, shape);
    std::vector<double> losses;
    for (int i = 0; i < 2; ++i) {
      training.update(i, s.input.classes);
      std::copy_n(training.step->images(), shape.size(), evaluation.images());
      std::copy_n(training.step->labels(), s.batch, evaluation.labels());
      evaluation.deploy(Deployment::hard);
      losses.push_back(evaluation.run(s.batch).loss);
      CHECK(evaluation.run(s.batch).loss == losses.back());
    }
    CHECK(losses[0] != losses[1]);
  }
}
