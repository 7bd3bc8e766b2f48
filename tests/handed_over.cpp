// What methods leave to later stages: to which method it goes, and that a checkpoint keeps it.
#include "experiment/handed_over.h"

#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "method_fixture.h"

using namespace bitwright;

namespace {

// Leaves one number more than it was given.
class Counter final : public Method {
 public:
  explicit Counter(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  void attach(const StageInfo& stage) override { numbers_ = stage.handed_over; }
  HandedOver hand_over() const override {
    HandedOver more = numbers_;
    more["stage " + std::to_string(more.size())] = 1;
    return more;
  }
  HandedOver numbers_;

 private:
  std::string name_;
};

}  // namespace

TEST_CASE("each method gets what the last one of its name left, across stages without it") {
  auto network = test::small_network();
  HandedOverByMethod left;
  for (const auto& stage : std::vector<std::vector<std::string>>{{"a"}, {"b"}, {}, {"b", "a"}}) {
    std::vector<std::unique_ptr<Method>> methods;
    for (const std::string& name : stage) methods.push_back(std::make_unique<Counter>(name));
    const MethodStack stack(std::move(methods), test::stage_of(*network), {}, left);
    for (const auto& method : stack.methods()) {
      const auto& given = static_cast<const Counter&>(*method).numbers_;
      CHECK(given.size() == (stage.size() == 2 ? 1 : 0));
    }
    stack.leave(left);
  }
  CHECK(left.size() == 2);
  CHECK(left["a"].size() == 2);
  CHECK(left["b"].size() == 2);
}

TEST_CASE("numbers come back from a checkpoint's text bit for bit") {
  HandedOverByMethod left{
      {"one", {{"conv1.weight.scale", static_cast<double>(0.1f)}, {"third", 1.0 / 3}}},
      {"two", {{"large", std::numeric_limits<double>::max()}, {"small", 5e-324}, {"zero", -0.0}}},
      {"none", {}}};
  const HandedOverByMethod back = handed_over_from(handed_over_text(left));
  CHECK(back == left);
  CHECK(std::signbit(back.at("two").at("zero")));
  CHECK(handed_over_from(handed_over_text({})).empty());
  left["one"]["third"] = NAN;
  CHECK_THROWS_AS(handed_over_text(left), std::logic_error);
}
