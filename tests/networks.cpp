// Networks at work: every one runs forwards and backwards, hooks reach every layer, weights are
// drawn as stated, and a residual network learns.
#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "method_fixture.h"
#include "naive.h"
#include "small_net.h"

using namespace bitwright;
using test::Given;

namespace {

std::unique_ptr<Network> make(const std::string& name, const InputSpec& input,
                              const Given& given = {}) {
  auto network = test::make_network(name, input, given);
  initialize(*network, 1);
  return network;
}

// A batch of random images and labels.
struct Batch {
  Tensor images, labels;
  Batch(const InputSpec& input, std::int64_t n)
      : images(Tensor::empty({Shape{n, input.channels, input.height, input.width}, DType::f32,
                              Layout::channels_last})),
        labels(Tensor::empty({Shape{n}, DType::i32})) {
    testing::fill_normal(images, 3);
    for (std::int64_t i = 0; i < n; ++i)
      labels.i32()[i] = static_cast<std::int32_t>(i % input.classes);
  }
};

// Remembers what it is asked for, in order.
struct Recorder : ForwardHooks {
  std::vector<std::string> inputs, outputs;
  std::map<std::string, std::string> kinds;
  std::map<std::string, Variable> parameters, values;

  Variable parameter(Forward& f, const Parameter& p) override {
    CHECK(!parameters.contains(p.name));
    return parameters[p.name] = ForwardHooks::parameter(f, p);
  }
  Variable layer_input(Forward&, const Layer& layer, const Variable& x) override {
    inputs.push_back(layer.name());
    kinds[layer.name()] = layer.kind();
    return x;
  }
  Variable layer_output(Forward&, const Layer& layer, const Variable& y) override {
    outputs.push_back(layer.name());
    return values[layer.name()] = y;
  }
};

struct Traced {
  Batch batch;
  Tape tape;
  Recorder hooks;
  Variable logits, loss;

  Traced(Network& network, std::int64_t n, bool training = true) : batch(network.input(), n) {
    Forward forward(tape, training, hooks);
    logits = network.forward(forward, tape.constant(batch.images));
    loss = cross_entropy(logits, tape.constant(batch.labels));
    tape.backward(loss);
  }
};

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

bool finite(const Tensor& t) {
  return std::all_of(t.values().begin(), t.values().end(),
                     [](float x) { return std::isfinite(x); });
}

double largest(const Tensor& t) {
  double most = 0;
  for (const float x : t.values()) most = std::max(most, std::fabs(static_cast<double>(x)));
  return most;
}

void check_gradients(const std::string& name, const InputSpec& input, const Given& given) {
  CAPTURE(name);
  const auto network = make(name, input, given);
  Traced pass(*network, 4);
  CHECK(pass.logits.shape() == Shape{4, input.classes});
  CHECK(std::isfinite(pass.loss.value().item()));
  CHECK(pass.hooks.parameters.size() == network->parameters().size());
  for (const Parameter& p : network->parameters()) {
    CAPTURE(p.name);
    const Tensor& gradient = pass.hooks.parameters.at(p.name).gradient();
    REQUIRE(gradient.defined());
    CHECK(finite(gradient));
    // A bias in front of a normalisation moves nothing: its gradient is only what rounding leaves.
    if (p.kind != ParameterKind::bias) CHECK(largest(gradient) > 0);
  }
}

}  // namespace

TEST_CASE("every network runs forwards and backwards") {
  const InputSpec small{3, 32, 32, 10};
  for (const std::string& name : test::builtin_registries().networks.names()) {
    const RegistryBase& all = test::builtin_registries().networks;
    if (!all.find(name)->implied_by.empty()) continue;  // a list of layers, in stages.cpp
    const bool scales = all.find(name)->options.find("width") != nullptr;
    check_gradients(name, small, scales ? Given{{"width", 0.125}} : Given{});
  }
}

