#include "kernels/convolution_choice.h"

#include <algorithm>
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

bool computes(const ConvChoice& choice, const ConvShape& shape) {
  const ConvAlgorithmEntry &f = entry_of(choice.forward), &d = entry_of(choice.backward_data),
                           &w = entry_of(choice.backward_weights);
  return f.forward && f.fits(shape) && d.backward_data && d.fits(shape) && w.backward_weights &&
         w.fits(shape);
}

}  // namespace

std::string text_of(const ConvShape& s) {
  const Shape w = s.weight();
  return fmt::format("x {}x{}x{}x{} weight {}x{}x{}x{} stride {} padding {} groups {} {}", s.n, s.c,
                     s.h, s.w, w[0], w[1], w[2], w[3], s.stride, s.padding, s.groups,
                     s.type == DType::bf16 ? "bf16" : "f32");
}

std::string text_of(const ConvChoice& c) {
  return fmt::format("forward {}, data {}, weights {}", entry_of(c.forward).name,
                     entry_of(c.backward_data).name, entry_of(c.backward_weights).name);
}

std::optional<ConvChoice> parse_choice(const std::string& text) {
  for (const auto& f : kConvAlgorithms)
    for (const auto& d : kConvAlgorithms)
      for (const auto& w : kConvAlgorithms) {
        const ConvChoice choice{f.algorithm, d.algorithm, w.algorithm};
        if (text_of(choice) == text) return choice;
      }
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
  if (!computes(entry->second, shape))
    throw config_error(Place{"algorithms"},
                       fmt::format("'{}' cannot compute {}", text_of(entry->second), key),
                       "algorithms that can", "make the table again with bitwright tune");
  return entry->second;
}

std::vector<ConvShape> chosen_shapes(std::size_t first) {
  const std::lock_guard lock(choices().guard);
  const auto& shapes = choices().shapes;
  return {shapes.begin() + static_cast<std::ptrdiff_t>(std::min(first, shapes.size())),
          shapes.end()};
}

}  // namespace bitwright::kernels
