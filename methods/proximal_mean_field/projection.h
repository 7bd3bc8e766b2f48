#pragma once
// The formulas of Proximal Mean-field (Ajanthan et al., ICCV 2019) on plain arrays.
//
// A parameter with n elements and d labels q_1 .. q_d has latents v and, on the simplex, their
// projection u. Both are d planes of n elements: element j of label l stands at [l * n + j].

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bitwright::pmf {

/// P_beta: softmax(beta v) is PMF, the Euclidean projection of beta v on the simplex (sparsemax) is
/// projected gradient descent, the one-hot argmax is PICM. tanh is softmax for two labels with one
/// latent x in the place of v = (-x, x), of the mirror-descent paper (arXiv:1910.08237).
enum class Projection { softmax, sparsemax, hardmax, tanh };

/// Backward map from g_w = dL/dw to g_v. For softmax, with w = q.u:
///   exact       beta g_w u_l (q_l - w)                      the paper's Algorithm 1
///   eye         beta g_w (q_l - u_l w)                      identity instead of diag(u)
///   eye_double  the same with softmax(beta u) instead of u  the published code
///   ste         g_w q_l                                     Jacobian dropped
/// Sparsemax has `exact` only, and hardmax its straight-through `ste` only. For tanh, with labels
/// -1 and 1:
///   exact       beta g_w (1 - w^2)                          GD-tanh
///   ste         g_w                                         MD-tanh-s; softmax's ste is
///   MD-softmax-s
enum class Jacobian { exact, eye, eye_double, ste };

struct Relaxation {
  Projection projection = Projection::softmax;
  Jacobian jacobian = Jacobian::exact;
  std::vector<float> labels;  ///< q, at least 2; exactly 2 for the hardmax backward map

  int d() const { return static_cast<int>(labels.size()); }
  /// Planes of latents: one per label, a single one for tanh.
  int planes() const { return projection == Projection::tanh ? 1 : d(); }
};

/// u = P_beta(v) and w = q.u. Sizes planes n, d n, n. u sums to 1 within 1e-6.
/// Ties of hardmax: the lowest label index.
void project(const Relaxation& relaxation, double beta, std::span<const float> v,
             std::span<float> u, std::span<float> w);

/// g_v from g_w, at the v, u and beta of `project`.
void pull_back(const Relaxation& relaxation, double beta, std::span<const float> v,
               std::span<const float> u, std::span<const float> g_w, std::span<float> g_v);

/// w_j = q[argmax_l v_l,j]: the rounded network. Every projection keeps the order of v, so this is
/// also the argmax of u.
void round_to_labels(const Relaxation& relaxation, std::span<const float> v, std::span<float> w);

/// Latents whose argmax is the label nearest to a float weight: v_l = w q_l - q_l^2 / 2, which is
/// -(w - q_l)^2 / 2 up to a term common to all labels. With labels -1, 1: softmax gives w_j =
/// tanh(beta w). Of the projection tanh, x is w less the middle of the labels.
void latents_from_weights(const Relaxation& relaxation, std::span<const float> w,
                          std::span<float> v);

/// What is logged about one parameter, summed over its elements.
struct Statistics {
  double entropy = 0;               ///< of u, nats
  std::int64_t saturated = 0;       ///< elements with max_l u_l > 0.99
  std::int64_t flips = 0;           ///< elements whose argmax is not the one in `last`
  std::vector<std::int64_t> count;  ///< elements by argmax, d numbers
};

/// Adds to `total`; `last` (n label indices) receives the present argmax.
void add_statistics(const Relaxation& relaxation, double beta, std::span<const float> v,
                    std::span<std::uint8_t> last, Statistics& total);

}  // namespace bitwright::pmf
