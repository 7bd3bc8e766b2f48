#include "experiment/read_yaml.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace bitwright {
namespace {

std::size_t count_of(const ConfigNode& node) {
  std::size_t n = 1;
  for (const ConfigNode& item : node.items) n += count_of(item);
  for (const ConfigNode::Entry& entry : node.entries) n += count_of(entry.value);
  return n;
}

std::size_t depth_of(const ConfigNode& node) {
  std::size_t deepest = 0;
  for (const ConfigNode& item : node.items) deepest = std::max(deepest, depth_of(item));
  for (const ConfigNode::Entry& e : node.entries) deepest = std::max(deepest, depth_of(e.value));
  return deepest + 1;
}

// Builds the tree from the parser's events. Aliases become copies of what their anchors name.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string file, std::optional<Place> fixed)
      : file_(std::move(file)), fixed_(std::move(fixed)) {}

  /// The whole tree; throws what could only be known to be wrong at the end.
  ConfigNode take() {
    if (wrong_key_)
      throw config_error(*wrong_key_, "a key is no plain text", "a declared name",
                         "remove the brackets or braces");
    return std::move(root_);
  }

  /// The last scalar that is quoted or a block.
  const YAML::Mark& last_quoted() const { return last_quoted_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (awaits_key()) return wrong_key(mark);
    ConfigNode node;
    node.place = at(mark);
    add(std::move(node), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    if (tag == "!") last_quoted_ = mark;
    if (awaits_key()) return key(value, mark, anchor);
    ConfigNode node = ConfigNode::scalar(value, at(mark));
    node.quoted = tag == "!";
    add(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end())
      throw config_error(at(mark), "an alias stands inside what its own anchor names",
                         "an anchor that is complete", "write the value out");
    if (awaits_key())
      return known->second.is_scalar() ? key(known->second.text, mark, 0) : wrong_key(mark);
    count(count_of(known->second), mark);
    refuse_depth(open_.size() + depth_of(known->second), mark);
    add(known->second, 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::list, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::mapping, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    ConfigNode node;
    YAML::anchor_t anchor = 0;
    std::string key;  // of the entry that is being read
    Place key_place;
    bool has_key = false;
    bool is_key = false;  // stands where a key should
  };

  Place at(const YAML::Mark& mark) const {
    return fixed_ ? *fixed_ : Place{file_, mark.line + 1, mark.column + 1};
  }
  bool awaits_key() const {
    return !open_.empty() && open_.back().node.is_mapping() && !open_.back().has_key;
  }

  // The parser also makes up such keys in front of an error of its own, which explains more; so
  // this is said at the end.
  void wrong_key(const YAML::Mark& mark) {
    if (!wrong_key_) wrong_key_ = at(mark);
    open_.back().has_key = true;
  }
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw config_error(at(mark), fmt::format("the tag '{}' means nothing here", tag),
                       "plain values", "remove it");
  }
  void refuse_depth(std::size_t depth, const YAML::Mark& mark) const {
    if (depth > max_config_depth)
      throw config_error(at(mark),
                         fmt::format("values are nested more than {} deep", max_config_depth),
                         "an experiment", "write it flatter");
  }
  void count(std::size_t nodes, const YAML::Mark& mark) {
    nodes_ += nodes;
    if (nodes_ > max_config_nodes)
      throw config_error(at(mark),
                         fmt::format("the file holds more than {} values, its aliases written out",
                                     max_config_nodes),
                         "an experiment", "write a smaller one");
  }

  void key(const std::string& text, const YAML::Mark& mark, YAML::anchor_t anchor) {
    Open& top = open_.back();
    if (anchor != 0) anchors_[anchor] = ConfigNode::scalar(text, at(mark));
    if (top.node.find(text) != nullptr)
      throw config_error(at(mark), fmt::format("key '{}' stands here twice", text), "each key once",
                         "remove one");
    top.key = text;
    top.key_place = at(mark);
    top.has_key = true;
  }

  void open(ConfigNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    refuse_tag(mark, tag);
    count(1, mark);
    refuse_depth(open_.size() + 1, mark);
    Open opened;
    opened.is_key = awaits_key();
    if (opened.is_key) wrong_key(mark);
    opened.node.kind = kind;
    opened.node.place = at(mark);
    opened.anchor = anchor;
    open_.push_back(std::move(opened));
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.is_key) return;
    add(std::move(done.node), done.anchor);
  }

