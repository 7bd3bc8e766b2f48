#pragma once
// What this processor can do, as oneDNN sees it (its ONEDNN_MAX_CPU_ISA may hide some).

namespace bitwright::kernels {

bool has_amx();          ///< tiles of bf16: matrix products ten times faster than in f32
bool has_native_bf16();  ///< dot products of bf16, with or without AMX

}  // namespace bitwright::kernels
