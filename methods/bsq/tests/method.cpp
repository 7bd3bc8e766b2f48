// The plugin as the training loop sees it: selection, both phases, size, hand-over, refusals.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/core/rng.h>
#include <bitwright/results/run_file.h>
#include <bitwright/tensor/memory_state.h>

#include "../precision_map.h"
#include "../size.h"
#include "../weights.h"
#include "method_fixture.h"
#include "run_directory.h"
#include "train/method_stack.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

std::unique_ptr<Method> make(const Given& given) { return make_method("bsq", given); }

const Given kPlanes{{"alpha", 5e-3}};

std::unique_ptr<Network> resnet20() {
  auto network = make_network("resnet20", {3, 32, 32, 10}, {{"shortcut", "B"}});
  initialize(*network, 1);
  for (Parameter& p : network->parameters())  // a bias of zeros would lose its bits at once
    if (p.name == "fc.bias") uniform(p.value, 0.1, 1, p.name);
  return network;
}

MethodStack stack_of(std::unique_ptr<Method> method, Network& network,
                     const HandedOverByMethod& left = {}) {
  std::vector<std::unique_ptr<Method>> list;
  list.push_back(std::move(method));
  StageInfo stage = stage_of(network, false);
  return MethodStack(std::move(list), stage, {}, left);
}

std::string refusal(const Given& given) {
  auto network = small_network();
  return refusal_of([&] { stack_of(make(given), *network); });
}

double metric(Method& method, const Network& network, const std::string& name, std::size_t i = 0) {
  return test::metric(method.metrics(network), method.measure(), name).at(i);
}

// The scheme of HAWQ that the reference code quotes (spec, section 5).
const std::vector<std::string> kHawq{"*=2",          "conv1.weight=8", "layer1.?.*=6",
                                     "layer1.2.*=8", "layer2.*=3",     "fc.*=3"};

}  // namespace

TEST_CASE("size of ResNet-20 in HAWQ's scheme and at 8 bits (spec case 9)") {
  auto network = resnet20();
  auto method = make({{"phase", "fine_tune"}, {"bits", kHawq}});
  Method* const bsq = method.get();
  const MethodStack stack = stack_of(std::move(method), *network);
  bsq::Size size;
  for (const Parameter& p : network->parameters())
    if (stack.bits(p) < 32) size.add(p.value.numel(), static_cast<int>(stack.bits(p)));
  CHECK(size.elements == 268346);
  CHECK(size.bits == 655134);
  CHECK(size.per_element() == doctest::Approx(2.441378).epsilon(1e-6));
  CHECK(size.compression() == doctest::Approx(13.107352).epsilon(1e-7));
  CHECK(metric(*bsq, *network, "compression") == size.compression());
  CHECK(metric(*bsq, *network, "bits_per_parameter") == size.per_element());
  CHECK(metric(*bsq, *network, "bits_per_parameter_signed") ==
        doctest::Approx(2.441378 + 1).epsilon(1e-6));

  auto eight = make(kPlanes);
  Method* const planes = eight.get();
  const MethodStack all = stack_of(std::move(eight), *network);
  CHECK(metric(*planes, *network, "compression") == 4);
  CHECK(metric(*planes, *network, "compression_signed") == doctest::Approx(32.0 / 9));
}

TEST_CASE("quantized are convolutions, linear weights, the last bias; not shortcuts or norms") {
  auto network = resnet20();
  const MethodStack stack = stack_of(make(kPlanes), *network);
  for (const Parameter& p : network->parameters()) {
    const bool shortcut = p.name.find("shortcut") != std::string::npos;
    const bool weight =
        p.kind == ParameterKind::conv_weight || p.kind == ParameterKind::linear_weight;
    CHECK(stack.bits(p) == ((weight && !shortcut) || p.name == "fc.bias" ? 8 : 32));
  }
  auto small = small_network();
  const auto count = [&](const Given& more) {
    Given given = kPlanes;
    given.insert(given.end(), more.begin(), more.end());
    const MethodStack chosen = stack_of(make(given), *small);
    return std::ranges::count_if(small->parameters(),
                                 [&](const Parameter& p) { return chosen.bits(p) < 32; });
  };
  CHECK(count({}) == 3);
  CHECK(count({{"biases", "all"}}) == 4);
  CHECK(count({{"biases", "none"}}) == 2);
  CHECK(count({{"exclude", std::vector<std::string>{"fc1.*"}}}) == 2);
}

