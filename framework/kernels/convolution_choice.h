#pragma once
// The algorithms that this process's convolutions use: those of a table where it names the shape,
// else the fixed rule's. Every choice is kept for the record.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernels/convolution_rule.h"

namespace bitwright::kernels {

/// By text_of(shape).
using ConvTable = std::map<std::string, ConvChoice>;

/// "x 128x64x8x8 weight 64x64x3x3 stride 1 padding 1 groups 1 bf16".
std::string text_of(const ConvShape& shape);
/// "forward winograd, data direct, weights patches", and back; nothing for other texts.
std::string text_of(const ConvChoice& choice);
std::optional<ConvChoice> parse_choice(const std::string& text);

/// From now on choose() follows `table` for the shapes that it names; the record begins anew.
void set_convolution_table(ConvTable table);

/// What this process uses for `shape`; recorded. An entry of the table that cannot compute the
/// shape is a configuration error.
ConvChoice choose(const ConvShape& shape);

/// The shapes that choose() was asked for, in that order, from the `first` on.
std::vector<ConvShape> chosen_shapes(std::size_t first = 0);

/// Times all algorithms that can compute `shape` (medians of a few runs on the team) and takes the
/// fastest for each pass.
ConvChoice fastest_choice(const ConvShape& shape);

}  // namespace bitwright::kernels
