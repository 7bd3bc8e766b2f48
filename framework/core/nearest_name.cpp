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

static std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::string nearest_name(std::string_view wrong, const std::vector<std::string>& known) {
  // Of a word much longer than every name nothing can be near, and the distance table is quadratic.
  if (wrong.size() > 200) return "";
  const std::string word = lower(wrong);
  std::string best;
  std::size_t least = std::max<std::size_t>(2, wrong.size() / 3) + 1;
  for (const std::string& name : known) {
    const std::string candidate = lower(name);
    std::size_t distance = edit_distance(word, candidate);
    // A word that is only a part of the name ("rate" for "learning_rate") is near, too.
    if (word.size() >= 3 && candidate.find(word) != std::string::npos)
      distance = std::min<std::size_t>(distance, 2);
    if (distance < least && distance < std::max(wrong.size(), name.size())) {
      least = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace bitwright
