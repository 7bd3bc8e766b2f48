#include "train/snapshot.h"

#include <algorithm>

#include <bitwright/core/error.h>

namespace bitwright {
namespace {

using Entry = Snapshot::Entry;

// Walks visited state beside the entries, which hold the same state in the same order.
class Walk : public StateVisitor {
 public:
  void enter(std::string_view scope) override { path_.emplace_back(scope); }
  void leave() override { path_.pop_back(); }

 protected:
  std::vector<std::string> path_to(std::string_view name) const {
    auto path = path_;
    path.emplace_back(name);
    return path;
  }
  std::vector<std::string> path_;
};

class Taking final : public Walk {
 public:
  explicit Taking(std::vector<Entry>& entries) : entries_(entries) {}
  void tensor(std::string_view name, Tensor& value) override {
    Entry& e = next(name, Entry::Kind::tensor);
    if (!e.tensor.defined()) e.tensor = Tensor::empty(value.spec());
    e.tensor.copy_from(value);
  }
  void integer(std::string_view name, std::int64_t& value) override {
    next(name, Entry::Kind::integer).integer = value;
  }
  void real(std::string_view name, double& value) override {
    next(name, Entry::Kind::real).real = value;
  }
  void text(std::string_view name, std::string& value) override {
    next(name, Entry::Kind::text).text = value;
  }

 private:
  Entry& next(std::string_view name, Entry::Kind kind) {
    if (at_ == entries_.size()) entries_.push_back({path_to(name), kind, {}, 0, 0, {}});
    return entries_[at_++];
  }
  std::vector<Entry>& entries_;
  std::size_t at_ = 0;
};

class Restoring final : public Walk {
 public:
  explicit Restoring(const std::vector<Entry>& entries) : entries_(entries) {}
  void tensor(std::string_view name, Tensor& value) override { value.copy_from(next(name).tensor); }
  void integer(std::string_view name, std::int64_t& value) override { value = next(name).integer; }
  void real(std::string_view name, double& value) override { value = next(name).real; }
  void text(std::string_view name, std::string& value) override { value = next(name).text; }

 private:
  const Entry& next(std::string_view name) {
    require(at_ < entries_.size() && entries_[at_].path == path_to(name),
            "snapshot holds no '" + std::string(name) + "' here");
    return entries_[at_++];
  }
  const std::vector<Entry>& entries_;
  std::size_t at_ = 0;
};

void visit_entry(StateVisitor& visitor, Entry& e) {
  const std::string& name = e.path.back();
  switch (e.kind) {
    case Entry::Kind::tensor:
      return visitor.tensor(name, e.tensor);
    case Entry::Kind::integer:
      return visitor.integer(name, e.integer);
    case Entry::Kind::real:
      return visitor.real(name, e.real);
    case Entry::Kind::text:
      return visitor.text(name, e.text);
  }
}

}  // namespace

void Snapshot::take(const Visit& visit) {
  Taking taking(entries_);
  visit(taking);
}

void Snapshot::restore(const Visit& visit) const {
  Restoring restoring(entries_);
  visit(restoring);
}

void Snapshot::visit(StateVisitor& visitor) {
  std::vector<std::string> scopes;  // entered now
  for (Entry& e : entries_) {
    const auto wanted = e.path.size() - 1;
    std::size_t common = 0;
    while (common < std::min(scopes.size(), wanted) && scopes[common] == e.path[common]) ++common;
    for (; scopes.size() > common; scopes.pop_back()) visitor.leave();
    for (; scopes.size() < wanted; scopes.push_back(e.path[scopes.size()]))
      visitor.enter(e.path[scopes.size()]);
    visit_entry(visitor, e);
  }
  for (; !scopes.empty(); scopes.pop_back()) visitor.leave();
}

}  // namespace bitwright
