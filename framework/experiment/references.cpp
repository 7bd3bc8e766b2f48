#include "experiment/references.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include <bitwright/core/options.h>

#include "experiment/expression.h"
#include "experiment/read_yaml.h"

namespace bitwright {
namespace {

constexpr std::size_t kDeepest = 32;  // references to references

// "NAME" or "NAME:-DEFAULT", from between the braces; an expression has no default.
struct Reference {
  std::string name;
  std::optional<std::string> fallback;
};

Reference parse(const std::string& inside) {
  const auto at = inside.find(":-");
  if (at == std::string::npos) return {inside, {}};
  return {inside.substr(0, at), inside.substr(at + 2)};
}

bool is_name(const std::string& text) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-' ||
           c == ':';
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed) && text[0] != '-' &&
         !(text[0] >= '0' && text[0] <= '9');
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

class Replacer {
 public:
  Replacer(const ConfigNode& root, bool partial) : root_(root), partial_(partial) {}

  ConfigNode replaced(const ConfigNode& node) {
    if (node.is_scalar()) return scalar(node);
    ConfigNode result = node;
    for (ConfigNode& item : result.items) item = replaced(item);
    for (ConfigNode::Entry& entry : result.entries) entry.value = replaced(entry.value);
    return result;
  }

 private:
  Error wrong(const ConfigNode& at, std::string_view what, std::string_view expected,
              std::string_view remedy) const {
    return config_error(at.place, what, expected, remedy);
  }

  ConfigNode scalar(const ConfigNode& node) {
    if (node.text.find("${") == std::string::npos) return node;
    if (const auto whole = only_reference(node)) return value_of(*whole, node);
    ConfigNode result = node;
    result.text = expanded(node);
    result.quoted = true;  // put together: text, whatever it looks like
    return result;
  }

  // What stands between the braces, if the value is nothing but one reference.
  static std::optional<std::string> only_reference(const ConfigNode& node) {
    const std::string& text = node.text;
    if (!text.starts_with("${") || text.find('}') != text.size() - 1) return {};
    return trimmed(text.substr(2, text.size() - 3));
  }

  std::string expanded(const ConfigNode& node) {
    std::string result;
    const std::string& text = node.text;
    for (std::size_t at = 0; at < text.size();) {
      const auto next = text.find("${", at);
      if (next == std::string::npos) return result + text.substr(at);
      if (next > 0 && text[next - 1] == '$') {  // $${ is written for ${
        result += text.substr(at, next - 1 - at) + "${";
        at = next + 2;
        continue;
      }
      const auto end = text.find('}', next);
      if (end == std::string::npos)
        throw wrong(node, fmt::format("'{}' opens a reference and does not close it", text),
                    "${key}", "add '}', or write $${ for the characters ${");
      const ConfigNode value = value_of(trimmed(text.substr(next + 2, end - next - 2)), node);
      if (!value.is_scalar())
        throw wrong(node, fmt::format("a reference inside text is to {}", shown(value)),
                    "a single value", "let the reference stand alone");
      result += text.substr(at, next - at) + value.text;
      at = end + 1;
    }
    return result;
  }

  ConfigNode value_of(const std::string& inside, const ConfigNode& at) {
    const Reference reference = parse(inside);
    if (!is_name(reference.name)) return computed(inside, at);
    return named(reference, at);
  }

  ConfigNode named(const Reference& reference, const ConfigNode& at) {
    if (reference.name.starts_with("env:")) return environment(reference, at);
    const ConfigNode* const target = find_path(root_, reference.name);
    if (target == nullptr) {
      if (reference.fallback) return parsed(*reference.fallback, at);
      if (partial_) return at;
      throw wrong(at, fmt::format("'${{{}}}' refers to a key that no file gives", reference.name),
                  nearest(reference.name),
                  fmt::format("correct it, or give a default: ${{{}:-value}}", reference.name));
    }
    return followed(reference.name, *target, at);
  }

  ConfigNode followed(const std::string& name, const ConfigNode& target, const ConfigNode& at) {
    if (std::find(chain_.begin(), chain_.end(), name) != chain_.end() || chain_.size() > kDeepest)
      throw wrong(
          at, fmt::format("references go in a circle: {} -> {}", fmt::join(chain_, " -> "), name),
          "references that end at a value", "give one of them a value");
    chain_.push_back(name);
    ConfigNode value = replaced(target);
    chain_.pop_back();
    size_ += value.text.size() + value.items.size() + value.entries.size() + 1;
    if (size_ > max_config_bytes)
      throw wrong(at, "references multiply what the file holds beyond all measure", "an experiment",
                  "refer to smaller parts");
    if (value.is_scalar()) value.place = at.place;
    return value;
  }

  ConfigNode environment(const Reference& reference, const ConfigNode& at) const {
    const std::string name = reference.name.substr(4);
    const char* const value = std::getenv(name.c_str());
    if (value != nullptr) return parsed(value, at);
    if (reference.fallback) return parsed(*reference.fallback, at);
    throw wrong(at, fmt::format("the environment has no variable '{}'", name),
                fmt::format("a value, or a default: ${{env:{}:-value}}", name),
                "set it before the program is started");
  }

  // What the environment or a default says is plain text, which may look like a number.
  static ConfigNode parsed(const std::string& text, const ConfigNode& at) {
    return ConfigNode::scalar(text, at.place);
  }

  ConfigNode computed(const std::string& expression, const ConfigNode& at) {
    bool missing = false;
    const auto number_of = [&](const std::string& name) -> Number {
      const ConfigNode value = named({name, {}}, at);
      if (partial_ && value.text.find("${") != std::string::npos) {
        missing = true;
        return {1, true};
      }
      if (!value.is_scalar() || value.quoted)
        throw std::invalid_argument(fmt::format("'{}' is {}, no number", name, shown(value)));
      return parse_number(value.text);
    };
    try {
      const Number result = evaluate(expression, number_of);
      return missing ? at : ConfigNode::scalar(result.str(), at.place);
    } catch (const std::invalid_argument& e) {
      throw wrong(at, fmt::format("'${{{}}}' cannot be computed: {}", expression, e.what()),
                  "a key, env:NAME, or + - * / ( ) on numbers and keys",
                  "correct it, or write $${ for the characters ${");
    }
  }

  std::string nearest(const std::string& name) const {
    std::vector<std::string> all;
    collect(root_, "", all);
    const std::string near = nearest_name(name, all);
    return near.empty() ? "a key of this file or of one that it extends"
                        : fmt::format("did you mean '{}'?", near);
  }

  static void collect(const ConfigNode& node, const std::string& path,
                      std::vector<std::string>& all) {
    if (all.size() > 1000) return;
    for (const ConfigNode::Entry& entry : node.entries) {
      const std::string here = below(path, entry.key);
      all.push_back(here);
      collect(entry.value, here, all);
    }
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const ConfigNode* const name = node.items[i].find("name");
      const std::string part =
          name != nullptr && name->is_scalar() ? name->text : std::to_string(i);
      collect(node.items[i], below(path, part), all);
    }
  }

  const ConfigNode& root_;
  const bool partial_;
  std::vector<std::string> chain_;
  std::size_t size_ = 0;  // of everything that was copied
};

}  // namespace

void replace_references(ConfigNode& root, bool partial) {
  const ConfigNode before = root;
  root = Replacer(before, partial).replaced(before);
}

}  // namespace bitwright
