// Optimizers on a small quadratic, against recurrences in double, numbers worked by hand, and
// PyTorch's; which tensors decay; refused options.
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include <doctest/doctest.h>

#include <bitwright/optim/optimizer.h>

#include "method_fixture.h"
#include "small_net.h"

using namespace bitwright;
using namespace bitwright::test;

namespace {

std::unique_ptr<Optimizer> make(const std::string& name, const Given& given) {
  return make_component(builtin_registries().optimizers, name, given);
}

// The loss sum_j a_j (x_j - c_j)^2 / 2.
struct Quadratic {
  std::vector<double> start{1, -2, 0.5, 3}, a{1, 0.3, 2, 0.1}, c{0, 1, -1, 0.5};
  double gradient(std::size_t j, double x) const { return a[j] * (x - c[j]); }

  // As the framework optimizes it, in float.
  std::vector<float> descend(const std::string& name, const Given& given, int steps) const {
    Tensor x = Tensor::empty({static_cast<std::int64_t>(start.size())});
    Tensor g = Tensor::zeros(x.shape());
    for (std::size_t j = 0; j < start.size(); ++j) x.f32()[j] = static_cast<float>(start[j]);
    const auto optimizer = make(name, given);
    optimizer->attach({{"x", x, g, "x", "linear_weight"}});
    for (int t = 0; t < steps; ++t) {
      for (std::size_t j = 0; j < start.size(); ++j)
        g.f32()[j] = static_cast<float>(gradient(j, static_cast<double>(x.f32()[j])));
      optimizer->step(optimizer->learning_rate());
    }
    return list(x);
  }

  // One element after another, in double: `step(t, x, g)` moves x, and keeps its state itself.
  using Step = std::function<void(int t, double& x, double g)>;
  std::vector<double> descend(const std::function<Step()>& make_step, int steps) const {
    std::vector<double> result;
    for (std::size_t j = 0; j < start.size(); ++j) {
      double x = start[j];
      const Step step = make_step();
      for (int t = 1; t <= steps; ++t) step(t, x, gradient(j, x));
      result.push_back(x);
    }
    return result;
  }
};

void check_close(const std::vector<float>& ours, const std::vector<double>& expected,
                 double tolerance) {
  REQUIRE(ours.size() == expected.size());
  for (std::size_t j = 0; j < ours.size(); ++j) {
    CAPTURE(j);
    CHECK(std::abs(static_cast<double>(ours[j]) - expected[j]) <
          tolerance * (1 + std::abs(expected[j])));
  }
}

constexpr double kRounding = 2e-6;

const Quadratic quadratic;

}  // namespace

TEST_CASE("SGD follows its recurrence, in every form") {
  const double rate = 0.05;
  for (const double momentum : {0.0, 0.5, 0.9})
    for (const double dampening : {0.0, 0.4})
      for (const bool nesterov : {false, true})
        for (const double decay : {0.0, 0.3})
          for (const bool decoupled : {false, true}) {
            if (nesterov && (momentum == 0 || dampening > 0)) continue;
            if (dampening > 0 && momentum == 0) continue;
            CAPTURE(momentum);
            CAPTURE(dampening);
            CAPTURE(nesterov);
            CAPTURE(decay);
            CAPTURE(decoupled);
            const auto reference = quadratic.descend(
                [&]() -> Quadratic::Step {
                  return [=, buffer = 0.0](int t, double& x, double g) mutable {
                    if (!decoupled) g += decay * x;
                    if (decoupled) x -= rate * decay * x;
                    buffer = t == 1 ? g : momentum * buffer + (1 - dampening) * g;
                    const double direction = momentum == 0 ? g
                                             : nesterov    ? g + momentum * buffer
                                                           : buffer;
                    x -= rate * direction;
                  };
                },
                40);
            check_close(quadratic.descend("sgd",
                                          {{"learning_rate", rate},
                                           {"momentum", momentum},
                                           {"dampening", dampening},
                                           {"nesterov", nesterov},
                                           {"weight_decay", decay},
                                           {"decay", std::string(decoupled ? "decoupled" : "l2")}},
                                          40),
                        reference, kRounding);
          }
}

