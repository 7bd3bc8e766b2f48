#include "jpeg.h"

#include <memory>

#include <fmt/format.h>
#include <turbojpeg.h>

#include <bitwright/core/error.h>

namespace bitwright::tinyimagenet {

namespace {

struct Destroy {
  void operator()(void* decoder) const { tjDestroy(decoder); }
};
using Decoder = std::unique_ptr<void, Destroy>;

Error damaged(const std::string& file, void* decoder) {
  return data_error(file, fmt::format("damaged JPEG: {}", tjGetErrorStr2(decoder)), "a whole JPEG",
                    "fetch the file again");
}

}  // namespace

void decode_jpeg(const std::string& file, const std::uint8_t* bytes, std::size_t count,
                 std::int64_t height, std::int64_t width, std::uint8_t* to) {
  if (count == 0) throw data_error(file, "the file is empty", "a JPEG", "fetch the file again");
  const Decoder decoder(tjInitDecompress());  // one that has failed does not work again
  require(decoder != nullptr, "libjpeg-turbo gives no decoder");
  int found_width = 0, found_height = 0, subsampling = 0, colours = 0;
  if (tjDecompressHeader3(decoder.get(), bytes, count, &found_width, &found_height, &subsampling,
                          &colours) != 0)
    throw damaged(file, decoder.get());
  if (found_width != width || found_height != height)
    throw data_error(file, fmt::format("an image of {} x {} pixels", found_height, found_width),
                     fmt::format("{} x {}", height, width),
                     "use the set as published, or scale the image");
  // Progressive images with absurdly many scans would take minutes: they are refused.
  const int flags = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
  if (tjDecompress2(decoder.get(), bytes, count, to, found_width, 0, found_height, TJPF_RGB,
                    flags) != 0)
    throw damaged(file, decoder.get());
}

}  // namespace bitwright::tinyimagenet