TEST_CASE("the gradient of a plane weight: task and lasso in one pass, also at another width") {
  auto network = small_network();
  const Parameter& p = network->parameters()[0];  // fc1.weight [3, 4]
  for (const int bits : {8, 3}) {
    CAPTURE(bits);
    auto strength = std::make_shared<bsq::LassoStrength>();
    *strength = {0.5, true, 40};
    auto weight = bsq::make_plane_weight(p, {bits, 8, 1}, strength);
    const int n = static_cast<int>(weight->report().trained_bits);
    Tensor positive = weight->latents()[0], negative = weight->latents()[1],
           scale = weight->latents()[2];
    const Rng rng(2, "planes");
    for (std::int64_t i = 0; i < n * 12; ++i) {
      positive.f32()[i] = static_cast<float>(2 * rng.uniform(static_cast<std::uint64_t>(i)));
      negative.f32()[i] = static_cast<float>(2 * rng.uniform(static_cast<std::uint64_t>(i + 999)));
    }
    Tape tape;
    ForwardHooks hooks;
    Forward forward(tape, true, hooks);
    std::vector<Variable> latents;
    for (const Tensor& latent : weight->latents()) latents.push_back(tape.parameter(latent));
    const Variable w = weight->effective(forward, latents);
    Tensor g = Tensor::empty(p.value.shape());
    for (std::int64_t i = 0; i < 12; ++i) g.f32()[i] = 0.1f * static_cast<float>(i) - 0.5f;
    const Variable task = sum(multiply(w, tape.constant(g)));
    const Variable loss = add(task, weight->lasso());
    tape.backward(loss);

    const double s = static_cast<double>(scale.item());
    const double factor = 0.5 * 12 * n / 40;
    double ds = 0;
    for (std::int64_t i = 0; i < 12; ++i)
      ds += static_cast<double>(w.value().f32()[i]) / s * static_cast<double>(g.f32()[i]);
    CHECK(latents[2].gradient().item() == doctest::Approx(ds).epsilon(1e-5));
    for (int b = 0; b < 8; ++b)
      for (std::int64_t i = 0; i < 12; ++i) {
        double square = 1e-8;
        for (std::int64_t j = 0; j < 12; ++j)
          square += std::pow(static_cast<double>(positive.f32()[b * 12 + j]), 2) +
                    std::pow(static_cast<double>(negative.f32()[b * 12 + j]), 2);
        const double straight =
            b < n ? s * (1 << b) / bsq::levels(n) * static_cast<double>(g.f32()[i]) : 0;
        const auto lasso = [&](const Tensor& plane) {
          return b < n ? factor * static_cast<double>(plane.f32()[b * 12 + i]) / std::sqrt(square)
                       : 0;
        };
        CHECK(latents[0].gradient().f32()[b * 12 + i] ==
              doctest::Approx(straight + lasso(positive)).epsilon(1e-5));
        CHECK(latents[1].gradient().f32()[b * 12 + i] ==
              doctest::Approx(-straight + lasso(negative)).epsilon(1e-5));
      }

    // The lasso is smooth: finite differences of its value.
    for (const std::int64_t i : {std::int64_t{0}, std::int64_t{12} * (n - 1) + 5}) {
      const float h = 1e-2f, here = positive.f32()[i];
      const float gradient = latents[0].gradient().f32()[i];
      const auto at = [&](float x) {
        positive.f32()[i] = x;
        tape.forward();
        return static_cast<double>(weight->lasso().value().item());
      };
      const double difference = (at(here + h) - at(here - h)) / (2 * static_cast<double>(h));
      at(here);
      const int b = static_cast<int>(i / 12);
      const double straight = s * (1 << b) / bsq::levels(n) * static_cast<double>(g.f32()[i % 12]);
      CHECK(static_cast<double>(gradient) - straight == doctest::Approx(difference).epsilon(2e-3));
    }
  }
}