TEST_CASE("every form of a residual network runs forwards and backwards") {
  for (const std::string shortcut : {"A", "B"})
    for (const std::string stem : {"cifar", "imagenet"})
      for (const bool pre_activation : {false, true}) {
        CAPTURE(shortcut);
        CAPTURE(stem);
        CAPTURE(pre_activation);
        check_gradients("resnet18", {3, 40, 36, 5},
                        {{"width", 0.0625},
                         {"shortcut", shortcut},
                         {"stem", stem},
                         {"pre_activation", pre_activation}});
      }
}

TEST_CASE("hooks see every layer, also inside the branches") {
  const auto network = make("resnet8", {1, 12, 12, 10}, {{"shortcut", "B"}});
  const Traced pass(*network, 2);
  CHECK(pass.hooks.inputs ==
        words("conv1 bn1 relu "
              "layer1.0.add layer1.0.conv1 layer1.0.bn1 layer1.0.relu1 layer1.0.conv2 layer1.0.bn2 "
              "layer1.0.relu2 "
              "layer2.0.add layer2.0.conv1 layer2.0.bn1 layer2.0.relu1 layer2.0.conv2 layer2.0.bn2 "
              "layer2.0.shortcut.conv layer2.0.shortcut.bn layer2.0.relu2 "
              "layer3.0.add layer3.0.conv1 layer3.0.bn1 layer3.0.relu1 layer3.0.conv2 layer3.0.bn2 "
              "layer3.0.shortcut.conv layer3.0.shortcut.bn layer3.0.relu2 "
              "avgpool fc"));
  // A sum's input comes before its branches, its output behind them.
  CHECK(pass.hooks.outputs.size() == pass.hooks.inputs.size());
  const auto at = [&](const std::string& name) {
    return std::find(pass.hooks.outputs.begin(), pass.hooks.outputs.end(), name);
  };
  CHECK(at("layer2.0.shortcut.bn") < at("layer2.0.add"));
  CHECK(at("layer2.0.add") < at("layer2.0.relu2"));
  for (const auto& [name, kind] : std::map<std::string, std::string>{{"conv1", "conv2d"},
                                                                     {"layer1.0.add", "residual"},
                                                                     {"layer3.0.bn2", "batch_norm"},
                                                                     {"avgpool", "global_avg_pool"},
                                                                     {"fc", "linear"}})
    CHECK(pass.hooks.kinds.at(name) == kind);
  // What a hook puts in the place of a branch's output is what is added.
  const auto sum = naive::to_array(pass.hooks.values.at("layer2.0.add").value());
  const auto body = naive::to_array(pass.hooks.values.at("layer2.0.bn2").value());
  const auto shortcut = naive::to_array(pass.hooks.values.at("layer2.0.shortcut.bn").value());
  for (std::int64_t i = 0; i < sum.size(); ++i)
    REQUIRE(sum[i] == doctest::Approx(body[i] + shortcut[i]).epsilon(1e-6));
}

TEST_CASE("a hook inside a branch changes the sum") {
  const auto network = make("resnet8", {1, 8, 8, 4});
  const Batch batch(network->input(), 2);
  struct Silent final : Recorder {
    Variable layer_output(Forward& f, const Layer& layer, const Variable& y) override {
      return Recorder::layer_output(f, layer, layer.name() == "layer1.0.bn2" ? scale(y, 0) : y);
    }
  } hooks;
  Tape tape;
  Forward forward(tape, true, hooks);
  network->forward(forward, tape.constant(batch.images));
  const Tensor& identity = hooks.values.at("relu").value();
  CHECK(testing::same_bits(hooks.values.at("layer1.0.add").value(), identity));
}