  void add(ConfigNode node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = open_.back();
    if (top.node.is_list()) {
      top.node.items.push_back(std::move(node));
    } else {
      top.node.entries.push_back({top.key, top.key_place, std::move(node)});
      top.has_key = false;
    }
  }

  const std::string file_;
  const std::optional<Place> fixed_;
  ConfigNode root_;
  std::vector<Open> open_;
  YAML::Mark last_quoted_ = YAML::Mark::null_mark();
  std::optional<Place> wrong_key_;
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  std::size_t nodes_ = 0;
};

// What the parser says about a tab, which is the commonest mistake of all, names no tab.
std::string hint(const std::string& text, const YAML::Mark& mark) {
  std::istringstream lines(text);
  std::string line;
  for (int i = 0; i <= mark.line && std::getline(lines, line); ++i) {
    const std::size_t first = line.find_first_not_of(' ');
    if (i == mark.line && first != std::string::npos && line[first] == '\t')
      return "the line is indented with a tab; use spaces";
  }
  return "check indentation, quotes and brackets here";
}

// yaml-cpp takes a quote that is never closed for one that ends with the file.
void refuse_unclosed_quote(const std::string& text, const std::string& name,
                           const YAML::Mark& mark) {
  if (mark.is_null()) return;
  std::size_t at = 0;
  for (int line = 0; line < mark.line && at != std::string::npos; ++line) {
    at = text.find('\n', at);
    if (at != std::string::npos) ++at;
  }
  if (at == std::string::npos || text.size() - at <= static_cast<std::size_t>(mark.column)) return;
  at += static_cast<std::size_t>(mark.column);
  const char quote = text[at];
  if (quote != '"' && quote != '\'') return;
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    const bool doubled = quote == '\'' && text.compare(i, 2, "''") == 0;
    if (doubled || (quote == '"' && text[i] == '\\')) {
      ++i;  // with what it escapes
    } else if (text[i] == quote) {
      return;
    }
  }
  throw config_error(Place{name, mark.line + 1, mark.column + 1}, "this quote is never closed",
                     "valid YAML", "close it");
}

}  // namespace

ConfigNode read_yaml(const std::string& text, const std::string& name) {
  if (text.size() > max_config_bytes)
    throw config_error(Place{name}, fmt::format("the file has {} bytes", text.size()),
                       fmt::format("at most {}", max_config_bytes), "is it an experiment?");
  std::istringstream stream(text);
  TreeBuilder builder(name, {});
  ConfigNode root;
  try {
    YAML::Parser parser(stream);
    const bool any = parser.HandleNextDocument(builder);
    root = builder.take();
    refuse_unclosed_quote(text, name, builder.last_quoted());
    if (!any || root.is_null())
      throw config_error(Place{name}, "the file is empty", "an experiment in YAML",
                         "see experiments/quickstart.yaml");
    TreeBuilder rest(name, {});
    if (parser.HandleNextDocument(rest))
      throw config_error(Place{name}, "the file holds several YAML documents", "one",
                         "remove the '---' between them");
  } catch (const YAML::Exception& e) {
    throw config_error(Place{name, e.mark.line + 1, e.mark.column + 1}, e.msg, "valid YAML",
                       hint(text, e.mark));
  }
  if (!root.is_mapping())
    throw config_error(root.place, "the file is no mapping", "'key: value' lines",
                       "see experiments/quickstart.yaml");
  return root;
}

ConfigNode read_yaml_value(const std::string& text, const Place& place) {
  if (text.size() > max_config_bytes)
    throw config_error(place, "the value is too long", "a YAML value");
  std::istringstream stream(text);
  TreeBuilder builder("", place);
  YAML::Parser parser(stream);
  if (parser.HandleNextDocument(builder)) return builder.take();
  ConfigNode nothing;
  nothing.place = place;
  return nothing;
}

std::string read_config_file(const std::string& file, const Place& where) {
  std::ifstream stream(file, std::ios::binary);
  std::error_code failed;
  if (!stream || std::filesystem::is_directory(file, failed))
    throw config_error(
        where, where.file == file ? "cannot be read" : fmt::format("'{}' cannot be read", file),
        "an experiment file", "check the path and its permissions");
  std::string text(max_config_bytes + 1, '\0');  // one more than allowed: read_yaml refuses it
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

}  // namespace bitwright