TEST_CASE("deployed weights: soft is the step's weight, hard the re-quantized one, coded exactly") {
  auto network = small_network();
  const Parameter& p = network->parameters()[0];
  auto strength = std::make_shared<bsq::LassoStrength>();
  strength->all_elements = 12;
  auto weight = bsq::make_plane_weight(p, {3, 8, 1}, strength);
  REQUIRE(weight->report().trained_bits == 3);
  Tensor positive = weight->latents()[0], negative = weight->latents()[1];
  for (int b = 0; b < 3; ++b) {  // one weight leaves [-1, 1]
    positive.f32()[b * 12 + 7] = 1.9f;
    negative.f32()[b * 12 + 7] = 0;
  }
  const auto before = list(positive);
  Tensor soft = Tensor::zeros(p.value.shape()), hard = soft.clone();
  weight->write_deployed(Deployment::soft, soft);
  weight->write_deployed(Deployment::hard, hard);
  CHECK(list(positive) == before);
  const OnTape on(*weight, Tensor::full(p.value.shape(), 1));
  CHECK(list(on.weight.value()) == list(soft));
  CHECK(hard.f32()[7] > soft.f32()[7]);
  CHECK(weight->bits() == 4);  // the weight outside takes a bit more
  const auto check_coded = [](const WeightTransform& w, const Tensor& expected) {
    const auto coded = w.coded();
    REQUIRE(coded);
    for (const std::int32_t code : coded->codes) {
      CHECK(code >= coded->first);
      CHECK(code < coded->first + (std::int64_t{1} << coded->bits));
    }
    CHECK(decoded(*coded) == list(expected));
  };
  check_coded(*weight, hard);

  CHECK(weight->adjust());
  Tensor after = soft.clone();
  weight->write_deployed(Deployment::soft, after);
  CHECK(list(after) == list(hard));  // the adjustment is what hard promised
  weight->write_deployed(Deployment::hard, after);
  CHECK(list(after) == list(hard));
  CHECK(weight->report().trained_bits == 4);
  check_coded(*weight, hard);

  const auto frozen = bsq::make_frozen_weight(p, {3, 0}, 1);
  frozen->write_deployed(Deployment::hard, hard);
  check_coded(*frozen, hard);
  const auto zero = bsq::make_frozen_weight(p, {0, 0}, 1);
  zero->write_deployed(Deployment::hard, hard);
  check_coded(*zero, hard);
  CHECK(zero->coded()->stored_bits() == 32);
}

TEST_CASE("fine-tuning: straight through, weights are clipped, biases are not") {
  auto network = small_network();
  const Parameter &weight = network->parameters()[2], &bias = network->parameters()[3];
  auto w = bsq::make_frozen_weight(weight, {2, 0}, 1);
  auto b = bsq::make_frozen_weight(bias, {2, 0}, 1);
  const float s = w->latents()[1].item();
  CHECK(s == bsq::scale_of(weight.value.values()));
  Tensor g = Tensor::full(weight.value.shape(), 0.5f);
  const OnTape on(*w, g);
  for (const float dx : on.latents[0].gradient().values()) CHECK(dx == 0.5f * s);
  double ds = 0;
  for (const float value : on.weight.value().values()) ds += 0.5 * static_cast<double>(value / s);
  CHECK(on.latents[1].gradient().item() == doctest::Approx(ds).epsilon(1e-5));
  w->latents()[0].f32()[0] = 1.5f;
  b->latents()[0].f32()[0] = 1.5f;
  w->after_update();
  b->after_update();
  CHECK(w->latents()[0].f32()[0] == 1);
  CHECK(b->latents()[0].f32()[0] == 1.5f);
}