TEST_CASE("the order of layers with pre-activation") {
  const auto network = make("resnet8", {1, 12, 12, 10}, {{"pre_activation", true}});
  const Traced pass(*network, 2);
  // The stem's activation serves the first block; where the shape changes, both paths share one.
  CHECK(pass.hooks.inputs ==
        words("conv1 bn1 relu "
              "layer1.0.add layer1.0.conv1 layer1.0.bn2 layer1.0.relu2 layer1.0.conv2 "
              "layer2.0.bn1 layer2.0.relu1 layer2.0.add layer2.0.conv1 layer2.0.bn2 layer2.0.relu2 "
              "layer2.0.conv2 layer2.0.shortcut.pad "
              "layer3.0.bn1 layer3.0.relu1 layer3.0.add layer3.0.conv1 layer3.0.bn2 layer3.0.relu2 "
              "layer3.0.conv2 layer3.0.shortcut.pad "
              "bn2 relu2 "
              "avgpool fc"));
  const auto twenty = make("resnet20", {1, 12, 12, 10}, {{"pre_activation", true}});
  const Traced longer(*twenty, 2);
  const auto& seen = longer.hooks.inputs;
  const auto second = std::find(seen.begin(), seen.end(), "layer1.1.add");
  REQUIRE(second != seen.end());
  CHECK(*(second + 1) == "layer1.1.bn1");  // inside the body: the shortcut is the bare sum
}

TEST_CASE("names of a builder: unique, or refused") {
  NetworkBuilder b(InputSpec{1, 8, 8, 2}, {"test.yaml", 2, 3});
  b.conv2d("a", 2, 3);
  CHECK_THROWS_WITH(b.batch_norm("a"),
                    "test.yaml:2:3: error: two layers are called 'a'; a name of its own for each; "
                    "rename one");
  b.scope("s", [](NetworkBuilder& s) { s.batch_norm("a"); });  // s.a
  CHECK_THROWS_WITH(
      b.residual("add", [](NetworkBuilder& m) { m.conv2d("c", 4, 3, {.padding = 1}); }),
      "test.yaml:2:3: error: the branches of 'add' have the shapes [4, 6, 6] and [2, 6, 6]; one "
      "shape; give the shortcut the channels and stride of the body");
  NetworkBuilder flat(InputSpec{1, 8, 8, 2}, {"test.yaml", 2, 3});
  CHECK_THROWS_WITH_AS(flat.linear("fc", 2), doctest::Contains("'fc' would work on an image"),
                       Error);
  flat.flatten();
  CHECK_THROWS_WITH_AS(flat.conv2d("c", 2, 3), doctest::Contains("'c' has no image to work on"),
                       Error);
}

TEST_CASE("a planned tape computes what the eager one does, across branches") {
  for (const bool pre_activation : {false, true}) {
    const Given given{{"shortcut", "B"}, {"pre_activation", pre_activation}};
    const auto network = make("resnet8", {1, 12, 12, 10}, given);
    const Traced eager(*network, 4);
    const auto again = make("resnet8", {1, 12, 12, 10}, given);  // own running statistics
    const Batch batch(again->input(), 4);
    Tape tape(Execution::planned);
    Recorder hooks;
    Forward forward(tape, true, hooks);
    const Variable logits = again->forward(forward, tape.constant(batch.images));
    const Variable loss = cross_entropy(logits, tape.constant(batch.labels));
    tape.plan(std::array{logits}, loss);
    tape.forward();
    tape.backward(loss);
    CHECK(naive::distance(naive::to_array(logits.value()), naive::to_array(eager.logits.value())) <
          1e-5);
    for (const auto& [name, variable] : hooks.parameters) {
      CAPTURE(name);
      CHECK(naive::distance(naive::to_array(variable.gradient()),
                            naive::to_array(eager.hooks.parameters.at(name).gradient())) < 1e-4);
    }
  }
}

