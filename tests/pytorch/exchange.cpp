#include "exchange.h"

#include <fstream>

#include <hdf5.h>
#include <hdf5_hl.h>

#include <bitwright/core/error.h>

namespace bitwright::exchange {
namespace {

DType type_of(const std::string& name) {
  const std::map<std::string, DType> types{
      {"f32", DType::f32}, {"bf16", DType::bf16}, {"i32", DType::i32}};
  return types.at(name);
}

// The same numbers in another element type.
Tensor converted(const Tensor& from, DType type) {
  Tensor to = Tensor::empty({from.shape(), type, from.layout()});
  const auto number = [&](std::int64_t i) {
    switch (from.type()) {
      case DType::f32:
        return from.f32()[i];
      case DType::bf16:
        return static_cast<float>(from.bf16()[i]);
      default:
        return static_cast<float>(from.i32()[i]);
    }
  };
  for (std::int64_t i = 0; i < from.numel(); ++i) {
    if (type == DType::f32) to.f32()[i] = number(i);
    if (type == DType::bf16) to.bf16()[i] = bfloat16(number(i));
    if (type == DType::i32) to.i32()[i] = static_cast<std::int32_t>(number(i));
  }
  return to;
}

Tensor laid_out(const Tensor& from, Layout layout) {
  if (from.layout() == layout) return from;
  Tensor to = Tensor::empty({from.shape(), from.type(), layout});
  to.copy_from(from);
  return to;
}

json parsed(const std::string& path) {
  std::ifstream file(path);
  require(file.good(), path + " cannot be read");
  return json::parse(file);
}

}  // namespace

Request::Request(const std::string& folder)
    : description_(parsed(folder + "/request.json")),
      file_(ArrayFile::open(folder + "/request.h5")) {}

Tensor Request::array(const std::string& name, DType type, Layout layout) const {
  Tensor plain = Tensor::empty(file_.arrays().at(name));
  file_.read(name, plain);
  return laid_out(converted(plain, type), layout);
}

Tensor Request::described_array(const json& described) const {
  return array(
      described.at("name"), type_of(described.value("type", "f32")),
      described.value("layout", "plain") == "plain" ? Layout::plain : Layout::channels_last);
}

void Answer::put(const std::string& name, const Tensor& tensor) {
  Tensor plain = Tensor::empty(tensor.shape());
  plain.copy_from(laid_out(converted(tensor, DType::f32), Layout::plain));
  arrays_[name] = plain;
}

void Answer::put(const std::string& name, const std::vector<double>& numbers) {
  Tensor list = Tensor::empty({static_cast<std::int64_t>(numbers.size())});
  for (std::size_t i = 0; i < numbers.size(); ++i) list.f32()[i] = static_cast<float>(numbers[i]);
  arrays_[name] = list;
}

void Answer::write(const std::string& folder) const {
  const hid_t file =
      H5Fcreate((folder + "/answer.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  require(file >= 0, "answer.h5 cannot be written");
  for (const auto& [name, tensor] : arrays_) {
    const std::vector<hsize_t> extents(tensor.shape().dims().begin(), tensor.shape().dims().end());
    require(H5LTmake_dataset_float(file, name.c_str(), tensor.shape().rank(), extents.data(),
                                   tensor.f32()) >= 0,
            "an array cannot be written");
  }
  require(H5Fclose(file) >= 0, "answer.h5 cannot be closed");
  std::ofstream text(folder + "/answer.json");
  text << description.dump() << '\n';
  require(text.good(), "answer.json cannot be written");
}

}  // namespace bitwright::exchange
