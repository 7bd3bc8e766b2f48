#include "results/checkpoint_visitors.h"

#include <fmt/format.h>

#include <bitwright/core/error.h>

namespace bitwright::results {

namespace {

using h5::Handle;

/// Types as stored; all are little-endian, as memory is.
hid_t stored_type(DType type) {
  switch (type) {
    case DType::f32:
      return H5T_IEEE_F32LE;
    case DType::i32:
      return H5T_STD_I32LE;
    case DType::u8:
      return H5T_STD_U8LE;
    case DType::bf16:  // as its bits: HDF5 has no such type
      return H5T_STD_U16LE;
  }
  return H5I_INVALID_HID;
}

Handle space_of(const h5::File& file, const Shape& shape) {
  const std::vector<hsize_t> extent(shape.dims().begin(), shape.dims().end());
  return file.own(extent.empty() ? H5Screate(H5S_SCALAR)
                                 : H5Screate_simple(shape.rank(), extent.data(), nullptr),
                  "make a shape");
}

std::string type_name(DType type) {
  switch (type) {
    case DType::f32:
      return "float32";
    case DType::i32:
      return "int32";
    case DType::u8:
      return "uint8";
    case DType::bf16:
      return "bfloat16 (stored as uint16)";
  }
  return "unknown";
}

Shape shape_of(hid_t space) {
  std::vector<hsize_t> extent(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
  H5Sget_simple_extent_dims(space, extent.data(), nullptr);
  return Shape(std::vector<std::int64_t>(extent.begin(), extent.end()));
}

Tensor plain_like(const Tensor& value) {
  return Tensor::empty({value.shape(), value.type(), Layout::plain});
}

}  // namespace

void CheckpointSaver::enter(std::string_view scope) {
  const std::string name(scope);
  Handle next = file_.own(
      file_.has_link(group(), name)
          ? H5Gopen2(group(), name.c_str(), H5P_DEFAULT)
          : H5Gcreate2(group(), name.c_str(), H5P_DEFAULT, h5::group_properties(), H5P_DEFAULT),
      "write scope " + path_of(scope));
  open(std::move(next), path_of(scope) + "/");
}

void CheckpointSaver::tensor(std::string_view name, Tensor& value) {
  if (!value.defined()) {
    write(name, H5T_IEEE_F32LE, file_.own(H5Screate(H5S_NULL), "make a shape"), nullptr);
    return;
  }
  Tensor plain = value;
  if (value.layout() != Layout::plain) {
    plain = plain_like(value);
    plain.copy_from(value);
  }
  write(name, stored_type(plain.type()), space_of(file_, plain.shape()), plain.data());
}

void CheckpointSaver::integer(std::string_view name, std::int64_t& value) {
  write(name, H5T_STD_I64LE, space_of(file_, {}), &value);
}

void CheckpointSaver::real(std::string_view name, double& value) {
  write(name, H5T_IEEE_F64LE, space_of(file_, {}), &value);
}

void CheckpointSaver::text(std::string_view name, std::string& value) {
  write(name, file_.text_type(value.size()), space_of(file_, {}), value.c_str());
}

void CheckpointSaver::write(std::string_view name, hid_t type, hid_t space, const void* data) {
  require(name.find('/') == std::string_view::npos, "a name of state contains '/'");
  const std::string link(name), doing = "write state " + path_of(name);
  require(!file_.has_link(group(), link), "state '" + path_of(name) + "' is visited twice");
  const Handle set = file_.own(H5Dcreate2(group(), link.c_str(), type, space, H5P_DEFAULT,
                                          h5::dataset_properties(), H5P_DEFAULT),
                               doing);
  if (data && H5Sget_simple_extent_npoints(space) > 0)
    file_.check(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), doing);
}

void CheckpointLoader::enter(std::string_view scope) {
  const std::string name(scope);
  if (!file_.has_link(group(), name)) missing(scope);
  open(file_.own(H5Gopen2(group(), name.c_str(), H5P_DEFAULT), "open scope " + path_of(scope)),
       path_of(scope) + "/");
}

void CheckpointLoader::tensor(std::string_view name, Tensor& value) {
  const Handle set = open_entry(name);
  const Handle space = space_of_entry(name, set);
  const bool stored = H5Sget_simple_extent_type(space) != H5S_NULL;
  if (stored != value.defined())
    mismatch(name, stored ? "a tensor" : "no value", stored ? "no value" : "a tensor");
  if (!stored) return;
  const std::string want = "a tensor of " + type_name(value.type());
  check_type(name, set, stored_type(value.type()), want);
  const Shape shape = shape_of(space);
  if (shape != value.shape())
    mismatch(name, "of shape " + shape.str(), "shape " + value.shape().str());
  Tensor plain = value.layout() == Layout::plain ? value : plain_like(value);
  if (plain.numel() > 0) read(name, set, stored_type(plain.type()), plain.data());
  if (value.layout() != Layout::plain) value.copy_from(plain);
}

void CheckpointLoader::integer(std::string_view name, std::int64_t& value) {
  scalar(name, H5T_STD_I64LE, "an integer", &value);
}

void CheckpointLoader::real(std::string_view name, double& value) {
  scalar(name, H5T_IEEE_F64LE, "a real number", &value);
}

void CheckpointLoader::text(std::string_view name, std::string& value) {
  const Handle set = open_entry(name);
  const Handle type = file_.own(H5Dget_type(set), "read state " + path_of(name));
  if (H5Tget_class(type) != H5T_STRING) mismatch(name, "of another type", "a text");
  value = file_.text(group(), std::string(name).c_str());
}

void CheckpointLoader::missing(std::string_view name) const {
  throw storage_error(file_.name(), fmt::format("lacks the state '{}'", path_of(name)));
}

void CheckpointLoader::mismatch(std::string_view name, std::string_view got,
                                std::string_view want) const {
  throw storage_error(file_.name(), fmt::format("the state '{}' is {}", path_of(name), got),
                      fmt::format("expected {}", want));
}

Handle CheckpointLoader::open_entry(std::string_view name) {
  const std::string link(name);
  if (!file_.has_link(group(), link)) missing(name);
  if (file_.is_group(group(), link)) mismatch(name, "a scope", "a value");
  visited_.insert(path_of(name));
  return file_.own(H5Dopen2(group(), link.c_str(), H5P_DEFAULT), "read state " + path_of(name));
}

Handle CheckpointLoader::space_of_entry(std::string_view name, hid_t set) const {
  return file_.own(H5Dget_space(set), "read state " + path_of(name));
}

void CheckpointLoader::check_type(std::string_view name, hid_t set, hid_t want,
                                  std::string_view kind) const {
  const Handle type = file_.own(H5Dget_type(set), "read state " + path_of(name));
  if (H5Tequal(type, want) <= 0) mismatch(name, "of another type", kind);
}

void CheckpointLoader::read(std::string_view name, hid_t set, hid_t type, void* data) const {
  file_.check(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data),
              "read state " + path_of(name));
}

void CheckpointLoader::scalar(std::string_view name, hid_t type, std::string_view kind,
                              void* value) {
  const Handle set = open_entry(name);
  check_type(name, set, type, kind);
  if (H5Sget_simple_extent_type(space_of_entry(name, set)) != H5S_SCALAR)
    mismatch(name, "an array", kind);
  read(name, set, type, value);
}

std::string CheckpointLoader::left_over(hid_t group, const std::string& path) const {
  for (const std::string& name : file_.links(group)) {
    if (!file_.is_group(group, name)) {
      if (!visited_.contains(path + name)) return path + name;
      continue;
    }
    const Handle inner = file_.own(H5Gopen2(group, name.c_str(), H5P_DEFAULT), "open " + name);
    const std::string found = left_over(inner, path + name + "/");
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace bitwright::results
