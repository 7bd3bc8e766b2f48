#include <bitwright/core/error.h>
#include <bitwright/quant/quantizer.h>

namespace bitwright {
namespace {

std::size_t channels_of(const Tensor& weight) {
  return weight.shape().rank() > 0 ? static_cast<std::size_t>(weight.shape()[0]) : 1;
}

double mean_of(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += static_cast<double>(value);
  return sum / static_cast<double>(x.size());
}

}  // namespace

Levels Quantizer::levels(const Range& range, const Precision& precision) const {
  require(precision.bits >= widths().least && precision.bits <= widths().most &&
              precision.step_ratio > 0,
          "a width that the quantizer has, and a positive step ratio");
  const double ratio = precision.step_ratio;
  Levels levels = scaled_levels(range, ratio, precision.bits);
  if (!precision.power_of_two) return levels;
  return scaled_levels(range, ratio * power_of_two_step(levels.step) / levels.step, precision.bits);
}

std::vector<Range> weight_ranges(const Quantizer& quantizer, const Tensor& weight, int bits) {
  const std::span<const float> all = weight.values();
  const std::size_t groups = quantizer.per_channel() ? channels_of(weight) : 1;
  const std::size_t size = all.size() / groups;
  std::vector<Range> ranges;
  for (std::size_t g = 0; g < groups; ++g)
    ranges.push_back(quantizer.range(Observed::all_of(all.subspan(g * size, size)), bits));
  return ranges;
}

void quantize_weight(const Quantizer& quantizer, const std::vector<Range>& ranges,
                     const Precision& precision, bool bias_correction, const Tensor& weight,
                     Tensor& out) {
  const std::span<const float> from = weight.values();
  const std::span<float> to = out.values();
  require(from.size() == to.size() && from.size() % ranges.size() == 0, "ranges of this weight");
  const std::size_t size = from.size() / ranges.size();
  std::vector<float> rounded(bias_correction ? from.size() : 0);  // what was rounded
  for (std::size_t g = 0; g < ranges.size(); ++g) {
    const Levels levels = quantizer.levels(ranges[g], precision);
    const auto x = from.subspan(g * size, size);
    levels.quantize(x, to.subspan(g * size, size));
    if (bias_correction) levels.prepare(x, std::span(rounded).subspan(g * size, size));
  }
  if (!bias_correction) return;
  const std::size_t channel = from.size() / channels_of(weight);
  for (std::size_t c = 0; c < from.size(); c += channel) {
    const auto values = to.subspan(c, channel);
    const auto shift =
        static_cast<float>(mean_of(values) - mean_of(std::span(rounded).subspan(c, channel)));
    for (float& value : values) value -= shift;
  }
}

}  // namespace bitwright
