#include "experiment/scalar_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "experiment/option_text.h"

namespace bitwright {
namespace {

// A plain scalar that the number fills entirely; quoted text is never a number.
template <class T>
std::optional<T> number(const ConfigNode& node) {
  if (node.quoted) return {};
  const std::string& text = node.text;
  if constexpr (std::is_same_v<T, double>) {
    if (text == ".inf" || text == "+.inf") return std::numeric_limits<double>::infinity();
    if (text == "-.inf") return -std::numeric_limits<double>::infinity();
  }
  T result{};
  const bool plus = text.starts_with('+') && !text.starts_with("+-");
  const char* const first = text.data() + (plus ? 1 : 0);
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), result);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  if constexpr (std::is_same_v<T, double>)
    if (!std::isfinite(result)) return {};
  return result;
}

class Reader {
 public:
  Reader(const ConfigNode& node, const Option& option, const std::string& path)
      : node_(node), option_(option), path_(path) {}

  OptionValue read() const {
    switch (option_.type) {
      case OptionType::real_list:
        return list<double>(OptionType::real);
      case OptionType::integer_list:
        return list<std::int64_t>(OptionType::integer);
      case OptionType::text_list:
        return list<std::string>(OptionType::text);
      case OptionType::length_list:
        return list<Length>(OptionType::length);
      case OptionType::any_list:
        return texts();
      default:
        break;
    }
    if (!node_.is_scalar()) throw wrong("is " + shown(node_));
    return scalar();
  }

 private:
  Error wrong(std::string_view what) const {
    return config_error(node_.place, fmt::format("'{}' {}", path_, what), describe_type(option_),
                        option_.doc);
  }

  template <class T>
  std::vector<T> list(OptionType type) const {
    if (!node_.is_list())
      throw config_error(node_.place, fmt::format("'{}' is {}", path_, shown(node_)),
                         describe_type(option_), "write [a, b, ...]");
    Option element = option_;
    element.type = type;
    std::vector<T> all;
    for (const ConfigNode& item : node_.items)
      all.push_back(
          std::get<T>(scalar_value(item, element, below(path_, std::to_string(all.size())))));
    return all;
  }

  std::vector<std::string> texts() const {
    if (!node_.is_list())
      throw config_error(node_.place, fmt::format("'{}' is {}", path_, shown(node_)),
                         describe_type(option_), "write [a, b, ...]");
    std::vector<std::string> all;
    for (const ConfigNode& item : node_.items) all.push_back(flow_text(item));
    return all;
  }

  OptionValue scalar() const {
    switch (option_.type) {
      case OptionType::boolean:
        if ((node_.text == "true" || node_.text == "false") && !node_.quoted)
          return node_.text == "true";
        break;
      case OptionType::integer:
        if (const auto n = number<std::int64_t>(node_)) return in_range(*n);
        break;
      case OptionType::real:
        if (const auto n = number<double>(node_)) return in_range(*n);
        break;
      case OptionType::length:
        if (const auto n = length()) return *n;
        break;
      case OptionType::choice:
        return choice();
      default:
        return node_.text;
    }
    throw wrong("is " + shown(node_));
  }

  template <class N>
  N in_range(N n) const {
    const double d = static_cast<double>(n);
    const bool low = option_.low && (option_.low_exclusive ? d <= *option_.low : d < *option_.low);
    if (low || (option_.high && d > *option_.high))
      throw wrong(fmt::format("is {}, which is out of range", node_.text));
    return n;
  }

  std::optional<Length> length() const {
    const auto length = Length::parse(node_.text);
    const bool quoted_number = node_.quoted && length && length->unit == Length::Unit::steps;
    if (!length || quoted_number) return {};
    in_range(length->amount);
    return length;
  }

  OptionValue choice() const {
    const auto& choices = option_.choices;
    if (std::find(choices.begin(), choices.end(), node_.text) != choices.end()) return node_.text;
    const std::string near = nearest_name(node_.text, choices);
    throw wrong("is " + shown(node_) + (near.empty() ? "" : ", did you mean '" + near + "'?"));
  }

  const ConfigNode& node_;
  const Option& option_;
  const std::string& path_;
};

}  // namespace

OptionValue scalar_value(const ConfigNode& node, const Option& option, const std::string& path) {
  return Reader(node, option, path).read();
}

}  // namespace bitwright