TEST_CASE("widths and scales reach the stage that fine-tunes; an emptied tensor gets no bits") {
  auto network = small_network();
  auto method = make({{"alpha", 0.0}, {"activation_bits", std::int64_t{2}}});
  Method* const planes = method.get();
  MethodStack first = stack_of(std::move(method), *network);
  std::vector<std::vector<float>> deployed;
  for (const Optimized& o : first.untraced())
    if (o.name == "fc1.weight:0" || o.name == "fc1.weight:1") {
      Tensor plane = o.value;
      plane.fill(0);  // nothing is left of fc1
    } else if (o.name == "fc2.weight:0" || o.name == "fc2.weight:1") {
      Tensor planes_of_fc2 = o.value;
      std::fill_n(planes_of_fc2.f32(), 3 * 6, 0.0f);  // three least significant planes
    }
  planes->finish({});
  CHECK(first.bits(network->parameters()[0]) == 1);
  CHECK(first.bits(network->parameters()[2]) == 5);
  CHECK(first.rewritten().size() == 3 + 1 + 3 + 3);  // every latent and every float parameter
  CHECK(first.rewritten().empty());
  HandedOverByMethod left{{"other", {{"x", 1}}}};
  first.leave(left);
  CHECK(left.size() == 2);
  CHECK(left["bsq"].at("fc2.weight.bits") == 5);
  for (const Parameter& p : network->parameters()) {
    Tensor w = Tensor::zeros(p.value.shape());
    first.write_deployed(p, Deployment::hard, w);
    deployed.push_back(list(w));
  }
  first.hand_over();

  auto tuned = make({{"phase", "fine_tune"}, {"activation_bits", std::int64_t{2}}});
  Method* const fine = tuned.get();
  MethodStack second = stack_of(std::move(tuned), *network, left);
  CHECK(second.bits(network->parameters()[0]) == 0);
  CHECK(second.bits(network->parameters()[2]) == 5);
  for (std::size_t i = 0; i < 4; ++i) {
    Tensor w = Tensor::zeros(network->parameters()[i].value.shape());
    second.write_deployed(network->parameters()[i], Deployment::hard, w);
    CHECK(list(w) == deployed[i]);
  }
  CHECK(metric(*fine, *network, "bits", 0) == 0);
  CHECK(metric(*fine, *network, "bits", 1) == 5);
}

