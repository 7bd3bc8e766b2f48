#include "experiment/expression.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace bitwright {
namespace {

constexpr double kMostWhole = 9007199254740992;  // 2^53: whole numbers beyond it are not exact
constexpr int kDeepest = 50;

bool letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool in_name(char c) { return letter(c) || digit(c) || c == '.' || c == '-' || c == ':'; }

class Evaluator {
 public:
  Evaluator(std::string_view text, const NumberOf& number_of)
      : text_(text), number_of_(number_of) {}

  Number run() {
    const Number result = sum();
    if (peek() != '\0')
      throw std::invalid_argument(fmt::format("'{}' is not expected", text_.substr(at_)));
    return result;
  }

 private:
  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  static Number checked(double value, bool whole) {
    if (!std::isfinite(value)) throw std::invalid_argument("the result is not a finite number");
    return {value, whole && std::abs(value) <= kMostWhole};
  }

  Number sum() {
    Number left = product();
    for (char c = peek(); c == '+' || c == '-'; c = peek()) {
      ++at_;
      const Number right = product();
      left = checked(c == '+' ? left.value + right.value : left.value - right.value,
                     left.whole && right.whole);
    }
    return left;
  }

  Number product() {
    Number left = factor();
    for (char c = peek(); c == '*' || c == '/'; c = peek()) {
      ++at_;
      const Number right = factor();
      if (c == '/' && right.value == 0) throw std::invalid_argument("a division by zero");
      const double value = c == '*' ? left.value * right.value : left.value / right.value;
      left = checked(value, left.whole && right.whole && value == std::floor(value));
    }
    return left;
  }

  Number factor() {
    if (++depth_ > kDeepest) throw std::invalid_argument("too many brackets");
    const Number result = factor_within();
    --depth_;
    return result;
  }

  Number factor_within() {
    const char c = peek();
    if (c == '-' || c == '+') {
      ++at_;
      const Number n = factor();
      return {c == '-' ? -n.value : n.value, n.whole};
    }
    if (c == '(') return bracketed();
    if (digit(c) || c == '.') return literal();
    if (letter(c)) return named();
    throw std::invalid_argument(c == '\0' ? "it ends too early"
                                          : fmt::format("'{}' is not expected", text_.substr(at_)));
  }

  Number bracketed() {
    ++at_;
    const Number inside = sum();
    if (peek() != ')') throw std::invalid_argument("a bracket is not closed");
    ++at_;
    return inside;
  }

  Number literal() {
    std::size_t end = at_;
    while (end < text_.size() &&
           (digit(text_[end]) || text_[end] == '.' || text_[end] == 'e' || text_[end] == 'E' ||
            ((text_[end] == '-' || text_[end] == '+') &&
             (text_[end - 1] == 'e' || text_[end - 1] == 'E'))))
      ++end;
    const std::string_view number = text_.substr(at_, end - at_);
    at_ = end;
    return parse_number(number);
  }

  Number named() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && in_name(text_[at_])) ++at_;
    const std::string name(text_.substr(begin, at_ - begin));
    if (peek() != '(') return number_of_(name);
    const Number n = bracketed();
    if (name == "round") return checked(std::round(n.value), true);
    if (name == "floor") return checked(std::floor(n.value), true);
    if (name == "ceil") return checked(std::ceil(n.value), true);
    throw std::invalid_argument(fmt::format("'{}' is no function: round, floor, ceil are", name));
  }

  const std::string_view text_;
  const NumberOf& number_of_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string Number::str() const {
  if (whole) return fmt::format("{}", static_cast<long long>(value));
  return fmt::format("{}", value);
}

Number parse_number(std::string_view text) {
  double value = 0;
  const bool plus = text.starts_with('+') && !text.starts_with("+-");
  const std::string_view digits = text.substr(plus ? 1 : 0);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(value))
    throw std::invalid_argument(fmt::format("'{}' is no number", text));
  const bool whole = digits.find_first_not_of("-0123456789") == std::string_view::npos &&
                     std::abs(value) <= kMostWhole;
  return {value, whole};
}

Number evaluate(std::string_view expression, const NumberOf& number_of) {
  return Evaluator(expression, number_of).run();
}

}  // namespace bitwright
