#include "results/statistics.h"

#include <cmath>
#include <vector>

#include <boost/math/distributions/students_t.hpp>

#include <bitwright/core/error.h>

namespace bitwright::results {

Summary summarize(std::span<const double> values) {
  require(!values.empty(), "a mean of nothing");
  const double n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  const double mean = sum / n;
  for (const double v : values) squares += (v - mean) * (v - mean);
  Summary s{values.size(), mean, {}};
  if (values.size() > 1) s.sd = std::sqrt(squares / (n - 1));
  return s;
}

PairedTest paired_t_test(std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size(), "pairs have two values each");
  std::vector<double> differences;
  for (std::size_t i = 0; i < a.size(); ++i) differences.push_back(a[i] - b[i]);
  PairedTest test{summarize(differences), {}};
  const Summary& d = test.difference;
  if (d.n < 3) return test;
  if (*d.sd == 0) {
    test.p = d.mean == 0 ? 1 : 0;
    return test;
  }
  const double t = std::abs(d.mean) / (*d.sd / std::sqrt(static_cast<double>(d.n)));
  const boost::math::students_t distribution(static_cast<double>(d.n - 1));
  test.p = 2 * boost::math::cdf(boost::math::complement(distribution, t));
  return test;
}

}  // namespace bitwright::results
