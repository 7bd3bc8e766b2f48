#include <vector>

#include <fmt/format.h>

#include <bitwright/core/error.h>
#include <bitwright/results/array_file.h>
#include <bitwright/results/checkpoint.h>

#include "results/hdf5.h"

namespace bitwright {

using h5::Handle;

struct ArrayFile::State {
  h5::File file;
  Handle root;
  std::map<std::string, Shape> shapes;
  std::map<std::string, Handle> sets;

  explicit State(const std::string& path) : file(path, ExitStatus::data) {}
  void collect(hid_t group, const std::string& prefix, int depth);
  void collect_network();
  void add(const std::string& name, Handle set);
};

// Hard links may make a circle of groups, hence the bound.
void ArrayFile::State::collect(hid_t group, const std::string& prefix, int depth) {
  if (depth > 16) file.damaged("groups lie more than 16 deep");
  for (const std::string& link : file.links(group)) {
    const std::string doing = fmt::format("open '{}'", prefix + link);
    Handle object = file.own(H5Oopen(group, link.c_str(), H5P_DEFAULT), doing);
    const H5I_type_t type = H5Iget_type(object);
    if (type == H5I_GROUP) collect(object, prefix + link + ".", depth + 1);
    if (type == H5I_DATASET) add(prefix + link, std::move(object));
  }
}

void ArrayFile::State::collect_network() {
  Checkpoint::open(file.name());  // it is whole
  if (H5Lexists(root, "network", H5P_DEFAULT) <= 0)
    throw data_error(file.name(), "is the checkpoint of a run on its way",
                     "one of a finished run: checkpoint-final.h5", "finish the run with --resume");
  for (const char* const group : {"network/parameters", "network/buffers"}) {
    const Handle part = file.own(H5Gopen2(root, group, H5P_DEFAULT), "open the network");
    collect(part, "", 1);
  }
}

void ArrayFile::State::add(const std::string& name, Handle set) {
  const std::string doing = fmt::format("read array '{}'", name);
  const Handle type = file.own(H5Dget_type(set), doing);
  if (H5Tget_class(type) != H5T_FLOAT)
    throw data_error(file.name(), fmt::format("'{}' holds no floating-point numbers", name),
                     "an array of 16, 32 or 64 bit floating-point numbers", "convert or remove it");
  const Handle space = file.own(H5Dget_space(set), doing);
  const int rank = H5Sget_simple_extent_ndims(space);
  file.check(rank, doing);
  std::vector<hsize_t> extents(static_cast<std::size_t>(rank));
  file.check(H5Sget_simple_extent_dims(space, extents.data(), nullptr), doing);
  shapes.insert_or_assign(name, Shape(std::vector<std::int64_t>(extents.begin(), extents.end())));
  if (!sets.emplace(name, std::move(set)).second)
    throw data_error(file.name(), fmt::format("two arrays are called '{}'", name), "each name once",
                     "remove one");
}

ArrayFile ArrayFile::open(const std::string& path) {
  auto state = std::make_unique<State>(path);
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
  if (!file.valid())
    throw data_error(path, "cannot be opened: " + h5::last_cause(),
                     "an HDF5 file of named float arrays",
                     "check the path; scripts/export-torch makes one of a PyTorch state_dict");
  state->root = state->file.own(H5Gopen2(file, "/", H5P_DEFAULT), "open the root group");
  if (state->file.attribute(state->root, "format") == checkpoint_format.name) {
    state->collect_network();
  } else {
    state->collect(state->root, "", 0);
  }
  return ArrayFile(std::move(state));
}

ArrayFile::ArrayFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ArrayFile::ArrayFile(ArrayFile&&) noexcept = default;
ArrayFile::~ArrayFile() = default;

const std::map<std::string, Shape>& ArrayFile::arrays() const { return state_->shapes; }

void ArrayFile::read(const std::string& name, Tensor& out) const {
  require(state_->sets.contains(name) && state_->shapes.at(name) == out.shape() &&
              out.layout() == Layout::plain,
          "an array is read into a tensor of another shape");
  state_->file.check(
      H5Dread(state_->sets.at(name), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.f32()),
      fmt::format("read array '{}'", name));
}

}  // namespace bitwright
