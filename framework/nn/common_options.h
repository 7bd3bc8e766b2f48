#pragma once
// Options that several networks share.

#include <cstdint>
#include <string>

#include <bitwright/core/options.h>
#include <bitwright/nn/network.h>

namespace bitwright {

/// Declares `affine`, of the batch normalisations.
Options& declare_affine(Options& options, bool fallback);
/// Declares `width`, the multiplier that scaled() applies.
Options& declare_width(Options& options);
/// Declares `init`: xavier or kaiming, see initialize().
Options& declare_initialization(Options& options, const std::string& fallback);

Initialization initialization_of(const Settings& settings);
/// width x channels to the nearest whole number, halves up, at least 1.
std::int64_t scaled(double width, std::int64_t channels);

}  // namespace bitwright
