#pragma once

namespace bitwright {

struct Registries;
void register_schedules(Registries& registries);

}  // namespace bitwright
