#pragma once
// Where one thread makes one batch.

#include <bitwright/data/loader.h>

namespace bitwright {

/// A batch, and room for the images on their way into it.
struct BatchBuffer {
  explicit BatchBuffer(const BatchShape& shape)
      : shape(shape),
        batch(shape),
        pixels(Tensor::empty({Shape{2, image_size()}, DType::u8})),
        values(Tensor::empty(Shape{2, image_size()})) {}

  std::int64_t image_size() const { return shape.c * shape.h * shape.w; }
  PixelImage pixel_image() {
    return {shape.h, shape.w, shape.c, pixels.u8(), pixels.u8() + image_size()};
  }
  ValueImage value_image(std::int64_t which) {
    return {shape.h, shape.w, shape.c, values.f32() + which * image_size()};
  }

  BatchShape shape;
  BatchTensors batch;
  Tensor pixels;  ///< an image and its spare
  Tensor values;  ///< an image and its partner
};

}  // namespace bitwright
