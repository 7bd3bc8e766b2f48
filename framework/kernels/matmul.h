#pragma once
// Matrix products of fixed shape, planned once (oneDNN matmul).

#include <cstdint>
#include <memory>

namespace bitwright::kernels {

/// C[m, n] = op(A) op(B) (+ bias[n]); A is stored [m, k] or, transposed, [k, m]; B [k, n] or [n,
/// k].
class Matmul {
 public:
  struct Plan {
    std::int64_t m = 0, n = 0, k = 0;
    bool transpose_a = false, transpose_b = false;
    bool bias = false;
  };
  explicit Matmul(const Plan& plan);
  ~Matmul();
  Matmul(Matmul&&) noexcept;
  Matmul& operator=(Matmul&&) noexcept;
  void run(const float* a, const float* b, const float* bias, float* c);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// out[c] = sum over rows of x[rows, columns]; the order of additions does not depend on threads.
void column_sums(std::int64_t rows, std::int64_t columns, const float* x, float* out);

}  // namespace bitwright::kernels
