#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include <bitwright/core/sha256.h>
#include <bitwright/results/checkpoint.h>

#include "results/checkpoint_visitors.h"
#include "results/memory_file.h"

namespace bitwright {

namespace {

using h5::Handle;

// The end of the file, behind what HDF5 looks at: this, 64 hexadecimal digits, a line feed.
constexpr std::string_view seal_mark = "\nbitwright sha256 ";
constexpr std::size_t seal_bytes = seal_mark.size() + 64 + 1;

std::string sealed(std::string image) {
  const std::string digest = sha256(image.data(), image.size());
  image.append(seal_mark).append(digest).append("\n");
  return image;
}

/// Takes the seal off; throws when it is missing or wrong.
std::string unsealed(const std::string& path, std::string bytes, const std::string& noun) {
  if (bytes.empty()) throw storage_error(path, fmt::format("the {} is empty", noun));
  if (bytes.size() < seal_bytes ||
      bytes.compare(bytes.size() - seal_bytes, seal_mark.size(), seal_mark) != 0)
    throw storage_error(path, fmt::format("the {} is truncated, or is none", noun));
  const std::string digest = bytes.substr(bytes.size() - 65, 64);
  const bool ended = bytes.back() == '\n';
  bytes.resize(bytes.size() - seal_bytes);
  if (!ended || sha256(bytes.data(), bytes.size()) != digest)
    throw storage_error(path, fmt::format("the {} is damaged: its checksum is wrong", noun));
  return bytes;
}

}  // namespace

std::string checkpoint_image(const VisitState& visit, const StateFormat& format) {
  const h5::File file("checkpoint");
  results::MemoryFile memory(file);
  {
    Handle root = memory.root();
    file.put_attribute(root, "format", format.name);
    file.put_attribute(root, "format_version", format.version);
    results::CheckpointSaver saver(file, std::move(root));
    visit(saver);
  }
  return sealed(memory.close());
}

void save_checkpoint(const std::string& path, const VisitState& visit, const StateFormat& format) {
  write_atomically(path, checkpoint_image(visit, format));
}

Checkpoint Checkpoint::open(const std::string& path, const StateFormat& format) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad())
    throw storage_error(path, fmt::format("cannot read the {}", format.noun));
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  checkpoint.image_ =
      std::make_shared<const std::string>(unsealed(path, std::move(bytes), format.noun));
  const h5::File file(path);
  file.check_format(results::open_image(file, *checkpoint.image_), format.name, format.major);
  return checkpoint;
}

void Checkpoint::load(const VisitState& visit) const { load_scope("", visit); }

void Checkpoint::load_scope(const std::string& scope, const VisitState& visit) const {
  const h5::File file(path_);
  const Handle root = results::open_image(file, *image_);
  const std::string from = "/" + scope;
  Handle group(H5Gopen2(root, from.c_str(), H5P_DEFAULT));
  if (!group.valid()) throw storage_error(path_, fmt::format("lacks the state '{}'", scope));
  results::CheckpointLoader loader(file, std::move(group));
  visit(loader);
  const std::string extra = loader.left_over();
  if (!extra.empty())
    throw storage_error(path_, fmt::format("has the state '{}'", extra), "not expected here");
}

}  // namespace bitwright
