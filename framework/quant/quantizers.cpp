// The quantizers of the registry, from the plainest to the most special.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/quant/quantizer.h>

namespace bitwright {
namespace {

constexpr std::int32_t codes(int bits) { return (std::int32_t{1} << bits) - 1; }

Options granularity_options() {
  return Options{}.choice("granularity", {"tensor", "channel"}, "tensor",
                          "weights have levels for the whole tensor, or for each output channel");
}

// What most of them share: levels that follow from a range found by a rule.
class Ranged : public Quantizer {
 public:
  Ranged(const Settings& settings, bool symmetric)
      : rule_(range_rule(settings)), symmetric_(symmetric) {
    if (settings.value("granularity") != nullptr)
      per_channel_ = settings.text("granularity") == "channel";
  }
  bool per_channel() const override { return per_channel_; }
  Range range(const Observed& x, int bits) const override {
    return find_range(rule_, x, symmetric_,
                      [&](const Range& range) { return scaled_levels(range, 1, bits); });
  }

 private:
  RangeRule rule_;
  bool symmetric_, per_channel_ = false;
};

// Delta k, k = -(2^(b-1) - 1) .. 2^(b-1) - 1; with the full range one more below.
class Symmetric final : public Ranged {
 public:
  explicit Symmetric(const Settings& settings)
      : Ranged(settings, true), full_range_(settings.boolean("full_range")) {}
  std::string_view name() const override { return "symmetric"; }
  Widths widths() const override { return {2, 16}; }

 protected:
  Levels scaled_levels(const Range& range, double factor, int bits) const override {
    const std::int32_t last = codes(bits - 1);
    return Levels::affine(full_range_ ? -last - 1 : -last, last, factor * range.high / last, 0);
  }

 private:
  bool full_range_;
};

// Delta k, k = -z .. 2^b - 1 - z, with a zero point z: zero is a level, exactly. Of numbers that
// are never negative, such as those behind a ReLU, z is 0.
class Asymmetric final : public Ranged {
 public:
  explicit Asymmetric(const Settings& settings) : Ranged(settings, false) {}
  std::string_view name() const override { return "asymmetric"; }
  Widths widths() const override { return {1, 16}; }

 protected:
  Levels scaled_levels(const Range& range, double factor, int bits) const override {
    const double low = factor * std::min(range.low, 0.0), high = factor * std::max(range.high, 0.0);
    const double step = std::max((high - low) / codes(bits), 1e-8);
    const auto zero = static_cast<std::int32_t>(std::nearbyint(-low / step));
    return Levels::affine(-zero, codes(bits) - zero, step, 0);
  }
};

// Delta k - alpha, k = 0 .. 2^b - 1, Delta = 2 alpha / (2^b - 1): zero is no level. LAPQ's weights.
class MidRise final : public Ranged {
 public:
  explicit MidRise(const Settings& settings) : Ranged(settings, true) {}
  std::string_view name() const override { return "mid_rise"; }
  Widths widths() const override { return {1, 16}; }

 protected:
  Levels scaled_levels(const Range& range, double factor, int bits) const override {
    const double alpha = std::max(factor * range.high, 1e-8);
    return Levels::affine(0, codes(bits), 2 * alpha / codes(bits), -alpha);
  }
};

// 0 and +-alpha 2^-k, k = 0 .. 2^(b-1) - 2 (Li, Dong, Wang, ICLR 2020, equation 3).
class PowerOfTwo final : public Ranged {
 public:
  explicit PowerOfTwo(const Settings& settings) : Ranged(settings, true) {}
  std::string_view name() const override { return "power_of_two"; }
  Widths widths() const override { return {2, 6}; }

 protected:
  Levels scaled_levels(const Range& range, double factor, int bits) const override {
    const double alpha = std::max(factor * range.high, 1e-8);
    std::vector<float> book{0};
    for (int k = 0; k < codes(bits - 1); ++k) {
      const auto level = static_cast<float>(std::ldexp(alpha, -k));
      book.insert(book.end(), {level, -level});
    }
    std::ranges::sort(book);
    return Levels::nearest(std::move(book), alpha);
  }
};

// 0 and +-s: 0 where |x| < t, t = 0.7 mean |x|, s the mean of |x| elsewhere (Li and Liu 2016).
class Ternary final : public Quantizer {
 public:
  explicit Ternary(const Settings& settings)
      : threshold_(settings.real("threshold")),
        per_channel_(settings.text("granularity") == "channel") {}
  std::string_view name() const override { return "ternary"; }
  Widths widths() const override { return {2, 2}; }
  bool per_channel() const override { return per_channel_; }

