// One network under many quantizers: cells are what they say, nothing is left behind, and a grid
// that is interrupted goes on where it was.
#include "train/quantization_grid.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/tensor/memory_state.h>

#include "run_directory.h"
#include "train/calibration.h"
#include "trainer_fixture.h"

using namespace bitwright;
using namespace bitwright::testing;

namespace {

std::vector<std::uint32_t> first_images(std::uint32_t count) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < count; ++i) all.push_back(i);
  return all;
}

// Three convolutions with batch normalisation, trained a little.
struct SmallGrid {
  explicit SmallGrid(const std::vector<std::string>& kept = {"first"}) {
    images = random_images(100);
    NetworkBuilder builder(InputSpec{1, 3, 3, 4});
    const ConvGeometry same{.stride = 1, .padding = 1};
    builder.conv2d("conv1", 6, 3, same).batch_norm("bn1").relu("relu1");
    builder.conv2d("conv2", 8, 3, same).batch_norm("bn2").relu("relu2");
    builder.conv2d("conv3", 8, 3, same).relu("relu3").flatten().linear("fc", 4);
    network = builder.build();
    initialize(*network, 1);
    methods = std::make_unique<MethodStack>(std::vector<std::unique_ptr<Method>>{},
                                            StageInfo{"g", 1, 1, 1, false, network.get()});
    training =
        std::make_unique<BatchLoader>(images, first_images(64), 16, 1, unit_normalization(1));
    validation = evaluator();
    test = loader(100);
    calibration = loader(50);
    train();
    options.quantizers.push_back(quantizer("mid_rise"));
    options.quantizers.push_back(quantizer("symmetric"));
    options.activations = quantizer("asymmetric", {{"range", "min_max"}});
    options.weight_bits = {32, 8, 2};
    options.bias_correction = {false};
    options.activation_bits = {32, 8, 1};
    options.power_of_two = {false};
    options.step_ratio = {1, 1.3};
    options.kept = {kept, {"test.yaml", 1, 1}};
  }

  // Weights and statistics that are those of no initialisation.
  void train() {
    const Registries& all = test::builtin_registries();
    const auto optimizer = test::make_component(all.optimizers, "sgd", {{"learning_rate", 0.05}});
    const auto schedule = test::make_component(all.schedules, "constant");
    Trainer trainer(*network, *methods, *optimizer, *schedule, *training, *validation,
                    {.steps = 30});
    Recorder nobody;
    trainer.run(nobody);
  }

  std::unique_ptr<EvaluationLoader> loader(std::uint32_t count) const {
    return std::make_unique<EvaluationLoader>(images, first_images(count), 32,
                                              unit_normalization(1));
  }
  std::unique_ptr<Evaluator> evaluator() {
    return std::make_unique<Evaluator>(*network, *methods, loader(100));
  }
  std::unique_ptr<Quantizer> quantizer(const std::string& name, const test::Given& given = {}) {
    return test::make_component(test::builtin_registries().quantizers, name, given);
  }
  std::unique_ptr<QuantizationGrid> grid() {
    return std::make_unique<QuantizationGrid>(*network, *methods, *validation, *test, *calibration,
                                              *training, options);
  }
  VisitState network_state() {
    return [this](StateVisitor& v) { network->visit(v); };
  }

  ImageSet images;
  std::unique_ptr<Network> network;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<BatchLoader> training;
  std::unique_ptr<Evaluator> validation;
  std::unique_ptr<EvaluationLoader> test, calibration;
  GridOptions options;
};

struct Cells : TrainingObserver {
  std::vector<Evaluation> cells;
  std::int64_t stop_at = 0, evaluations = 0;
  void on_cell(std::int64_t cell, const Evaluation& result) override {
    CHECK(cell == std::ssize(cells));
    cells.push_back(result);
  }
  void on_evaluation(const EvaluationRecord&) override { ++evaluations; }
  bool on_step_complete(std::int64_t done) override { return done == stop_at; }
};