TEST_CASE("Adam and AdamW follow their recurrence") {
  const double rate = 0.1, epsilon = 1e-3;
  for (const bool decoupled : {false, true})
    for (const double decay : {0.0, 0.4})
      for (const auto& [beta1, beta2] : {std::pair{0.9, 0.999}, std::pair{0.5, 0.9}}) {
        CAPTURE(decoupled);
        CAPTURE(decay);
        CAPTURE(beta1);
        const auto reference = quadratic.descend(
            [&]() -> Quadratic::Step {
              return [=, b1 = beta1, b2 = beta2, m = 0.0, v = 0.0](int t, double& x,
                                                                   double g) mutable {
                if (!decoupled) g += decay * x;
                m = b1 * m + (1 - b1) * g;
                v = b2 * v + (1 - b2) * g * g;
                const double m_hat = m / (1 - std::pow(b1, t)), v_hat = v / (1 - std::pow(b2, t));
                const double shrunk = decoupled ? x * (1 - rate * decay) : x;
                x = shrunk - rate * m_hat / (std::sqrt(v_hat) + epsilon);
              };
            },
            40);
        check_close(quadratic.descend(decoupled ? "adamw" : "adam",
                                      {{"learning_rate", rate},
                                       {"beta1", beta1},
                                       {"beta2", beta2},
                                       {"epsilon", epsilon},
                                       {"weight_decay", decay}},
                                      40),
                    reference, kRounding);
      }
}

TEST_CASE("numbers worked by hand: x = 1, loss x^2 / 2, rate 0.1") {
  Quadratic one;
  one.start = {1};
  one.a = {1};
  one.c = {0};
  const auto x = [&](const std::string& name, Given given, int steps) {
    given.push_back({"learning_rate", 0.1});
    return doctest::Approx(static_cast<double>(one.descend(name, given, steps)[0])).epsilon(1e-6);
  };
  CHECK(0.9 == x("sgd", {}, 1));
  CHECK(0.81 == x("sgd", {}, 2));
  CHECK(0.72 == x("sgd", {{"momentum", 0.9}}, 2));                        // v: 1, 1.8
  CHECK(0.5751 == x("sgd", {{"momentum", 0.9}, {"nesterov", true}}, 2));  // 1 - 0.19 - 0.2349
  CHECK(0.765 == x("sgd", {{"momentum", 0.9}, {"dampening", 0.5}}, 2));   // v: 1, 1.35
  const std::string l2 = "l2", decoupled = "decoupled";
  CHECK(0.85 == x("sgd", {{"weight_decay", 0.5}, {"decay", l2}}, 1));
  CHECK(0.85 == x("sgd", {{"weight_decay", 0.5}, {"decay", decoupled}}, 1));
  // With momentum the two differ: v is 1.5, 2.625 and 1, 1.75.
  CHECK(0.5875 == x("sgd", {{"momentum", 0.9}, {"weight_decay", 0.5}, {"decay", l2}}, 2));
  CHECK(0.6325 == x("sgd", {{"momentum", 0.9}, {"weight_decay", 0.5}, {"decay", decoupled}}, 2));
  CHECK(0.9 == x("adam", {{"weight_decay", 0.5}}, 1));    // the first step has the size of the rate
  CHECK(0.85 == x("adamw", {{"weight_decay", 0.5}}, 1));  // 1 * 0.95 - 0.1
}

// Made once with PyTorch 1.13 in float64: 20 steps of torch.optim.{SGD, Adam, AdamW}.
TEST_CASE("agreement with PyTorch") {
  const auto check = [](const char* name, const Given& given, const std::vector<double>& torch) {
    CAPTURE(name);
    check_close(quadratic.descend(name, given, 20), torch, kRounding);
  };
  check("sgd", {{"learning_rate", 0.1}},
        {0.12157665459056928, -0.6313830287802418, -0.9827061774308973, 2.5447673439930774});
  check("sgd", {{"learning_rate", 0.1}, {"momentum", 0.9}, {"weight_decay", 0.05}},
        {0.3304814765374247, 1.800562032705457, -1.493915710408823, 0.0006944526331948782});
  check("sgd",
        {{"learning_rate", 0.05}, {"momentum", 0.9}, {"nesterov", true}, {"weight_decay", 0.05}},
        {-0.04214601247534509, 1.3351631794332228, -0.8075499940340829, 1.0557354981440958});
  check("sgd", {{"learning_rate", 0.1}, {"momentum", 0.8}, {"dampening", 0.3}},
        {0.029971172411673547, 0.9239774710234916, -0.9795568956630607, 1.8088283785290582});
  check("adam", {{"learning_rate", 0.1}, {"weight_decay", 0.1}},
        {-0.2711540943424796, -0.1354689847067998, -1.1152744356560114, 1.1354690029412322});
  check("adamw",
        {{"learning_rate", 0.1},
         {"beta1", 0.8},
         {"beta2", 0.99},
         {"epsilon", 1e-6},
         {"weight_decay", 0.2}},
        {-0.08111004501031918, 0.0933523531192695, -0.8884401305536459, 0.7218826311194001});
}

