#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <string_view>
#include <vector>

#include <bitwright/core/error.h>
#include <bitwright/tensor/memory_state.h>

namespace bitwright {

namespace {

/// Keeps the path of the scopes that are open.
class PathVisitor : public StateVisitor {
 public:
  void enter(std::string_view scope) override {
    lengths_.push_back(path_.size());
    path_.append(scope).append("/");
  }
  void leave() override {
    path_.resize(lengths_.back());
    lengths_.pop_back();
  }

 protected:
  std::string path_of(std::string_view name) const { return path_ + std::string(name); }

 private:
  std::string path_;
  std::vector<std::size_t> lengths_;
};

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.defined() != b.defined()) return false;
  if (!a.defined()) return true;
  return a.shape() == b.shape() && a.type() == b.type() &&
         (a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

}  // namespace

class MemorySaver : public PathVisitor {
 public:
  explicit MemorySaver(MemoryState& to) : to_(to), earlier_(std::move(to.values_)) {
    to_.values_.clear();
  }
  void tensor(std::string_view name, Tensor& value) override {
    const std::string path = path_of(name);
    Tensor copy;
    if (value.defined()) {
      const auto old = earlier_.find(path);
      if (old != earlier_.end() && std::holds_alternative<Tensor>(old->second))
        copy = std::get<Tensor>(old->second);
      if (!copy.defined() || copy.shape() != value.shape() || copy.type() != value.type())
        copy = Tensor::empty({value.shape(), value.type(), Layout::plain});
      copy.copy_from(value);
    }
    add(path, std::move(copy));
  }
  void integer(std::string_view name, std::int64_t& value) override { add(path_of(name), value); }
  void real(std::string_view name, double& value) override { add(path_of(name), value); }
  void text(std::string_view name, std::string& value) override { add(path_of(name), value); }

 private:
  template <class T>
  void add(const std::string& path, T value) {
    const bool fresh = to_.values_.emplace(path, std::move(value)).second;
    require(fresh, "state '" + path + "' is visited twice");
  }

  MemoryState& to_;
  decltype(MemoryState::values_) earlier_;
};

class MemoryLoader : public PathVisitor {
 public:
  explicit MemoryLoader(const MemoryState& from) : from_(from) {}
  void tensor(std::string_view name, Tensor& value) override {
    const Tensor& kept = take<Tensor>(name);
    require(kept.defined() == value.defined() &&
                (!kept.defined() || (kept.shape() == value.shape() && kept.type() == value.type())),
            "state '" + path_of(name) + "' has another shape or type");
    if (kept.defined()) value.copy_from(kept);
  }
  void integer(std::string_view name, std::int64_t& value) override {
    value = take<std::int64_t>(name);
  }
  void real(std::string_view name, double& value) override { value = take<double>(name); }
  void text(std::string_view name, std::string& value) override { value = take<std::string>(name); }
  std::size_t taken() const { return taken_.size(); }

 private:
  template <class T>
  const T& take(std::string_view name) {
    const std::string path = path_of(name);
    const auto at = from_.values_.find(path);
    require(at != from_.values_.end() && std::holds_alternative<T>(at->second),
            "state '" + path + "' was not saved, or as another kind");
    taken_.insert(path);
    return std::get<T>(at->second);
  }

  const MemoryState& from_;
  std::set<std::string> taken_;
};

void MemoryState::save(const VisitState& visit) {
  MemorySaver saver(*this);
  visit(saver);
}

void MemoryState::load(const VisitState& visit) const {
  MemoryLoader loader(*this);
  visit(loader);
  require(loader.taken() == values_.size(), "not all saved state was loaded");
}

static std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

static void visit_value(StateVisitor& visitor, std::string_view name, Tensor& v) {
  visitor.tensor(name, v);
}
static void visit_value(StateVisitor& visitor, std::string_view name, std::int64_t& v) {
  visitor.integer(name, v);
}
static void visit_value(StateVisitor& visitor, std::string_view name, double& v) {
  visitor.real(name, v);
}
static void visit_value(StateVisitor& visitor, std::string_view name, std::string& v) {
  visitor.text(name, v);
}

void MemoryState::visit(StateVisitor& visitor) {
  std::vector<std::string> open;  // scopes
  for (auto& [path, value] : values_) {
    const auto parts = split_path(path);
    const std::size_t scopes = parts.size() - 1;
    std::size_t common = 0;
    while (common < std::min(open.size(), scopes) && open[common] == parts[common]) ++common;
    for (; open.size() > common; open.pop_back()) visitor.leave();
    for (; open.size() < scopes; open.push_back(parts[open.size()]))
      visitor.enter(parts[open.size()]);
    std::visit([&](auto& v) { visit_value(visitor, parts.back(), v); }, value);
  }
  for (; !open.empty(); open.pop_back()) visitor.leave();
}

std::string MemoryState::first_difference(const MemoryState& other) const {
  const auto same = [](const Value& a, const Value& b) {
    if (a.index() != b.index()) return false;
    if (const Tensor* tensor = std::get_if<Tensor>(&a))
      return same_bits(*tensor, std::get<Tensor>(b));
    if (const double* real = std::get_if<double>(&a))
      return std::bit_cast<std::uint64_t>(*real) ==
             std::bit_cast<std::uint64_t>(std::get<double>(b));
    if (const std::string* text = std::get_if<std::string>(&a))
      return *text == std::get<std::string>(b);
    return std::get<std::int64_t>(a) == std::get<std::int64_t>(b);
  };
  auto a = values_.begin(), b = other.values_.begin();
  for (; a != values_.end() && b != other.values_.end(); ++a, ++b) {
    if (a->first != b->first) return std::min(a->first, b->first);
    if (!same(a->second, b->second)) return a->first;
  }
  if (a != values_.end()) return a->first;
  return b != other.values_.end() ? b->first : "";
}

bool state_equal(const VisitState& a, const VisitState& b) {
  MemoryState first, second;
  first.save(a);
  second.save(b);
  return first == second;
}

}  // namespace bitwright
