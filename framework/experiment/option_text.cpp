#include "experiment/option_text.h"

#include <cctype>
#include <cmath>
#include <set>

#include <fmt/format.h>

namespace bitwright {

std::string describe_range(const Option& o) {
  std::string text;
  if (o.low) text = fmt::format("{} {}", o.low_exclusive ? ">" : ">=", *o.low);
  if (o.high) text += fmt::format("{}<= {}", text.empty() ? "" : ", ", *o.high);
  return text;
}

std::string describe_type(const Option& o) {
  std::string text;
  switch (o.type) {
    case OptionType::boolean:
      text = "true or false";
      break;
    case OptionType::integer:
      text = "an integer";
      break;
    case OptionType::real:
      text = "a number";
      break;
    case OptionType::text:
      text = "text";
      break;
    case OptionType::choice:
      text = fmt::format("one of {}", fmt::join(o.choices, ", "));
      break;
    case OptionType::length:
      text = "steps (400), epochs (30 epochs) or a share (25 %)";
      break;
    case OptionType::real_list:
      text = "a list of numbers";
      break;
    case OptionType::integer_list:
      text = "a list of integers";
      break;
    case OptionType::text_list:
      text = "a list of texts";
      break;
    case OptionType::length_list:
      text = "a list of steps (400), epochs (30 epochs) or shares (25 %)";
      break;
    case OptionType::any_list:
      text = "a list of values";
      break;
    case OptionType::section:
      text = "a mapping";
      break;
    case OptionType::section_list:
      text = "a list of mappings";
      break;
    case OptionType::component:
      text = "one of the " + o.registry;
      break;
    case OptionType::component_list:
      text = "a list of " + o.registry;
      break;
  }
  const bool length = o.type == OptionType::length || o.type == OptionType::length_list;
  if (const std::string range = describe_range(o); !range.empty())
    text += (length ? ", " : " ") + range;
  if (!o.unit.empty() && o.unit != "1") text += ", in " + o.unit;
  return text;
}

static std::string quoted(const std::string& text) {
  static const std::set<std::string> special{"true", "false", "null", "yes", "no", "on",
                                             "off",  "y",     "n",    "~",   ""};
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  bool plain = !special.contains(lower) && (std::isalpha(static_cast<unsigned char>(text[0])) ||
                                            text[0] == '_' || text[0] == '/');
  for (const char c : text)
    plain = plain && (std::isalnum(static_cast<unsigned char>(c)) ||
                      std::string_view("_-./").find(c) != std::string_view::npos);
  if (plain) return text;
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (text.compare(i, 2, "${") == 0) {
      out += "$$";  // which is read as one, and not as a reference
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

static std::string yaml(bool b) { return b ? "true" : "false"; }
static std::string yaml(std::int64_t n) { return fmt::format("{}", n); }
static std::string yaml(double d) {
  return std::isinf(d) ? (d > 0 ? ".inf" : "-.inf") : fmt::format("{}", d);
}
static std::string yaml(const std::string& text) { return quoted(text); }
static std::string yaml(const Length& length) { return length.str(); }
template <class T>
static std::string yaml(const std::vector<T>& all) {
  std::string text;
  for (const T& one : all) text += (text.empty() ? "" : ", ") + yaml(one);
  return "[" + text + "]";
}

std::string yaml_text(const OptionValue& value) {
  return std::visit([](const auto& v) { return yaml(v); }, value);
}

}  // namespace bitwright
