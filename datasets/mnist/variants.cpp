// What is known of the three sets: folders, hashes, classes, constants. Hashes of the gzip files as
// published are those that torchvision lists.

#include <array>

#include <bitwright/data/normalization.h>

#include "mnist.h"

namespace bitwright::mnist {

namespace {

struct FileFacts {
  std::vector<std::string> digests;       // of the unpacked file
  std::vector<std::string> gzip_digests;  // of the .gz
};
// Training images and labels, test images and labels.
using SetFacts = std::array<FileFacts, 4>;

const SetFacts mnist_facts{{
    {{"6bbc9ace898e44ae57da46a324031adb"},
     {"440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"}},
    {{"a25bea736e30d166cdddb491f175f624"},
     {"3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"}},
    {{"2646ac647ad5339dbf082846283269ea"},
     {"8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"}},
    {{"27ae3e4e09519cfbb04c329615203637"},
     {"f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}},
}};
const SetFacts fashion_facts{{
    {{}, {"8d4fb7e6c68d591d4c3dfef9ec88bf0d"}},
    {{}, {"25c81989df183df01b3e8a0aad5dffbe"}},
    {{}, {"bef4ecab320f06d8554ea6380940ec79"}},
    {{}, {"bb300cfdad3c16e7a12a480ee83cd310"}},
}};
const SetFacts kmnist_facts{{
    {{}, {"bdb82020997e1d708af4cf47b453dcf7"}},
    {{}, {"e144d726b3acfaa3e44228e80efcd344"}},
    {{}, {"5c965bf0a639b31b8f53240b1b52f4d7"}},
    {{}, {"7320c461ea6c1c855c0b718fb2a4b134"}},
}};

void add_strangers(DataLayout& layout, const SetFacts& facts, const std::string& set) {
  for (const FileFacts& file : facts)
    for (const auto* digests : {&file.digests, &file.gzip_digests})
      for (const std::string& digest : *digests) layout.strangers[digest] = set;
}

DataForm form(const SetFacts& facts) {
  constexpr std::array<const char*, 4> starts{"train-images", "train-labels", "t10k-images",
                                              "t10k-labels"};
  constexpr std::array<std::uint64_t, 4> bytes{47040016, 60008, 7840016, 10008};
  DataForm form;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string start = starts[i], end = i % 2 == 0 ? "idx3-ubyte" : "idx1-ubyte";
    form.files.push_back({{start + "-" + end, start + "." + end},
                          true,
                          {bytes[i], facts[i].digests, facts[i].gzip_digests}});
  }
  return form;
}

// MNIST alone is looked for in the root first: the files of all three have the same names.
DataLayout layout(const std::string& set, const std::string& fetch, const SetFacts& facts,
                  std::vector<std::string> folders, std::vector<std::string> archives) {
  DataLayout layout{.set = set,
                    .fetch = fetch,
                    .folders = std::move(folders),
                    .archives = std::move(archives),
                    .forms = {form(facts)},
                    .strangers = {}};
  if (set != "MNIST") add_strangers(layout, mnist_facts, "MNIST");
  if (set != "Fashion-MNIST") add_strangers(layout, fashion_facts, "Fashion-MNIST");
  if (set != "KMNIST") add_strangers(layout, kmnist_facts, "KMNIST");
  return layout;
}

}  // namespace

const Variant& mnist() {
  static const Variant variant{"mnist",
                               layout("MNIST", "mnist", mnist_facts,
                                      {"", "mnist", "MNIST/raw", "mnist/MNIST/raw"}, {"mnist"}),
                               {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
                               standard_normalization("mnist")};
  return variant;
}

const Variant& fashion_mnist() {
  static const Variant variant{
      "fashion_mnist",
      layout("Fashion-MNIST", "fashion_mnist", fashion_facts,
             {"FashionMNIST/raw", "FashionMNIST", "fashion-mnist", "fashion_mnist",
              "fashion-mnist/data/fashion", "data/fashion", "fashion",
              "FashionMNIST/FashionMNIST/raw", ""},
             {"fashion-mnist", "fashion_mnist", "fashionmnist"}),
      {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
       "Ankle boot"},
      {{0.2860}, {0.3530}}};
  return variant;
}

const Variant& kmnist() {
  static const Variant variant{
      "kmnist",
      layout("KMNIST", "kmnist", kmnist_facts,
             {"KMNIST/raw", "KMNIST", "kuzushiji-mnist", "KMNIST/KMNIST/raw", ""},
             {"kmnist", "kuzushiji-mnist"}),
      {"o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"},
      {{0.1918}, {0.3483}}};
  return variant;
}

}  // namespace bitwright::mnist
