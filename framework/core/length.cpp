#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include <bitwright/core/length.h>

namespace bitwright {

static constexpr double kMost = 1e15;  // whole numbers up to here are exact

static std::optional<Length::Unit> parse_unit(std::string_view word) {
  if (word.empty() || word == "step" || word == "steps") return Length::Unit::steps;
  if (word == "epoch" || word == "epochs") return Length::Unit::epochs;
  if (word == "%") return Length::Unit::percent;
  return {};
}

std::optional<Length> Length::parse(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc{} || !std::isfinite(amount)) return {};
  std::string_view word(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const bool apart = word.starts_with(' ');
  while (word.starts_with(' ')) word.remove_prefix(1);
  const auto unit = parse_unit(word);
  if (!unit || (apart && word.empty()) || (!apart && !word.empty() && word != "%")) return {};
  if (std::abs(amount) > kMost) return {};
  const std::string_view digits(text.data(), static_cast<std::size_t>(end - text.data()));
  if (*unit == Unit::steps && digits.find_first_of(".eE") != std::string_view::npos) return {};
  return Length{amount, *unit};
}

std::string Length::str() const {
  switch (unit) {
    case Unit::steps:
      return fmt::format("{}", static_cast<std::int64_t>(amount));
    case Unit::epochs:
      return fmt::format("{} {}", amount, amount == 1 ? "epoch" : "epochs");
    case Unit::percent:
      return fmt::format("{} %", amount);
  }
  return {};
}

std::int64_t Length::steps(const Horizon& horizon) const {
  if (amount == 0) return 0;
  const double whole = unit == Unit::steps    ? 1
                       : unit == Unit::epochs ? static_cast<double>(horizon.steps_per_epoch)
                                              : static_cast<double>(horizon.steps) / 100;
  return std::max<std::int64_t>(1, std::llround(std::min(amount * whole, kMost)));
}

}  // namespace bitwright