TEST_CASE("convolutions in groups") {
  NetworkBuilder b(InputSpec{4, 6, 6, 2}, {"test.yaml", 2, 3});
  b.conv2d("pairs", 8, 3, {.padding = 1, .groups = 2}, false).global_avg_pool().linear("fc", 2);
  CHECK_THROWS_WITH_AS(NetworkBuilder(InputSpec{4, 6, 6, 2}).conv2d("c", 8, 3, {.groups = 3}),
                       doctest::Contains("'c' has 4 channels in, 8 out and 3 groups"), Error);
  const auto network = b.build();
  initialize(*network, 1);
  const Parameter& weight = network->parameters().front();
  CHECK(weight.value.shape() == Shape{8, 2, 3, 3});
  CHECK(weight.fan_in == 2 * 9);
  CHECK(weight.fan_out == 4 * 9);
  CHECK(network->macs() == 8 * 36 * 2 * 9 + 16);
  const Traced pass(*network, 3);
  CHECK(pass.logits.shape() == Shape{3, 2});
  CHECK(largest(pass.hooks.parameters.at("pairs.weight").gradient()) > 0);
}

TEST_CASE("weights are drawn as stated") {
  const auto moments = [](const Tensor& t) {
    double mean = 0, square = 0, most = 0;
    for (const double x : t.values()) {
      mean += x;
      square += x * x;
      most = std::max(most, std::fabs(x));
    }
    const double n = static_cast<double>(t.numel());
    return std::array{mean / n, std::sqrt(square / n), most};
  };
  const auto find = [](Network& network, const std::string& name) -> const Tensor& {
    for (const Parameter& p : network.parameters())
      if (p.name == name) return p.value;
    throw std::logic_error(name);
  };
  const InputSpec input{3, 32, 32, 10};
  const auto kaiming = make("vgg7", input, {{"bias", true}});
  const auto xavier = make("vgg7", input, {{"bias", true}, {"init", "xavier"}});

  const auto conv = moments(find(*kaiming, "conv3.weight"));  // 128 -> 256, 3x3
  CHECK(conv[0] == doctest::Approx(0).epsilon(1e-3));
  CHECK(conv[1] == doctest::Approx(std::sqrt(2. / (256 * 9))).epsilon(0.01));
  CHECK(conv[2] > 4 * conv[1]);                               // a normal distribution has tails
  const auto linear = moments(find(*kaiming, "fc1.weight"));  // 8192 -> 1024
  CHECK(linear[2] <= 1 / std::sqrt(8192.));
  CHECK(linear[1] == doctest::Approx(1 / std::sqrt(3 * 8192.)).epsilon(0.01));
  CHECK(moments(find(*kaiming, "conv3.bias"))[2] == 0);

  const double bound = std::sqrt(6. / (9 * (128 + 256)));
  const auto uniform = moments(find(*xavier, "conv3.weight"));
  CHECK(uniform[2] <= bound);
  CHECK(uniform[1] == doctest::Approx(bound / std::sqrt(3)).epsilon(0.01));
  CHECK(moments(find(*xavier, "fc1.bias"))[1] == doctest::Approx(0.1).epsilon(0.1));
  CHECK(moments(find(*xavier, "bn1.scale"))[1] == 1);
}

TEST_CASE("a residual network learns, the same way twice") {
  const auto train = [] {
    const InputSpec input{1, 14, 14, 4};
    const auto network = make("resnet8", input);
    Traced pass(*network, 16);
    std::vector<float> losses{pass.loss.value().item()};
    for (int step = 0; step < 25; ++step) {
      for (Parameter& p : network->parameters()) {
        const Tensor& gradient = pass.hooks.parameters.at(p.name).gradient();
        for (std::int64_t i = 0; i < p.value.numel(); ++i)
          p.value.f32()[i] -= 0.05f * gradient.f32()[i];
      }
      pass.tape.forward();
      pass.tape.backward(pass.loss);
      losses.push_back(pass.loss.value().item());
    }
    return losses;
  };
  const auto losses = train();
  CHECK(losses.back() < 0.5f * losses.front());
  CHECK(train() == losses);
}