namespace {

// Values after one step with gradients 0, from 1, of tensors called like a network's.
std::vector<float> decayed(const std::string& name, const std::vector<std::string>& exclude) {
  const std::vector<std::array<const char*, 3>> tensors{
      {"conv1.weight", "conv1.weight", "conv_weight"},
      {"bn1.scale", "bn1.scale", "norm_scale"},
      {"bn1.shift", "bn1.shift", "norm_shift"},
      {"fc.weight:0", "fc.weight", "linear_weight"},
      {"fc.weight:1", "fc.weight", "linear_weight"},
      {"fc.bias", "fc.bias", "bias"}};
  std::vector<Optimized> all;
  for (const auto& [tensor, parameter, kind] : tensors)
    all.push_back({tensor, Tensor::full({3}, 1), Tensor::zeros({3}), parameter, kind});
  const auto optimizer = make(
      name, {{"learning_rate", 0.5}, {"weight_decay", 0.5}, {"weight_decay_exclude", exclude}});
  optimizer->attach(all);
  optimizer->step(0.5);
  std::vector<float> values;
  for (const Optimized& one : all) values.push_back(one.value.values()[2]);
  return values;
}

}  // namespace

TEST_CASE("decay spares what is excluded: by name, pattern or kind") {
  const float d = 0.75f;  // 1 - 0.5 * 0.5
  for (const char* name : {"sgd", "adamw"}) {
    CAPTURE(name);
    using List = std::vector<float>;
    CHECK(decayed(name, {}) == List{d, d, d, d, d, d});
    CHECK(decayed(name, {"fc.bias"}) == List{d, d, d, d, d, 1});
    CHECK(decayed(name, {"fc.weight"}) == List{d, d, d, 1, 1, d});  // all tensors that stand for it
    CHECK(decayed(name, {"*.bias", "bn*"}) == List{d, 1, 1, d, d, 1});
    CHECK(decayed(name, {"bias", "norm_scale", "norm_shift"}) == List{d, 1, 1, d, d, 1});
    CHECK(decayed(name, {"*"}) == List{1, 1, 1, 1, 1, 1});
    try {
      decayed(name, {"bias", "bn2*"});
      FAIL("accepted");
    } catch (const Error& error) {
      const std::string line = error.what();
      CHECK(line.starts_with("test.yaml:3:5: error: pattern 'bn2*' matches no parameter"));
      CHECK(line.find("conv1.weight, bn1.scale") != std::string::npos);
    }
  }
}

TEST_CASE("a frozen tensor stays, decay included, and its state is dropped") {
  for (const char* name : {"sgd", "adam", "adamw"}) {
    CAPTURE(name);
    Given given{{"learning_rate", 0.1}, {"weight_decay", 0.5}};
    if (std::string(name) == "sgd") given.push_back({"momentum", 0.9});
    const auto optimizer = make(name, given);
    Tensor a = Tensor::full({5}, 1), b = Tensor::full({5}, 1);
    optimizer->attach(
        {{"a", a, Tensor::full({5}, 1), "a", "bias"}, {"b", b, Tensor::full({5}, 1), "b", "bias"}});
    optimizer->step(0.1);
    const std::vector<float> before = list(a);
    optimizer->freeze("a");
    optimizer->step(0.1);
    CHECK(list(a) == before);
    CHECK(list(b) != before);
  }
}

TEST_CASE("the same bits for any cut into ranges") {
  const auto after = [](const char* name, const Given& given, int team) {
    const bitwright::testing::ThreadsScope scope(team);
    Tensor x = Tensor::empty({50001}), g = Tensor::empty({50001});
    bitwright::testing::fill_normal(x, 1);
    bitwright::testing::fill_normal(g, 2);
    const auto optimizer = make(name, given);
    optimizer->attach({{"x", x, g, "x", "bias"}});
    for (int t = 0; t < 3; ++t) optimizer->step(0.01);
    return list(x);
  };
  for (const char* name : {"sgd", "adam", "adamw"}) {
    CAPTURE(name);
    Given given{{"learning_rate", 0.01}, {"weight_decay", 0.1}};
    CHECK(after(name, given, 1) == after(name, given, 3));
  }
}

TEST_CASE("options that contradict each other are refused where they stand") {
  const auto refused = [](const char* name, Given given, const char* contains) {
    CAPTURE(contains);
    given.push_back({"learning_rate", 0.1});
    std::string line = "accepted";
    try {
      make(name, given);
    } catch (const Error& error) {
      line = error.what();
      CHECK(error.status() == ExitStatus::config);
    }
    CAPTURE(line);
    CHECK(line.starts_with("test.yaml:3:5: error: "));
    CHECK(line.find(contains) != std::string::npos);
  };
  refused("sgd", {{"nesterov", true}}, "needs momentum");
  refused("sgd", {{"nesterov", true}, {"momentum", 0.9}, {"dampening", 0.1}}, "no dampening");
  refused("sgd", {{"dampening", 0.1}}, "without momentum");
  for (const char* name : {"adam", "adamw"}) {
    refused(name, {{"beta1", 1.0}}, "never takes in a gradient");
    refused(name, {{"beta2", 1.0}}, "never takes in a gradient");
  }
}
