#include "kernels/convolution_choice.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <set>

#include <fmt/format.h>

#include <bitwright/core/error.h>

namespace bitwright::kernels {
namespace {

struct Choices {
  std::mutex guard;
  ConvTable table;
  std::vector<ConvShape> shapes;
  std::set<std::string> known;
};

Choices& choices() {
  static Choices all;
  return all;
}

bool fits(ConvAlgorithm algorithm, const ConvShape& shape) {
  switch (algorithm) {
    case ConvAlgorithm::winograd:
      return winograd_fits(shape);
    case ConvAlgorithm::patches:
      return patches_fit(shape);
    case ConvAlgorithm::direct:
      break;
  }
  return true;
}

constexpr std::array kAlgorithms{ConvAlgorithm::direct, ConvAlgorithm::winograd,
                                 ConvAlgorithm::patches};

}  // namespace

std::string text_of(const ConvShape& s) {
  const Shape w = s.weight();
  return fmt::format("x {}x{}x{}x{} weight {}x{}x{}x{} stride {} padding {} groups {} {}", s.n, s.c,
                     s.h, s.w, w[0], w[1], w[2], w[3], s.stride, s.padding, s.groups,
                     s.type == DType::bf16 ? "bf16" : "f32");
}

std::string text_of(const ConvChoice& c) {
  return fmt::format("forward {}, data {}, weights {}", name_of(c.forward),
                     name_of(c.backward_data), name_of(c.backward_weights));
}

std::optional<ConvChoice> parse_choice(const std::string& text) {
  for (const ConvAlgorithm f : kAlgorithms)
    for (const ConvAlgorithm d : kAlgorithms)
      for (const ConvAlgorithm w : kAlgorithms)
        if (text_of(ConvChoice{f, d, w}) == text) return ConvChoice{f, d, w};
  return std::nullopt;
}

void set_convolution_table(ConvTable table) {
  Choices& all = choices();
  const std::lock_guard lock(all.guard);
  all.table = std::move(table);
  all.shapes.clear();
  all.known.clear();
}

ConvChoice choose(const ConvShape& shape) {
  Choices& all = choices();
  const std::lock_guard lock(all.guard);
  const std::string key = text_of(shape);
  if (all.known.insert(key).second) all.shapes.push_back(shape);
  const auto entry = all.table.find(key);
  if (entry == all.table.end())
    return {choose_algorithm(shape, ConvPass::forward),
            choose_algorithm(shape, ConvPass::backward_data),
            choose_algorithm(shape, ConvPass::backward_weights)};
  const ConvChoice& c = entry->second;
  for (const ConvAlgorithm a : {c.forward, c.backward_data, c.backward_weights})
    if (!fits(a, shape))
      throw config_error(Place{"algorithms"},
                         fmt::format("'{}' cannot compute {}", name_of(a), key),
                         "an algorithm that can", "make the table again with bitwright tune");
  return c;
}

std::vector<ConvShape> chosen_shapes(std::size_t first) {
  const std::lock_guard lock(choices().guard);
  const auto& shapes = choices().shapes;
  return {shapes.begin() + static_cast<std::ptrdiff_t>(std::min(first, shapes.size())),
          shapes.end()};
}

}  // namespace bitwright::kernels