// Index of a cell of the options above: quantizer, weight bits, activation bits, ratio.
std::size_t at(std::size_t q, std::size_t w, std::size_t a, std::size_t r) {
  return ((q * 3 + w) * 3 + a) * 2 + r;
}

}  // namespace

TEST_CASE("float cells are the plain evaluation, coarse ones are not") {
  SmallGrid s;
  Cells seen;
  CHECK(s.grid()->run(seen));
  REQUIRE(std::ssize(seen.cells) == s.options.cells());
  CHECK(seen.evaluations == 1);
  const Evaluation plain = s.evaluator()->run(Deployment::hard);
  for (std::size_t q : {0u, 1u})
    for (std::size_t r : {0u, 1u}) {
      CHECK(seen.cells[at(q, 0, 0, r)].loss == doctest::Approx(plain.loss).epsilon(1e-6));
      CHECK(seen.cells[at(q, 0, 0, r)].accuracy == plain.accuracy);
      CHECK(std::abs(seen.cells[at(q, 1, 1, 0)].loss - plain.loss) < 0.02);
      CHECK(seen.cells[at(q, 2, 0, 0)].loss != plain.loss);
      CHECK(std::abs(seen.cells[at(q, 0, 2, 0)].loss - plain.loss) >
            std::abs(seen.cells[at(q, 0, 1, 0)].loss - plain.loss));
    }
  CHECK(seen.cells[at(0, 2, 0, 0)].loss != seen.cells[at(1, 2, 0, 0)].loss);
  CHECK(seen.cells[at(0, 2, 0, 0)].loss != seen.cells[at(0, 2, 0, 1)].loss);
}

TEST_CASE("a cell is the network with its weights quantized, and nothing else") {
  SmallGrid s;
  s.options.bias_correction = {true};
  s.options.activation_bits = {32};
  s.options.weight_bits = {3};
  s.options.step_ratio = {1.2};
  s.options.power_of_two = {true};
  Cells seen;
  s.grid()->run(seen);
  for (Parameter& p : s.network->parameters()) {
    if (p.name != "conv2.weight" && p.name != "conv3.weight" && p.name != "fc.weight") continue;
    const Quantizer& quantizer = *s.options.quantizers[1];
    const Tensor w = p.value.clone();
    quantize_weight(quantizer, weight_ranges(quantizer, w, 3),
                    {.bits = 3, .step_ratio = 1.2, .power_of_two = true}, true, w, p.value);
  }
  CHECK(seen.cells[1].loss ==
        doctest::Approx(s.evaluator()->run(Deployment::hard).loss).epsilon(1e-6));
}

TEST_CASE("evaluating leaves no trace, whatever is measured on the way") {
  SmallGrid s;
  s.options.batch_norm_batches = 2;
  MemoryState before, after;
  before.save(s.network_state());
  Cells first, second;
  s.grid()->run(first);
  after.save(s.network_state());
  CHECK(before.first_difference(after) == "");
  s.grid()->run(second);
  for (std::size_t i = 0; i < first.cells.size(); ++i) {
    CHECK(first.cells[i].loss == second.cells[i].loss);
    CHECK(std::isfinite(first.cells[i].loss));
  }
  s.options.batch_norm_batches = 0;
  Cells plain;
  s.grid()->run(plain);
  CHECK(plain.cells[at(0, 2, 0, 0)].loss != first.cells[at(0, 2, 0, 0)].loss);
}

TEST_CASE("a grid that was stopped goes on with the same numbers") {
  SmallGrid s;
  Cells whole, until, rest;
  s.grid()->run(whole);
  const auto stopped = s.grid(), resumed = s.grid();
  until.stop_at = 13;
  CHECK_FALSE(stopped->run(until));
  MemoryState saved;
  saved.save([&](StateVisitor& v) { stopped->visit(v); });
  saved.load([&](StateVisitor& v) { resumed->visit(v); });
  rest.cells = until.cells;  // counts on
  CHECK(resumed->run(rest));
  REQUIRE(rest.cells.size() == whole.cells.size());
  for (std::size_t i = 0; i < whole.cells.size(); ++i)
    CHECK(rest.cells[i].loss == whole.cells[i].loss);
  CHECK(rest.evaluations == 0);
  CHECK(resumed->selected_accuracy() == stopped->selected_accuracy());
}

