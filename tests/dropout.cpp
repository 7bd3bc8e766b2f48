// Dropout: masks are a function of seed, layer, step and element, and nothing else.
#include <cmath>

#include <doctest/doctest.h>

#include <bitwright/autograd/ops.h>

#include "small_net.h"

using namespace bitwright;
using testing::same_bits;
using testing::ThreadsScope;

namespace {
// The mask of 10000 ones after `replays` replays at steps 0, 1, ...
Tensor mask_at(const DropoutStream& stream, double step, double probability = 0.3) {
  Tape tape;
  DropoutStream own{stream.seed, stream.layer, step};
  return dropout(tape.constant(Tensor::full({10000}, 1)), probability, own, true).value().clone();
}
}  // namespace

TEST_CASE("a step of its own: a resumed run draws the masks of an uninterrupted one") {
  Tape tape;
  Scalar step = 0;
  const Variable y = dropout(tape.constant(Tensor::full({10000}, 1)), 0.3, {5, "fc1", step}, true);
  const Tensor first = y.value().clone();
  for (int n = 1; n <= 4; ++n) {
    step.set(n);
    tape.forward();
    CHECK_FALSE(same_bits(first, y.value()));
  }
  CHECK(same_bits(y.value(), mask_at({5, "fc1", 0}, 4)));
  tape.forward();  // the same step again
  CHECK(same_bits(y.value(), mask_at({5, "fc1", 0}, 4)));
  step.set(0);
  tape.forward();
  CHECK(same_bits(first, y.value()));
  CHECK_FALSE(same_bits(first, mask_at({6, "fc1", 0}, 0)));
  CHECK_FALSE(same_bits(first, mask_at({5, "fc2", 0}, 0)));
}

TEST_CASE("the rate is the probability, the mean stays, threads do not matter") {
  for (double p : {0.0, 0.1, 0.5, 0.9}) {
    const Tensor one = mask_at({1, "", 0}, 7, p);
    int dropped = 0;
    for (const float v : one.values()) {
      dropped += v == 0;
      CHECK((v == 0 || v == static_cast<float>(1 / (1 - p))));
    }
    // Five standard deviations of a binomial count.
    CHECK(std::abs(dropped - 10000 * p) <= 5 * std::sqrt(10000 * p * (1 - p)));
    const ThreadsScope scope(3);
    CHECK(same_bits(one, mask_at({1, "", 0}, 7, p)));
  }
}

TEST_CASE("the probability is read at every replay; evaluation is the identity") {
  Tape tape;
  Scalar p = 0.5;
  const Variable x = tape.parameter(Tensor::full({1000}, 1));
  const Variable y = dropout(x, p, {}, true);
  p.set(0);
  tape.forward();
  for (const float v : y.value().values()) CHECK(v == 1);
  const std::size_t ops = tape.size();
  CHECK(same_bits(dropout(x, 0.5, {}, false).value(), x.value()));
  CHECK(tape.size() == ops);  // nothing is recorded
}
