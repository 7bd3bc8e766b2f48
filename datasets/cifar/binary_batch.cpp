#include <fmt/format.h>

#include <bitwright/core/error.h>

#include "batch.h"

namespace bitwright::cifar {

namespace {

constexpr const char* fetch_again = "fetch the file again from the official source";

std::string record_layout(const BatchFormat& format) {
  std::string text;
  for (const LabelKind& kind : format.labels)
    text += fmt::format("a {} byte, ", format.labels.size() == 1 ? "label" : kind.name);
  return text + fmt::format("{} bytes of pixels", image_size);
}

void check_labels(const std::uint8_t* record, std::int64_t number, const BatchFormat& format,
                  const std::string& file) {
  for (std::size_t i = 0; i < format.labels.size(); ++i)
    if (const LabelKind& kind = format.labels[i]; record[i] >= kind.classes)
      throw data_error(
          file,
          fmt::format("{} {} in record {} (counted from 0)",
                      format.labels.size() == 1 ? "label" : kind.name, record[i], number),
          fmt::format("0 to {}; a record is {}", kind.classes - 1, record_layout(format)),
          fetch_again);
}

}  // namespace

void read_binary_batch(ByteStream& bytes, const BatchFormat& format, BatchSink& sink) {
  constexpr std::size_t records_at_once = 64;
  const std::size_t labels = format.labels.size(), size = labels + image_size;
  std::vector<std::uint8_t> block(records_at_once * size);
  std::size_t got = 0;
  do {
    got = bytes.read(block.data(), block.size());
    for (std::size_t at = 0; at + size <= got; at += size) {
      const std::uint8_t* const record = block.data() + at;
      if (sink.count() == format.capacity)
        throw data_error(bytes.name(), fmt::format("more than {} records", format.capacity),
                         "at most as many as the official file has", fetch_again);
      check_labels(record, sink.count(), format, bytes.name());
      sink.add(record + labels, record[format.wanted]);
    }
    if (got % size != 0)
      throw data_error(bytes.name(),
                       fmt::format("the file ends in record {} (counted from 0), after {} of its "
                                   "{} bytes",
                                   sink.count(), got % size, size),
                       fmt::format("whole records: {}", record_layout(format)), fetch_again);
  } while (got == block.size());
  if (sink.count() == 0)
    throw data_error(bytes.name(), "the file is empty",
                     fmt::format("records of {}", record_layout(format)), fetch_again);
}

}  // namespace bitwright::cifar
