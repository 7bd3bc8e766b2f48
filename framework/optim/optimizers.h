#pragma once

#include <memory>

#include <bitwright/core/options.h>
#include <bitwright/optim/optimizer.h>

namespace bitwright {

Options adam_options();
std::unique_ptr<Optimizer> make_adam(const Settings& settings);
Options adamw_options();
std::unique_ptr<Optimizer> make_adamw(const Settings& settings);
Options sgd_options();
std::unique_ptr<Optimizer> make_sgd(const Settings& settings);

}  // namespace bitwright
