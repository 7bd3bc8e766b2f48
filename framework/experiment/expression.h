#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace bitwright {

/// A number of an expression; it stays whole as long as every operation keeps it so.
struct Number {
  double value = 0;
  bool whole = true;
  std::string str() const;
};

/// What a name in an expression stands for; throws what the caller wants to be thrown.
using NumberOf = std::function<Number(const std::string& name)>;

/// The number that a text is, as YAML writes it. Throws std::invalid_argument for any other text.
Number parse_number(std::string_view text);

/// Evaluates + - * / ( ) and round(), floor(), ceil() on numbers and names. Names are letters,
/// digits, and _ . - : from a letter or '_' on. Throws std::invalid_argument that says what is
/// wrong.
Number evaluate(std::string_view expression, const NumberOf& number_of);

}  // namespace bitwright
