#include <algorithm>
#include <map>
#include <utility>

#include "autograd/tape_impl.h"

namespace bitwright {
namespace {

// Where a value is read: node and position among its inputs.
struct Use {
  std::size_t node, position;
};

class Fuser {
 public:
  Fuser(Tape::Impl& tape, const std::vector<int>& kept, bool backward)
      : tape_(tape), kept_(kept), backward_(backward) {
    for (std::size_t i = 0; i < tape_.nodes.size(); ++i)
      for (std::size_t k = 0; k < tape_.nodes[i].input_ids.size(); ++k)
        uses_[tape_.nodes[i].input_ids[k]].push_back({i, k});
  }

  void run() {
    for (std::size_t i = 0; i < tape_.nodes.size(); ++i)
      if (tape_.nodes[i].op != nullptr) join_with_reader(i);
    std::erase_if(tape_.nodes, [](const TapeNode& n) { return n.op == nullptr; });
  }

 private:
  // The fused node takes the reader's place, where all its inputs are known; from there it may be
  // joined with its own reader.
  void join_with_reader(std::size_t index) {
    TapeNode& first = tape_.nodes[index];
    if (first.output_ids.size() != 1) return;
    const int between = first.output_ids[0];
    const std::vector<Use>& readers = uses_[between];
    if (readers.size() != 1 || std::find(kept_.begin(), kept_.end(), between) != kept_.end())
      return;
    const auto [reader, position] = readers.front();
    TapeNode& second = tape_.nodes[reader];
    const std::vector<TensorSpec> second_inputs = tape_.specs(second.input_ids);
    auto fused = first.op->fuse(*second.op, {position, second_inputs, backward_});
    if (fused == nullptr) return;

    std::vector<int> inputs = first.input_ids;
    for (std::size_t k = 0; k < second.input_ids.size(); ++k)
      if (k != position) inputs.push_back(second.input_ids[k]);
    for (auto& [value, uses] : uses_)
      std::erase_if(uses, [&](const Use& u) { return u.node == index || u.node == reader; });
    for (std::size_t k = 0; k < inputs.size(); ++k) uses_[inputs[k]].push_back({reader, k});

    fused->outputs(tape_.specs(inputs));  // lets it set itself up; the results are second's
    second.op = std::move(fused);
    second.label = std::move(first.label);
    second.input_ids = std::move(inputs);
    second.inputs.clear();
    for (int id : second.input_ids) second.inputs.push_back(tape_.at(id).value);
    first.op = nullptr;
  }

  Tape::Impl& tape_;
  const std::vector<int>& kept_;
  bool backward_;
  std::map<int, std::vector<Use>> uses_;
};

}  // namespace

void fuse_ops(Tape::Impl& tape, const std::vector<int>& kept, bool backward) {
  Fuser(tape, kept, backward).run();
}

}  // namespace bitwright
