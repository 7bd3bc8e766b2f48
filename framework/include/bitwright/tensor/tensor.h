#pragma once
// Tensors: a shape, an element type, a memory layout, and storage shared by handles.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <bitwright/core/bfloat16.h>

namespace bitwright {

/// Extents of up to a handful of dimensions, outermost first.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<std::int64_t> dims) : dims_(std::move(dims)) {}

  int rank() const { return static_cast<int>(dims_.size()); }
  std::int64_t operator[](int i) const { return dims_[static_cast<std::size_t>(i)]; }
  std::int64_t numel() const;  ///< product of the extents, 1 for a scalar
  const std::vector<std::int64_t>& dims() const { return dims_; }
  std::string str() const;  ///< "[100, 784]"
  bool operator==(const Shape&) const = default;

 private:
  std::vector<std::int64_t> dims_;
};

enum class DType { f32, i32, u8, bf16 };
std::size_t size_of(DType type);
inline bool is_floating(DType type) { return type == DType::f32 || type == DType::bf16; }

/// How elements lie in memory. `plain` is row-major in the order of the shape. `channels_last`
/// (oneDNN's nhwc) stores a 4-D tensor [N, C, H, W] as N, H, W, C; the shape stays [N, C, H, W].
enum class Layout { plain, channels_last };

/// What an op promises about a tensor before it exists.
struct TensorSpec {
  Shape shape;
  DType type = DType::f32;
  Layout layout = Layout::plain;
  bool operator==(const TensorSpec&) const = default;
};

/// A handle: copies share the storage. A default-made tensor is undefined.
/// Storage comes from a pool that keeps freed blocks, so a steady state allocates nothing.
class Tensor {
 public:
  Tensor() = default;
  static Tensor empty(const TensorSpec& spec);
  static Tensor empty(Shape shape) { return empty(TensorSpec{std::move(shape)}); }
  /// Type, shape and layout without storage: undefined, and any access to elements throws.
  static Tensor described(TensorSpec spec);
  /// In a part of a block that starts `offset` bytes (a multiple of 64) into it.
  static Tensor within(const std::shared_ptr<std::byte[]>& block, std::size_t offset,
                       TensorSpec spec);
  static Tensor zeros(Shape shape);
  static Tensor full(Shape shape, float value);
  static Tensor from(std::span<const float> values, Shape shape);
  static Tensor from(std::initializer_list<float> values, Shape shape);
  static Tensor scalar(float value) { return full(Shape{}, value); }

  bool defined() const { return storage_ != nullptr; }
  const TensorSpec& spec() const { return spec_; }
  const Shape& shape() const { return spec_.shape; }
  DType type() const { return spec_.type; }
  Layout layout() const { return spec_.layout; }
  std::int64_t numel() const { return spec_.shape.numel(); }
  std::size_t bytes() const;

  float* f32();
  const float* f32() const;
  std::int32_t* i32();
  const std::int32_t* i32() const;
  std::uint8_t* u8();
  const std::uint8_t* u8() const;
  bfloat16* bf16();
  const bfloat16* bf16() const;
  /// The same by type: float or bfloat16.
  template <class T>
  T* as();
  template <class T>
  const T* as() const;
  void* data();
  const void* data() const;
  std::span<float> values() { return {f32(), static_cast<std::size_t>(numel())}; }
  std::span<const float> values() const { return {f32(), static_cast<std::size_t>(numel())}; }
  float item() const;  ///< of a tensor with one element

  Tensor clone() const;                  ///< own storage, same bits
  void copy_from(const Tensor& source);  ///< same shape and type; converts the layout
  void fill(float value);                ///< f32 or bf16
  /// The same storage under another shape with as many elements; plain layout only.
  Tensor reshaped(Shape shape) const;

 private:
  TensorSpec spec_;
  std::shared_ptr<std::byte[]> storage_;
};

template <>
inline float* Tensor::as<float>() {
  return f32();
}
template <>
inline const float* Tensor::as<float>() const {
  return f32();
}
template <>
inline bfloat16* Tensor::as<bfloat16>() {
  return bf16();
}
template <>
inline const bfloat16* Tensor::as<bfloat16>() const {
  return bf16();
}

/// Calls f with a null pointer to the element type: f(float*) or f(bfloat16*).
///   for_float_type(x.type(), [&]<class T>(T*) { run(x.as<T>()); });
template <class F>
void for_float_type(DType type, const F& f) {
  type == DType::bf16 ? f(static_cast<bfloat16*>(nullptr)) : f(static_cast<float*>(nullptr));
}

}  // namespace bitwright
