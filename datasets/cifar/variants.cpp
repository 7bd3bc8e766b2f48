// What is known of the two sets: file names, sizes, hashes, classes, constants. Sources: the
// official page (names, sizes), torchvision's and MMPretrain's lists (MD5 of the Python version).

#include <fmt/format.h>

#include <bitwright/data/normalization.h>

#include "cifar.h"

namespace bitwright::cifar {

namespace {

struct FileFacts {
  const char* name;
  std::uint64_t bytes;
  std::vector<std::string> digests;
};

DataForm form(const char* what, const std::vector<FileFacts>& files) {
  DataForm form{what, {}};
  for (const FileFacts& file : files)
    form.files.push_back({{file.name}, false, {file.bytes, file.digests, {}}});
  return form;
}

// Every folder alone and with the folder that the official archives unpack to.
std::vector<std::string> with_inner(const std::vector<std::string>& folders,
                                    const std::vector<std::string>& inner) {
  std::vector<std::string> all;
  for (const std::string& folder : folders) {
    all.push_back(folder);
    for (const std::string& name : inner)
      all.push_back(folder.empty() ? name : folder + "/" + name);
  }
  return all;
}

DataLayout cifar10_layout() {
  constexpr std::uint64_t size = 10000 * 3073;
  DataLayout layout{.set = "CIFAR-10",
                    .fetch = "cifar10",
                    .folders = {},
                    .archives = {},
                    .forms = {},
                    .strangers = {}};
  layout.folders =
      with_inner({"", "cifar10", "cifar-10"}, {"cifar-10-batches-bin", "cifar-10-batches-py"});
  layout.archives = {"cifar-10-binary", "cifar-10-batches-bin",
                     "cifar-10-python", "cifar-10-batches-py",
                     "cifar-10",        "cifar10"};
  layout.forms.push_back(form(
      "binary version", {{"data_batch_1.bin",
                          size,
                          {"cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"}},
                         {"data_batch_2.bin",
                          size,
                          {"a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"}},
                         {"data_batch_3.bin",
                          size,
                          {"bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"}},
                         {"data_batch_4.bin",
                          size,
                          {"014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"}},
                         {"data_batch_5.bin",
                          size,
                          {"755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"}},
                         {"test_batch.bin",
                          size,
                          {"8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"}}}));
  layout.forms.push_back(
      form("Python version", {{"data_batch_1", 31035704, {"c99cafc152244af753f735de768cd75f"}},
                              {"data_batch_2", 31035320, {"d4bba439e000b95fd0a9bffe97cbabec"}},
                              {"data_batch_3", 31035999, {"54ebc095f3ab1f0389bbae665268c751"}},
                              {"data_batch_4", 31035696, {"634d18415352ddfa80567beed471001a"}},
                              {"data_batch_5", 31035623, {"482c414d41f54cd18b22e5b47cb7c3cb"}},
                              {"test_batch", 31035526, {"40351d587109b95175f43aff81a1287e"}}}));
  return layout;
}

DataLayout cifar100_layout() {
  DataLayout layout{.set = "CIFAR-100",
                    .fetch = "cifar100",
                    .folders = {},
                    .archives = {},
                    .forms = {},
                    .strangers = {}};
  layout.folders =
      with_inner({"", "cifar100", "cifar-100"}, {"cifar-100-binary", "cifar-100-python"});
  layout.archives = {"cifar-100-binary", "cifar-100-python", "cifar-100", "cifar100"};
  layout.forms.push_back(
      form("binary version", {{"train.bin", 50000 * 3074, {"6172c7755cfe09b2fe270c85cebc1b15"}},
                              {"test.bin", 10000 * 3074, {"4499cfba6c016c1be1438163640a0898"}}}));
  layout.forms.push_back(
      form("Python version", {{"train", 155249918, {"16019d7e3df5f24257cddd939b257f8d"}},
                              {"test", 31049707, {"f0ef6b0ae62326f3e7ffdfab6717acfc"}}}));
  return layout;
}

const std::vector<std::string> fine_names{
    "apple",       "aquarium_fish", "baby",      "bear",       "beaver",       "bed",
    "bee",         "beetle",        "bicycle",   "bottle",     "bowl",         "boy",
    "bridge",      "bus",           "butterfly", "camel",      "can",          "castle",
    "caterpillar", "cattle",        "chair",     "chimpanzee", "clock",        "cloud",
    "cockroach",   "couch",         "crab",      "crocodile",  "cup",          "dinosaur",
    "dolphin",     "elephant",      "flatfish",  "forest",     "fox",          "girl",
    "hamster",     "house",         "kangaroo",  "keyboard",   "lamp",         "lawn_mower",
    "leopard",     "lion",          "lizard",    "lobster",    "man",          "maple_tree",
    "motorcycle",  "mountain",      "mouse",     "mushroom",   "oak_tree",     "orange",
    "orchid",      "otter",         "palm_tree", "pear",       "pickup_truck", "pine_tree",
    "plain",       "plate",         "poppy",     "porcupine",  "possum",       "rabbit",
    "raccoon",     "ray",           "road",      "rocket",     "rose",         "sea",
    "seal",        "shark",         "shrew",     "skunk",      "skyscraper",   "snail",
    "snake",       "spider",        "squirrel",  "streetcar",  "sunflower",    "sweet_pepper",
    "table",       "tank",          "telephone", "television", "tiger",        "tractor",
    "train",       "trout",         "tulip",     "turtle",     "wardrobe",     "whale",
    "willow_tree", "wolf",          "woman",     "worm"};

const std::vector<std::string> coarse_names{"aquatic_mammals",
                                            "fish",
                                            "flowers",
                                            "food_containers",
                                            "fruit_and_vegetables",
                                            "household_electrical_devices",
                                            "household_furniture",
                                            "insects",
                                            "large_carnivores",
                                            "large_man-made_outdoor_things",
                                            "large_natural_outdoor_scenes",
                                            "large_omnivores_and_herbivores",
                                            "medium_mammals",
                                            "non-insect_invertebrates",
                                            "people",
                                            "reptiles",
                                            "small_mammals",
                                            "trees",
                                            "vehicles_1",
                                            "vehicles_2"};

}  // namespace

const Variant& cifar10() {
  static const Variant variant{
      .name = "cifar10",
      .layout = cifar10_layout(),
      .train = {{{"labels", 10}}, 0, 10000},
      .test = {{{"labels", 10}}, 0, 10000},
      .class_names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
                      "ship", "truck"},
      .normalizations = {{"cifar10", standard_normalization("cifar10")},
                         {"cifar10_per_image", standard_normalization("cifar10_per_image")}}};
  return variant;
}

const Variant& cifar100(bool coarse) {
  const auto variant = [](bool with_coarse) {
    const std::vector<LabelKind> labels{{"coarse_labels", 20}, {"fine_labels", 100}};
    const std::size_t wanted = with_coarse ? 0 : 1;
    return Variant{.name = "cifar100",
                   .layout = cifar100_layout(),
                   .train = {labels, wanted, 50000},
                   .test = {labels, wanted, 10000},
                   .class_names = with_coarse ? coarse_names : fine_names,
                   .normalizations = {{"cifar100", standard_normalization("cifar100")}}};
  };
  static const Variant with_fine = variant(false), with_coarse = variant(true);
  return coarse ? with_coarse : with_fine;
}

}  // namespace bitwright::cifar
