// Parameters and multiply-accumulate operations of the named networks. Where no paper prints a
// count, the number is that of the same network written with PyTorch's modules (numel of its
// parameters; output elements x weights of one output, summed over convolutions and linear layers).
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>

#include <doctest/doctest.h>

#include "method_fixture.h"

using namespace bitwright;
using test::Given;
using test::make_network;

namespace {

const InputSpec kMnist{1, 28, 28, 10}, kCifar10{3, 32, 32, 10}, kCifar100{3, 32, 32, 100};

struct Counts {
  std::int64_t parameters = 0, macs = 0;
  bool operator==(const Counts&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Counts& c) {
  return out << c.parameters << " parameters, " << c.macs << " MACs";
}

Counts counts(const std::string& name, const InputSpec& input, const Given& given = {}) {
  const auto network = make_network(name, input, given);
  return {network->parameter_count(), network->macs()};
}

// Elements of the weights of convolutions and linear layers.
std::int64_t weights(const Network& network) {
  std::int64_t n = 0;
  for (const Parameter& p : network.parameters())
    if (p.value.shape().rank() > 1) n += p.value.numel();
  return n;
}

}  // namespace

TEST_CASE("LeNets and perceptrons: published counts") {
  // arXiv:1812.04353: 266,610 and 431,080 parameters, 0.266 and 2.293 MMAC.
  CHECK(counts("lenet300", kMnist) == Counts{266610, 266200});
  CHECK(counts("lenet5", kMnist) == Counts{431080, 2293000});
  // arXiv:1810.01875: 582,026 parameters; 4.27 MMAC.
  CHECK(counts("lenet5-wide", kMnist) == Counts{582026, 4267008});
  // 784-64-32-10 written out.
  CHECK(counts("mlp", kMnist, {{"hidden", std::vector<std::int64_t>{64, 32}}}) ==
        Counts{785 * 64 + 65 * 32 + 33 * 10, 784 * 64 + 64 * 32 + 32 * 10});
  CHECK(counts("lenet300", kMnist, {{"affine", true}}).parameters == 266610 + 2 * 400);
  CHECK(make_network("lenet5", kMnist, {{"batch_norm", false}})->buffers().empty());
}

TEST_CASE("VGG networks: published counts") {
  // arXiv:1812.04353: 15,245,130 parameters with 10 classes, 15,291,300 with 100; 313.7 MMAC.
  CHECK(counts("vgg16", kCifar10) == Counts{15245130, 313725952});
  CHECK(counts("vgg16", kCifar100) == Counts{15291300, 313772032});
  CHECK(counts("vgg16", kCifar10, {{"width", 0.125}}) == Counts{239538, 5096064});
  CHECK(counts("vgg11", kCifar10) == Counts{9750922, 153293824});
  // arXiv:1810.01875: 12.97 M weights.
  CHECK(counts("vgg7", kCifar10) == Counts{12979082, 615917568});
  CHECK(weights(*make_network("vgg7", kCifar10)) == 12973440);
  // LQ-Nets (arXiv:1807.10029) and HWGQ: 4,571,136 weights in convolutions but the first.
  CHECK(counts("vgg-small", kCifar10) == Counts{4660106, 607600640});
  CHECK(weights(*make_network("vgg-small", kCifar10)) == 4571136 + 3 * 128 * 9 + 512 * 16 * 10);
}

TEST_CASE("residual networks for small images: published counts") {
  // arXiv:2105.03536's cost tables: 12,239,488 and 40,551,040 MACs, 74,800 and 268,336 weights
  // (option A, no biases).
  CHECK(counts("resnet8", kCifar10) == Counts{75290, 12239488});
  CHECK(counts("resnet20", kCifar10) == Counts{269722, 40551040});
  CHECK(weights(*make_network("resnet8", kCifar10)) == 74800);
  CHECK(weights(*make_network("resnet20", kCifar10)) == 268336);
  CHECK(counts("resnet20", kCifar10, {{"width", 0.5}}).macs == 10248512);
  // arXiv:1512.03385, table 6: 0.46 M, 0.66 M, 0.85 M, 1.7 M parameters.
  CHECK(counts("resnet32", kCifar10) == Counts{464154, 68862592});
  CHECK(counts("resnet44", kCifar10) == Counts{658586, 97174144});
  CHECK(counts("resnet56", kCifar10) == Counts{853018, 125485696});
  CHECK(counts("resnet110", kCifar10) == Counts{1727962, 252887680});
  // arXiv:2102.10462 (option B): 268,346 parameters in weights and last bias, 2,560 more in the
  // shortcuts, 40.81 MMAC; ResNet-8 74,810 + 2,560, 12.50 MMAC.
  CHECK(counts("resnet20", kCifar10, {{"shortcut", "B"}}) == Counts{272474, 40813184});
  CHECK(weights(*make_network("resnet20", kCifar10, {{"shortcut", "B"}})) == 268336 + 2560);
  CHECK(counts("resnet8", kCifar10, {{"shortcut", "B"}}) == Counts{78042, 12501632});
  CHECK(weights(*make_network("resnet8", kCifar10, {{"shortcut", "B"}})) == 74800 + 2560);
  // PyTorch, with 20-40-80 channels.
  CHECK(counts("resnet20", kCifar10, {{"width", 1.25}}) == Counts{420670, 63222560});
  CHECK(counts("resnet20", kCifar10, {{"pre_activation", true}}) == Counts{269722, 40551040});
}

TEST_CASE("residual networks of four stages: published counts") {
  // arXiv:1812.04353: 11,164,362, 11,210,532 and 11,261,832 parameters, 555.4 MMAC without affine
  // normalisation; base width 8 and 16.
  const InputSpec tiny{3, 64, 64, 200}, imagenet{3, 224, 224, 1000};
  const Given plain{{"affine", false}};
  CHECK(counts("resnet18", kCifar10, plain) == Counts{11164362, 555422720});
  CHECK(counts("resnet18", kCifar100, plain) == Counts{11210532, 555468800});
  CHECK(counts("resnet18", tiny, {{"affine", false}, {"stem_stride", std::int64_t{2}}}) ==
        Counts{11261832, 555520000});
  CHECK(counts("resnet18", kCifar10, {{"affine", false}, {"width", 0.125}}) ==
        Counts{175202, 8872576});
  CHECK(counts("resnet18", kCifar10, {{"affine", false}, {"width", 0.25}}) ==
        Counts{699066, 35046656});
  // torchvision: 11,689,512 and 21,797,672 parameters, 1.81 and 3.66 GMAC.
  CHECK(counts("resnet18", imagenet, {{"stem", "imagenet"}}) == Counts{11689512, 1814073344});
  CHECK(counts("resnet34", imagenet, {{"stem", "imagenet"}}) == Counts{21797672, 3663761408});
  // PyTorch.
  CHECK(counts("resnet18", kCifar10) == Counts{11173962, 555422720});
  CHECK(counts("resnet18", kCifar10, {{"shortcut", "A"}}) == Counts{11000138, 549131264});
  CHECK(counts("resnet34", kCifar10) == Counts{21282122, 1159402496});
  CHECK(counts("resnet18", kCifar10, {{"pre_activation", true}}) == Counts{11172170, 555422720});
  CHECK(counts("resnet34", kCifar10, {{"pre_activation", true}}) == Counts{21280330, 1159402496});
  CHECK(counts("resnet18", imagenet, {{"stem", "imagenet"}, {"pre_activation", true}}) ==
        Counts{11687720, 1814073344});
}

TEST_CASE("the multiplier rounds to the nearest channel and never to none") {
  const auto narrow = make_network("lenet5", kMnist, {{"width", 0.01}});
  CHECK(narrow->parameters()[0].value.shape() == Shape{1, 1, 5, 5});  // 0.2 channels
  CHECK(narrow->parameters()[4].value.shape() == Shape{5, 16});       // 5 of 500
  const auto half_up = make_network("lenet5", kMnist, {{"width", 0.125}});
  CHECK(half_up->parameters()[0].value.shape()[0] == 3);  // 2.5
  CHECK(half_up->parameters().back().value.numel() == 10);
}

TEST_CASE("first and last layers, order of layers") {
  for (const std::string name :
       {"lenet300", "lenet5", "vgg16", "vgg-small", "resnet20", "resnet18"}) {
    CAPTURE(name);
    const auto network = make_network(name, kCifar10);
    int layer = -1;
    for (const Parameter& p : network->parameters()) {
      CHECK((p.layer_index == layer || p.layer_index == layer + 1));
      layer = p.layer_index;
      CHECK(p.name.starts_with(p.layer + "."));
    }
    CHECK(network->parameters().front().first_layer);
    CHECK(network->parameters().back().last_layer);
  }
}

TEST_CASE("a network that cannot be built is the configuration's mistake") {
  const auto refused = [](const std::string& name, const InputSpec& input,
                          const Given& given = {}) -> std::string {
    try {
      make_network(name, input, given);
    } catch (const Error& error) {
      CHECK(error.status() == ExitStatus::config);
      return error.what();
    }
    return "built";
  };
  CHECK(refused("vgg16", kMnist) ==
        "test.yaml:1:1: error: the image is 1x1 at layer 'pool18'; at least 2x2; choose a network "
        "with fewer strides or pools, or larger images");
  CHECK(refused("resnet18", kCifar10, {{"stem", "imagenet"}, {"stem_stride", std::int64_t{2}}}) ==
        "test.yaml:3:5: error: 'stem_stride' belongs to the cifar stem; stem: cifar, or no "
        "stem_stride; remove one of the two");
  CHECK(refused("lenet5", {1, 8, 8, 10}).find("'conv2'") != std::string::npos);
}
