#pragma once
// What holds of every CIFAR file that is accepted.

#include "datasets/cifar/batch.h"
#include "fuzz_input.h"

namespace bitwright::fuzz {

/// The first byte of the input chooses the set and the labels; a small capacity lets a small input
/// exceed it.
inline int read_cifar_batch(const std::uint8_t* data, std::size_t size,
                            void (*read)(ByteStream&, const cifar::BatchFormat&,
                                         cifar::BatchSink&)) {
  if (size == 0) return 0;
  cifar::BatchFormat format{{{"labels", 10}}, 0, 3};
  if (data[0] & 1) format = {{{"coarse_labels", 20}, {"fine_labels", 100}}, data[0] >> 1 & 1u, 3};
  MemoryStream bytes(data + 1, size - 1);
  may_refuse([&] {
    ImageSet set;
    set.height = set.width = 32;
    set.channels = 3;
    set.classes = format.labels[format.wanted].classes;
    cifar::BatchSink sink(set, 2);
    read(bytes, format, sink);
    expect(sink.count() >= 1 && sink.count() <= format.capacity, "the capacity is kept");
    expect(set.count() == sink.count() + 2, "images stand where they belong");
    expect(set.pixels.size() == static_cast<std::size_t>(set.count() * set.image_size()),
           "every label has its image");
    for (const int label : set.labels)
      expect(label >= 0 && label < set.classes, "labels are in range");
  });
  return 0;
}

}  // namespace bitwright::fuzz