TEST_CASE("precision maps: lists, files, run files") {
  const testing::RunDirectory dir;
  const auto map = [](const Given& given) {
    return bsq::PrecisionMap(settings_for(builtin_registries().methods, "bsq", given));
  };
  const std::vector<std::string> tensors{"conv1.weight", "layer1.0.conv1.weight", "fc.bias"};
  CHECK(map({{"bits", std::vector<std::string>{"*=4", "layer1.* = 0"}}}).bits_of(tensors) ==
        std::vector<int>{4, 0, 4});
  testing::write_bytes(dir / "map.txt", "# found elsewhere\n* = 3\n\nfc.bias=7  # last\n");
  CHECK(map({{"bits_from", dir / "map.txt"}, {"bits", std::vector<std::string>{"conv1*=1"}}})
            .bits_of(tensors) == std::vector<int>{1, 3, 7});

  RunHeader header;
  header.tables = {{"/metrics/evaluation",
                    "step",
                    {{"step", "steps", "step", true, {}},
                     {"bits", "bits", "b", false, {"conv1.weight", "fc.bias", "x"}}}}};
  const auto writer = RunWriter::create(dir / "run.h5", header);
  writer->append(0, std::vector<double>{1, 8, 8, 8});
  writer->append(0, std::vector<double>{2, 5, NAN, 3});
  writer->close(RunStatus::finished);
  CHECK(map({{"bits_from", dir / "run.h5"}}).bits_of({"fc.bias", "conv1.weight"}) ==
        std::vector<int>{8, 5});

  const auto wrong = [&](const Given& given) -> std::string {
    try {
      map(given).bits_of(tensors);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  for (const char* entry : {"fc.bias", "fc.bias=", "=3", "*=17", "*=-1", "*=3x", "*=2.5"})
    CHECK(wrong({{"bits", std::vector<std::string>{entry}}}).find("no entry of a precision map") !=
          std::string::npos);
  CHECK(
      wrong({{"bits", std::vector<std::string>{"fc.bias=3"}}}).find("nothing of 'conv1.weight'") !=
      std::string::npos);
  CHECK(wrong({{"bits", std::vector<std::string>{"*=3", "fc9=3"}}}).find("'fc9' matches no") !=
        std::string::npos);
  CHECK(wrong({{"bits_from", dir / "none"}}).find("cannot read") != std::string::npos);
  CHECK(wrong({{"bits_from", dir / "none.h5"}}).find("no run file") != std::string::npos);
  testing::write_bytes(dir / "bad.txt", "*=3\nnonsense\n");
  CHECK(wrong({{"bits_from", dir / "bad.txt"}}).find("bad.txt:2:1: error") != std::string::npos);
  testing::write_bytes(dir / "empty.txt", "# nothing\n");
  CHECK(wrong({{"bits_from", dir / "empty.txt"}}).find("no entries") != std::string::npos);
}

TEST_CASE("what makes no sense is refused where it stands") {
  CHECK(refusal(kPlanes).empty());
  CHECK(refusal({}).find("alpha is missing") != std::string::npos);
  CHECK(refusal({{"alpha", 0.1}, {"initial_bits", std::int64_t{9}}})
            .starts_with("test.yaml:3:5: error: initial_bits is 9"));
  CHECK(refusal({{"alpha", 0.1}, {"bits", std::vector<std::string>{"*=3"}}})
            .starts_with("test.yaml:3:5: error: the widths are given, and looked for"));
  CHECK(refusal({{"phase", "fine_tune"}}).find("nothing says how many bits 'fc1.weight' has") !=
        std::string::npos);
  CHECK(refusal({{"alpha", 0.1}, {"activation_bits", std::int64_t{20}}})
            .starts_with("test.yaml:3:5: error: no activations of 20 bits"));
  CHECK(refusal({{"alpha", 0.1}, {"activation_exclude", std::vector<std::string>{"nope"}}})
            .starts_with("test.yaml:3:5: error: pattern 'nope' matches no ReLU"));
  CHECK(refusal({{"alpha", 0.1}, {"exclude", std::vector<std::string>{"fc9*"}}})
            .starts_with("test.yaml:3:5: error: pattern 'fc9*' matches no parameter"));
}

TEST_CASE("activations: the stem's ReLU stays, PACT from 3 bits down, both reach fine-tuning") {
  auto network = resnet20();
  auto method = make({{"alpha", 0.0}, {"activation_bits", std::int64_t{3}}});
  method->attach(stage_of(*network));
  const auto clips = method->trained();
  CHECK(clips.size() == 18);
  for (const TrainedTensor& clip : clips) CHECK(clip.value.item() == 10);
  CHECK(std::ranges::none_of(clips, [](const auto& c) { return c.name == "relu.clip"; }));
  Tensor first = clips[0].value;
  first.fill(2.5f);
  const HandedOver numbers = method->hand_over();
  CHECK(numbers.at(clips[0].name) == 2.5);
  StageInfo stage = stage_of(*network);
  stage.handed_over = numbers;
  auto next = make({{"alpha", 0.0}, {"activation_bits", std::int64_t{3}}});
  next->attach(stage);
  CHECK(next->trained()[0].value.item() == 2.5f);

  CHECK(make({{"alpha", 0.0}})->trained().empty());  // 4 bits: ReLU6
  auto with_stem = make({{"alpha", 0.0},
                         {"activation_bits", std::int64_t{2}},
                         {"activation_stem", true},
                         {"activation_exclude", std::vector<std::string>{"layer3.*"}}});
  with_stem->attach(stage_of(*network));
  CHECK(with_stem->trained().size() == 13);
}