  Range range(const Observed& x, int) const override {
    double sum = 0, above = 0;
    for (const float value : x.values) sum += std::fabs(static_cast<double>(value));
    const double threshold = threshold_ * sum / static_cast<double>(x.values.size());
    std::int64_t count = 0;
    for (const float value : x.values)
      if (const double size = std::fabs(static_cast<double>(value)); size >= threshold)
        above += size, ++count;
    const double scale = count > 0 ? above / static_cast<double>(count) : 0;
    return {-scale, scale, threshold};
  }

 protected:
  Levels scaled_levels(const Range& range, double factor, int) const override {
    const double scale = std::max(factor * range.high, 1e-8);
    const auto s = static_cast<float>(scale), t = static_cast<float>(factor * range.threshold);
    Levels levels = Levels::nearest({-s, 0, s}, scale);
    levels.bounds = {-t, t};
    return levels;
  }

 private:
  double threshold_;
  bool per_channel_;
};

// DoReFa's weights: tanh(x) / max |tanh(x)|, in [-1, 1], to -1 + 2 k / (2^b - 1).
class DoReFa final : public Quantizer {
 public:
  explicit DoReFa(const Settings& settings)
      : published_(settings.text("step_change") == "published") {}
  std::string_view name() const override { return "dorefa"; }
  Widths widths() const override { return {2, 16}; }
  bool quantizes_activations() const override { return false; }

  Range range(const Observed& x, int) const override {
    const double end = std::tanh(std::max(std::fabs(x.low), std::fabs(x.high)));
    return {-end, end};
  }

 protected:
  // A changed step moves the clip with it, so that the levels stay symmetric. As published, the
  // lower end stays at -1 and nothing is clipped: the levels are no longer symmetric around 0.
  Levels scaled_levels(const Range& range, double factor, int bits) const override {
    const double step = 2 * factor / codes(bits);
    const auto last = static_cast<std::int32_t>(std::nearbyint(codes(bits) / factor));
    Levels levels = published_ ? Levels::affine(0, last, step, -1)
                               : Levels::affine(0, codes(bits), step, -factor);
    levels.tanh_gain = static_cast<float>(1 / std::max(range.high, 1e-8));
    return levels;
  }

 private:
  bool published_;
};

template <class Q>
std::unique_ptr<Quantizer> make(const Settings& settings) {
  return std::make_unique<Q>(settings);
}

Options ranged_options() {
  Options options = granularity_options();
  return declare_range(options);
}

Options only_range_options() {
  Options options;
  return declare_range(options);
}

}  // namespace

void register_quantizers(Registries& registries) {
  registries.quantizers.add(
      {"symmetric", "signed multiples of a step, zero among them", "",
       ranged_options().boolean("full_range", false, "use the lowest code too: one level more")},
      make<Symmetric>);
  registries.quantizers.add(
      {"asymmetric", "a grid between two ends, zero among its levels; unsigned behind a ReLU", "",
       ranged_options()},
      make<Asymmetric>);
  registries.quantizers.add({"mid_rise", "an even number of levels around zero, which is none",
                             "arXiv:1911.07190", ranged_options()},
                            make<MidRise>);
  registries.quantizers.add({"power_of_two", "zero and a scale times powers of two",
                             "arXiv:1909.13144", only_range_options()},
                            make<PowerOfTwo>);
  registries.quantizers.add(
      {"ternary", "zero and two signs of a scale, by a threshold", "arXiv:1605.04711",
       granularity_options()
           .real("threshold", 0.7, "below so many times the mean magnitude a number becomes zero")
           .min(0)},
      make<Ternary>);
  registries.quantizers.add(
      {"dorefa", "weights through tanh to a grid in [-1, 1]; expects the float master weights",
       "arXiv:1606.06160",
       Options{}.choice(
           "step_change", {"symmetric", "published"}, "symmetric",
           "what a step ratio r does: clip and step grow by r; or, as the code of "
           "arXiv:2002.07686 does with 1 / r, the step alone, counted from -1, without a clip")},
      make<DoReFa>);
}

}  // namespace bitwright
