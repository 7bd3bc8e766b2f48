#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <bitwright/data/subset.h>

namespace bitwright {

namespace {

// New label of each class that stays.
std::map<std::int32_t, std::int32_t> numbering(const ImageSet& images, const Selection& selection,
                                               const Place& where) {
  std::map<std::int32_t, std::int32_t> labels;
  if (selection.classes.empty())
    for (int label = 0; label < images.classes; ++label) labels[label] = label;
  for (const std::int64_t label : selection.classes) {
    if (label < 0 || label >= images.classes)
      throw config_error(where, fmt::format("class {} of {}", label, images.classes),
                         fmt::format("0 to {}", images.classes - 1));
    const auto next = static_cast<std::int32_t>(labels.size());
    if (!labels.emplace(static_cast<std::int32_t>(label), next).second)
      throw config_error(where, fmt::format("class {} stands here twice", label),
                         "each class once");
  }
  return labels;
}

void check_enough(std::string_view what, std::int64_t wanted, std::int64_t there,
                  const Place& where) {
  if (wanted < 1 || wanted > there)
    throw config_error(where, fmt::format("{} {} images of {}", what, wanted, there),
                       fmt::format("1 to {}", there));
}

}  // namespace

std::vector<std::uint32_t> selected(const ImageSet& images, const Selection& selection,
                                    const Place& where) {
  const auto labels = numbering(images, selection, where);
  std::map<std::int32_t, std::int64_t> taken;
  std::vector<std::uint32_t> indices;
  for (std::int64_t i = 0; i < images.count(); ++i) {
    const std::int32_t label = images.labels[static_cast<std::size_t>(i)];
    if (!labels.contains(label)) continue;
    if (selection.per_class && taken[label] == *selection.per_class) continue;
    ++taken[label];
    indices.push_back(static_cast<std::uint32_t>(i));
  }
  if (selection.per_class)
    for (const auto& [label, unused] : labels)
      check_enough(fmt::format("of class {} the first", label), *selection.per_class, taken[label],
                   where);
  if (selection.first) {
    check_enough("the first", *selection.first, static_cast<std::int64_t>(indices.size()), where);
    indices.resize(static_cast<std::size_t>(*selection.first));
  }
  return indices;
}

ImageSet select(const ImageSet& images, const Selection& selection, const Place& where) {
  const auto indices = selected(images, selection, where);
  const auto labels = numbering(images, selection, where);
  ImageSet subset;
  subset.height = images.height, subset.width = images.width, subset.channels = images.channels;
  subset.classes = static_cast<int>(labels.size());
  subset.pixels.reserve(indices.size() * static_cast<std::size_t>(images.image_size()));
  for (const std::uint32_t index : indices) {
    const std::uint8_t* const image = images.image(index);
    subset.pixels.insert(subset.pixels.end(), image, image + images.image_size());
    subset.labels.push_back(labels.at(images.labels[index]));
  }
  return subset;
}

std::string subset_note(const OfficialSize& official, const ImageSet& train, const ImageSet& test) {
  std::string note;
  const auto fewer = [&](std::int64_t there, std::int64_t published, std::string_view what) {
    if (there < published)
      note += fmt::format("{} {} of {} {}", note.empty() ? "subset:" : ",", there, published, what);
  };
  fewer(train.count(), official.train, "training images");
  fewer(test.count(), official.test, "test images");
  fewer(train.classes, official.classes, "classes");
  return note;
}

}  // namespace bitwright
