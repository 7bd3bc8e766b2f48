#include <algorithm>
#include <vector>

#include <bitwright/core/options.h>

namespace bitwright {

// Optimal string alignment distance: insertions, deletions, substitutions, adjacent transpositions.
static std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1,
                          d[i - 1][j - 1] + static_cast<std::size_t>(a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

std::string nearest_name(std::string_view wrong, const std::vector<std::string>& known) {
  std::string best;
  std::size_t least = std::max<std::size_t>(2, wrong.size() / 3) + 1;
  for (const std::string& name : known) {
    std::size_t distance = edit_distance(wrong, name);
    // A word that is only a part of the name ("rate" for "learning_rate") is near, too.
    if (wrong.size() >= 3 && name.find(wrong) != std::string::npos)
      distance = std::min<std::size_t>(distance, 2);
    if (distance < least && distance < std::max(wrong.size(), name.size())) {
      least = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace bitwright
