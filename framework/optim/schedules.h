#pragma once

#include <memory>

#include <bitwright/core/options.h>
#include <bitwright/optim/optimizer.h>

namespace bitwright {

struct Registries;
void register_schedules(Registries& registries);
void register_chain(Registries& registries);

/// Options that every schedule has beside its own: `length` and `warm_up`.
Options schedule_options();

/// The schedule that settings name, within its `length` and behind its `warm_up`.
std::unique_ptr<Schedule> make_schedule(const Registries& registries, const Settings& settings);

}  // namespace bitwright
