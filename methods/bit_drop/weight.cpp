#include "weight.h"

#include <cmath>
#include <utility>

#include "cells.h"

namespace bitwright::bit_drop {
namespace {

double standard_deviation(std::span<const float> values) {
  double sum = 0, squares = 0;
  for (float x : values) sum += static_cast<double>(x);
  const double n = static_cast<double>(values.size()), mean = sum / n;
  for (float x : values)
    squares += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean);
  return std::sqrt(squares / n);
}

}  // namespace

GridWeight::GridWeight(const Parameter& parameter, std::shared_ptr<Site> site, DropBits drop,
                       double ln_a, const Rates& rates)
    : site_(std::move(site)), drop_(drop), rates_(rates), w_(parameter.value.clone()) {
  const Grid& grid = site_->quantizer.grid;
  if (drop != DropBits::none) site_->ln_a = Tensor::full({grid.bits - 1}, static_cast<float>(ln_a));
  site_->start(3 * standard_deviation(std::as_const(w_).values()) / -grid.first());
}

std::vector<Tensor> GridWeight::latents() {
  std::vector<Tensor> all{w_, site_->alpha, site_->sigma};
  if (trains_gates()) all.push_back(site_->ln_a);
  return all;
}

UpdateRule GridWeight::rule(std::size_t i) const {
  if (i == 0) return {};
  return {i < 3 ? rates_.scales : rates_.gates, 0};
}

std::optional<float> GridWeight::collapsed_at(std::size_t i) const {
  if (i != 1) return {};
  return kSmallestStep;
}

Variable GridWeight::effective(Forward& forward, std::span<const Variable> latents) {
  SiteVariables variables{latents[1], latents[2], {}};
  if (trains_gates())
    variables.ln_a = gates_ = latents[3];
  else if (drop_ == DropBits::fixed)
    variables.ln_a = forward.tape.constant(site_->ln_a);
  return quantized(site_, latents[0], variables, false);
}

Grid GridWeight::exported() const {
  Grid grid = site_->quantizer.grid;
  if (drop_ == DropBits::heterogeneous)
    grid.bits = exported_bits(site_->law, std::as_const(site_->ln_a).values());
  return grid;
}

void GridWeight::write_deployed(Deployment deployment, Tensor& out) const {
  if (deployment == Deployment::soft) return out.copy_from(w_);
  round_and_clip(exported(), site_->alpha.item(), w_.numel(), w_.f32(), out.f32());
}

std::vector<float> GridWeight::label_set() const {
  const Grid grid = exported();
  std::vector<float> labels;
  for (int code = grid.first(); code <= grid.last(); ++code)
    labels.push_back(site_->alpha.item() * static_cast<float>(code));
  return labels;
}

std::optional<Coded> GridWeight::coded() const {
  const Grid grid = exported();
  const float alpha = site_->alpha.item();
  Coded coded{grid.bits, grid.first(), {}, {alpha}};
  coded.codes.reserve(static_cast<std::size_t>(w_.numel()));
  for (float w : w_.values())
    coded.codes.push_back(
        static_cast<std::int32_t>(clip(nearest_code(w / alpha), static_cast<float>(grid.first()),
                                       static_cast<float>(grid.last()))));
  return coded;
}

Statistics GridWeight::statistics() const {
  return bit_drop::statistics(exported(), site_->alpha.item(), w_.values());
}

}  // namespace bitwright::bit_drop
