#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <bitwright/core/error.h>
#include <bitwright/tensor/tensor.h>

#include "core/pool.h"

namespace bitwright {

std::int64_t Shape::numel() const {
  std::int64_t n = 1;
  for (std::int64_t d : dims_) n *= d;
  return n;
}

std::string Shape::str() const { return fmt::format("[{}]", fmt::join(dims_, ", ")); }

std::size_t size_of(DType type) {
  switch (type) {
    case DType::u8:
      return 1;
    case DType::bf16:
      return 2;
    case DType::f32:
    case DType::i32:
      break;
  }
  return 4;
}

Tensor Tensor::empty(const TensorSpec& spec) {
  if (spec.layout != Layout::plain && spec.shape.rank() != 4)
    require(false, "channels_last needs a 4-D shape, got " + spec.shape.str());
  Tensor t;
  t.spec_ = spec;
  t.storage_ = pool_allocate(t.bytes());
  return t;
}

Tensor Tensor::described(TensorSpec spec) {
  Tensor t;
  t.spec_ = std::move(spec);
  return t;
}

Tensor Tensor::within(const std::shared_ptr<std::byte[]>& block, std::size_t offset,
                      TensorSpec spec) {
  Tensor t = described(std::move(spec));
  t.storage_ = {block, block.get() + offset};
  return t;
}

Tensor Tensor::full(Shape shape, float value) {
  Tensor t = empty(std::move(shape));
  t.fill(value);
  return t;
}

Tensor Tensor::zeros(Shape shape) { return full(std::move(shape), 0.f); }

Tensor Tensor::from(std::span<const float> values, Shape shape) {
  Tensor t = empty(std::move(shape));
  require(static_cast<std::int64_t>(values.size()) == t.numel(),
          "number of values and shape differ");
  std::copy(values.begin(), values.end(), t.f32());
  return t;
}

Tensor Tensor::from(std::initializer_list<float> values, Shape shape) {
  return from(std::span<const float>(values.begin(), values.size()), std::move(shape));
}

std::size_t Tensor::bytes() const {
  return static_cast<std::size_t>(numel()) * size_of(spec_.type);
}

void* Tensor::data() { return storage_.get(); }
const void* Tensor::data() const { return storage_.get(); }

template <class T>
static T* typed(std::byte* data, const TensorSpec& spec, DType type) {
  require(data != nullptr && spec.type == type, "tensor is undefined or of another element type");
  return reinterpret_cast<T*>(data);
}
float* Tensor::f32() { return typed<float>(storage_.get(), spec_, DType::f32); }
const float* Tensor::f32() const { return typed<float>(storage_.get(), spec_, DType::f32); }
std::int32_t* Tensor::i32() { return typed<std::int32_t>(storage_.get(), spec_, DType::i32); }
const std::int32_t* Tensor::i32() const {
  return typed<std::int32_t>(storage_.get(), spec_, DType::i32);
}
std::uint8_t* Tensor::u8() { return typed<std::uint8_t>(storage_.get(), spec_, DType::u8); }
const std::uint8_t* Tensor::u8() const {
  return typed<std::uint8_t>(storage_.get(), spec_, DType::u8);
}
bfloat16* Tensor::bf16() { return typed<bfloat16>(storage_.get(), spec_, DType::bf16); }
const bfloat16* Tensor::bf16() const { return typed<bfloat16>(storage_.get(), spec_, DType::bf16); }

float Tensor::item() const {
  // Here and below the message is built only when it is needed: this runs in every step.
  if (numel() != 1) require(false, "item() of a tensor with shape " + shape().str());
  return *f32();
}

Tensor Tensor::clone() const {
  require(defined(), "clone() of an undefined tensor");
  Tensor t = empty(spec_);
  std::memcpy(t.data(), data(), bytes());
  return t;
}

// Between plain NCHW and channels_last: per image a transposition of [c][pixels].
template <class T>
static void transpose_images(const T* from, T* to, std::int64_t n, std::int64_t rows,
                             std::int64_t columns) {
  for (std::int64_t i = 0; i < n; ++i, from += rows * columns, to += rows * columns)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
}

static void convert_layout(const Tensor& from, Tensor& to) {
  const auto n = from.shape()[0], c = from.shape()[1], pixels = from.shape()[2] * from.shape()[3];
  if (c == 1 || pixels == 1) {  // both layouts are the same bytes
    std::memcpy(to.data(), from.data(), from.bytes());
    return;
  }
  const bool to_last = to.layout() == Layout::channels_last;
  const auto rows = to_last ? c : pixels, columns = to_last ? pixels : c;
  const auto move = [&]<class Word>(const Word* source) {  // elements as they are
    transpose_images(source, static_cast<Word*>(to.data()), n, rows, columns);
  };
  switch (size_of(from.type())) {
    case 1:
      return move(static_cast<const std::uint8_t*>(from.data()));
    case 2:
      return move(static_cast<const std::uint16_t*>(from.data()));
    default:
      return move(static_cast<const std::uint32_t*>(from.data()));
  }
}

void Tensor::copy_from(const Tensor& source) {
  require(defined() && source.defined() && shape() == source.shape() && type() == source.type(),
          "copy_from: shapes or element types differ");
  if (layout() == source.layout()) {
    std::memcpy(data(), source.data(), bytes());
  } else {
    convert_layout(source, *this);
  }
}

void Tensor::fill(float value) {
  for_float_type(type(), [&]<class T>(T*) { std::fill_n(as<T>(), numel(), T(value)); });
}

Tensor Tensor::reshaped(Shape shape) const {
  if (layout() != Layout::plain || shape.numel() != numel())
    require(false, "cannot reshape " + spec_.shape.str() + " to " + shape.str());
  Tensor t = *this;
  t.spec_.shape = std::move(shape);
  return t;
}

}  // namespace bitwright
