#pragma once
// Matrix products of fixed shape, planned once (oneDNN matmul).

#include <cstdint>
#include <memory>

#include <bitwright/tensor/tensor.h>

namespace bitwright::kernels {

/// C[m, n] = op(A) op(B) (+ bias[n]); A is stored [m, k] or, transposed, [k, m]; B [k, n] or
/// [n, k]. With `batch`, as many products of matrices that follow each other.
class Matmul {
 public:
  struct Plan {
    std::int64_t m = 0, n = 0, k = 0, batch = 1;
    bool transpose_a = false, transpose_b = false;
    bool bias = false;
    bool accumulate = false;  ///< C += ...
    DType type = DType::f32;  ///< of A and B
    DType result = DType::f32;
    /// Runs on the calling thread alone; members of the team may run it at the same time, each on
    /// an object of its own.
    bool single_thread = false;
  };
  explicit Matmul(const Plan& plan);
  ~Matmul();
  Matmul(Matmul&&) noexcept;
  Matmul& operator=(Matmul&&) noexcept;
  void run(const void* a, const void* b, const float* bias, void* c);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitwright::kernels