TEST_CASE("what stays float") {
  SmallGrid s;
  const auto names = [&](const std::vector<std::string>& kept) {
    std::string all;
    for (const Parameter* p : quantized_weights(*s.network, {kept, {"f.yaml", 2, 3}}))
      all += (all.empty() ? "" : " ") + p->layer;
    return all;
  };
  CHECK(names({}) == "conv1 conv2 conv3 fc");
  CHECK(names({"first"}) == "conv2 conv3 fc");
  CHECK(names({"first", "last", "linear"}) == "conv2");
  CHECK(names({"conv*"}) == "fc");
  CHECK_THROWS_WITH_AS(names({"conv*", "linear"}), doctest::Contains("every weight stays float"),
                       Error);
  CHECK_THROWS_WITH_AS(names({"cnov1"}), doctest::Contains("f.yaml:2:3: error: 'cnov1' names no"),
                       Error);
  QuantizedNetwork network(*s.network, *s.methods, s.test->shape(), DType::f32,
                           BatchStatistics::running, {{"first", "relu3"}, {}});
  std::string floats;
  for (const auto& point : network.activations())
    if (point->kept_float) floats += point->layer + " ";
  CHECK(network.activations().size() == 3);
  CHECK(floats == "relu1 relu3 ");
}

namespace {

class Watcher final : public Method, public ActivationObserver {
 public:
  std::string_view name() const override { return "watcher"; }
  void attach(const StageInfo&) override {}
  bool observes(const Layer& layer) const override { return layer.kind() == "relu"; }
  void observe(const Layer& layer, const Tensor& output, std::int64_t images) override {
    seen += layer.name() + ":" + std::to_string(images) + " ";
    statistics[layer.name()].add(output, images);
  }
  std::string seen;
  std::map<std::string, ActivationStatistics> statistics;
};

}  // namespace

TEST_CASE("calibration shows methods the activations of the deployed network") {
  SmallGrid s;
  auto method = std::make_unique<Watcher>();
  Watcher& watcher = *method;
  std::vector<std::unique_ptr<Method>> list;
  list.push_back(std::move(method));
  MethodStack methods(std::move(list), StageInfo{"g", 1, 1, 1, false, s.network.get()});
  MemoryState before, after;
  before.save(s.network_state());
  calibrate(*s.network, methods, *s.calibration, DType::f32, activation_observers(methods));
  after.save(s.network_state());
  CHECK(before.first_difference(after) == "");
  CHECK(watcher.seen == "relu1:32 relu2:32 relu3:32 relu1:18 relu2:18 relu3:18 ");
  const Observed relu1 = watcher.statistics["relu1"].observed();
  CHECK(relu1.values.size() == 50 * 6 * 9);  // all of them: fewer than the sample may have
  CHECK(std::abs(relu1.low) < 1e-30);        // a fused ReLU may leave the smallest of numbers
  CHECK(relu1.high > 0);
  CHECK(relu1.batch_high.size() == 2);
  CHECK(relu1.high == std::max(relu1.batch_high[0], relu1.batch_high[1]));
}

TEST_CASE("calibration images are drawn from the training part, by the seed") {
  const std::vector<std::uint32_t> part{5, 8, 13, 21, 34};
  const auto three = calibration_images(part, 3, 1), again = calibration_images(part, 3, 1);
  CHECK(three == again);
  CHECK(three.size() == 3);
  for (const std::uint32_t image : three) CHECK(std::ranges::count(part, image) == 1);
  CHECK(calibration_images(part, 100, 1).size() == 5);
  bool differs = false;
  for (std::uint64_t seed = 2; seed < 6; ++seed)
    differs |= calibration_images(part, 3, seed) != three;
  CHECK(differs);
}
