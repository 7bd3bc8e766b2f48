#include "data/augmentations/augmentations.h"

namespace bitwright {
namespace {

class Mixup : public Augmentation {
 public:
  explicit Mixup(double alpha) : alpha_(alpha) {}
  bool mixes() const override { return true; }
  double own_share(Draw& draw) const override { return draw.beta(alpha_); }

 private:
  double alpha_;
};

}  // namespace

Options mixup_options() {
  Options options;
  options.real("alpha", 1, "the image's own share is drawn from Beta(alpha, alpha)")
      .symbol("alpha")
      .above(0)
      .max(1000);
  return options;
}

std::unique_ptr<Augmentation> make_mixup(const Settings& settings, const InputSpec&) {
  return std::make_unique<Mixup>(settings.real("alpha"));
}

}  // namespace bitwright
