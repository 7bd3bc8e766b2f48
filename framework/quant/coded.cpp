#include <algorithm>
#include <bit>
#include <utility>

#include <bitwright/core/error.h>
#include <bitwright/quant/coded.h>

namespace bitwright {

void Coded::decode(std::span<float> out) const {
  require(out.size() == codes.size(), "as many codes as elements");
  if (!book.empty()) {
    for (std::size_t i = 0; i < codes.size(); ++i)
      out[i] = book.at(static_cast<std::size_t>(codes[i]));
    return;
  }
  require(!scale.empty() && codes.size() % scale.size() == 0, "scales fit the codes");
  require(offset.empty() || offset.size() == scale.size(), "an offset for each scale");
  const std::size_t channel = std::max<std::size_t>(codes.size() / scale.size(), 1);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const float value = scale[i / channel] * static_cast<float>(codes[i]);
    out[i] = offset.empty() ? value : value + offset[i / channel];
  }
}

Coded coded_labels(std::span<const float> values, std::vector<float> labels) {
  Coded coded;
  coded.bits = std::bit_width(labels.size() - 1);
  coded.codes.reserve(values.size());
  for (const float value : values) {
    const auto at = std::find(labels.begin(), labels.end(), value);
    require(at != labels.end(), "a value that is none of the labels");
    coded.codes.push_back(static_cast<std::int32_t>(at - labels.begin()));
  }
  coded.book = std::move(labels);
  return coded;
}

}  // namespace bitwright
