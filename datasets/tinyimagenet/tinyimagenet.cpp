#include "tinyimagenet.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include <bitwright/core/sha256.h>
#include <bitwright/data/image_cache.h>
#include <bitwright/data/normalization.h>

#include "jpeg.h"

namespace bitwright::tinyimagenet {

namespace {

// Raised when the same files would give other pixels or another order.
constexpr int kReaderVersion = 1;

ImagePlan plan_of(std::shared_ptr<const Source> source, Listing listing, int classes) {
  ImagePlan plan{side, side, 3, classes, std::move(listing.labels), {}};
  plan.make = [source, paths = std::move(listing.paths)](std::int64_t i, std::uint8_t* to) {
    const std::string& path = paths[static_cast<std::size_t>(i)];
    const auto bytes = source->read(path);
    decode_jpeg(source->name_of(path), bytes.data(), bytes.size(), side, side, to);
  };
  return plan;
}

// Where each line of wnids.txt stands in the alphabet.
std::vector<std::int32_t> alphabetical_ranks(const std::vector<std::string>& classes) {
  std::vector<std::size_t> sorted(classes.size());
  std::iota(sorted.begin(), sorted.end(), std::size_t{0});
  std::sort(sorted.begin(), sorted.end(),
            [&](std::size_t a, std::size_t b) { return classes[a] < classes[b]; });
  std::vector<std::int32_t> ranks(classes.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) ranks[sorted[i]] = static_cast<std::int32_t>(i);
  return ranks;
}

}  // namespace

ImageSet TinyImageNet::load(const std::string& part, const List& list) {
  const Copy copy = find_copy(root_);
  // Labels depend on the order, so each order has a cache file of its own.
  const std::string order = order_ == ClassOrder::wnids ? "wnids" : "alphabetical";
  const std::string name =
      fmt::format("tinyimagenet-{}-{}-{}.images",
                  sha256(copy.path.data(), copy.path.size()).substr(0, 12), part, order);
  const std::string source_text = fmt::format("reader {}, {}", kReaderVersion, fingerprint(copy));
  const auto plan = [&] {
    const std::shared_ptr<const Source> source = open_source(copy);
    const auto classes = read_classes(*source);
    Listing listing = list(*source, classes);
    if (order_ == ClassOrder::alphabetical) {
      const auto ranks = alphabetical_ranks(classes);
      for (std::int32_t& label : listing.labels) label = ranks[static_cast<std::size_t>(label)];
    }
    return plan_of(source, std::move(listing), static_cast<int>(classes.size()));
  };
  CachedImages cached =
      cached_images(root_.cache + "/" + name, source_text, plan, root_.verify_again);
  classes_ = cached.images.classes;
  hashes_[fmt::format("tinyimagenet {} (decoded, {} order)", part, order)] = cached.sha256;
  return std::move(cached.images);
}

std::map<std::string, Normalization> TinyImageNet::normalizations() const {
  return {{"imagenet", standard_normalization("imagenet")}};
}

std::vector<std::string> TinyImageNet::class_names() const {
  const auto source = open_source(find_copy(root_));
  auto classes = read_classes(*source);
  if (order_ == ClassOrder::alphabetical) std::sort(classes.begin(), classes.end());
  return read_class_names(*source, classes);
}

std::vector<std::string> TinyImageNet::copies() const {
  std::vector<std::string> paths;
  for (const Copy& copy : find_copies(root_)) paths.push_back(copy.path);
  return paths;
}

}  // namespace bitwright::tinyimagenet
