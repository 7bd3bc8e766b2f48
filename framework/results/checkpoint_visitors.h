#pragma once
// State to and from HDF5 groups.

#include <set>
#include <string>
#include <vector>

#include <bitwright/core/state.h>
#include <bitwright/tensor/tensor.h>

#include "results/hdf5.h"

namespace bitwright::results {

/// The open scopes: groups, and their path for messages.
class GroupVisitor : public StateVisitor {
 public:
  GroupVisitor(const h5::File& file, h5::Handle root) : file_(file) { open(std::move(root), ""); }

  void leave() override { scopes_.pop_back(); }

 protected:
  struct Scope {
    h5::Handle group;
    std::string path;
  };
  void open(h5::Handle group, std::string path) {
    scopes_.push_back({std::move(group), std::move(path)});
  }
  hid_t group() const { return scopes_.back().group; }
  std::string path_of(std::string_view name) const {
    return scopes_.back().path + std::string(name);
  }

  const h5::File& file_;
  std::vector<Scope> scopes_;
};

/// Writes what it visits into a group.
class CheckpointSaver : public GroupVisitor {
 public:
  using GroupVisitor::GroupVisitor;
  void enter(std::string_view scope) override;
  void tensor(std::string_view name, Tensor& value) override;
  void integer(std::string_view name, std::int64_t& value) override;
  void real(std::string_view name, double& value) override;
  void text(std::string_view name, std::string& value) override;

 private:
  void write(std::string_view name, hid_t type, hid_t space, const void* data);
};

/// Overwrites what it visits from a group. Throws a storage error that names the entry which is
/// missing or of another kind, type or shape.
class CheckpointLoader : public GroupVisitor {
 public:
  using GroupVisitor::GroupVisitor;
  void enter(std::string_view scope) override;
  void tensor(std::string_view name, Tensor& value) override;
  void integer(std::string_view name, std::int64_t& value) override;
  void real(std::string_view name, double& value) override;
  void text(std::string_view name, std::string& value) override;

  /// Names an entry of the file that was not visited; "" when there is none.
  std::string left_over() const { return left_over(scopes_.front().group, ""); }

 private:
  [[noreturn]] void missing(std::string_view name) const;
  [[noreturn]] void mismatch(std::string_view name, std::string_view got,
                             std::string_view want) const;
  h5::Handle open_entry(std::string_view name);
  h5::Handle space_of_entry(std::string_view name, hid_t set) const;
  void check_type(std::string_view name, hid_t set, hid_t want, std::string_view kind) const;
  void scalar(std::string_view name, hid_t type, std::string_view kind, void* value);
  void read(std::string_view name, hid_t set, hid_t type, void* data) const;
  std::string left_over(hid_t group, const std::string& path) const;

  std::set<std::string> visited_;
};

}  // namespace bitwright::results
