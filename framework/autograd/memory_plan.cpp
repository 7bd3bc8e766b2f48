// Values and gradients are placed by live range: the largest first, each at the lowest offset where
// it overlaps nothing that is needed at the same time.
#include <algorithm>
#include <utility>
#include <vector>

#include "autograd/tape_impl.h"
#include "core/pool.h"

namespace bitwright {
namespace {

// Time runs over the forward ops, then over the backward steps.
struct Lifetime {
  int begin = -1, end = -1;
  void extend(int time) {
    if (begin < 0) begin = time;
    end = std::max(end, time);
  }
  bool overlaps(const Lifetime& other) const { return begin <= other.end && other.begin <= end; }
};

struct Piece {
  Tensor* tensor = nullptr;  // to be placed
  TensorSpec spec;
  Lifetime life;
  std::size_t bytes = 0, offset = 0;
};

constexpr std::size_t kAlignment = 64;

std::size_t bytes_of(const TensorSpec& spec) {
  const auto bytes = static_cast<std::size_t>(spec.shape.numel()) * size_of(spec.type);
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

class Planner {
 public:
  Planner(Tape::Impl& tape, const std::vector<int>& kept)
      : tape_(tape), values_(tape.values.size()), gradients_(tape.values.size()) {
    follow_forward();
    follow_backward();
    for (int id : kept) values_[static_cast<std::size_t>(id)] = {};
  }

  void place() {
    collect();
    std::stable_sort(pieces_.begin(), pieces_.end(),
                     [](const Piece& a, const Piece& b) { return a.bytes > b.bytes; });
    std::size_t size = 0;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      pieces_[i].offset = lowest_offset(i);
      size = std::max(size, pieces_[i].offset + pieces_[i].bytes);
    }
    const auto block = pool_allocate(size);
    for (Piece& p : pieces_) *p.tensor = Tensor::within(block, p.offset, p.spec);
    bind();
  }

 private:
  void follow_forward() {
    for (std::size_t i = 0; i < tape_.nodes.size(); ++i) {
      const int time = static_cast<int>(i);
      for (int id : tape_.nodes[i].input_ids) values_[static_cast<std::size_t>(id)].extend(time);
      for (int id : tape_.nodes[i].output_ids) values_[static_cast<std::size_t>(id)].extend(time);
    }
  }

  void follow_backward() {
    for (std::size_t s = 0; s < tape_.plan.steps.size(); ++s) {
      const int time = static_cast<int>(tape_.nodes.size() + s);
      const BackwardStep& step = tape_.plan.steps[s];
      const TapeNode& node = tape_.node(step.node);
      for (std::size_t k = 0; k < node.input_ids.size(); ++k)
        if (node.op->backward_reads_input(k))
          values_[static_cast<std::size_t>(node.input_ids[k])].extend(time);
      for (std::size_t k = 0; k < node.output_ids.size(); ++k) {
        const auto id = static_cast<std::size_t>(node.output_ids[k]);
        if (node.op->backward_reads_output(k)) values_[id].extend(time);
        gradients_[id].extend(time);
      }
      for (int id : step.contributes)
        if (id >= 0) gradients_[static_cast<std::size_t>(id)].extend(time);
    }
    // Not placed: what is filled before the first step, and what is read after the last.
    for (int id : tape_.plan.zeroed) gradients_[static_cast<std::size_t>(id)] = {};
    if (tape_.plan.loss >= 0) gradients_[static_cast<std::size_t>(tape_.plan.loss)] = {};
  }

  void collect() {
    for (std::size_t id = 0; id < tape_.values.size(); ++id) {
      TapeValue& v = tape_.values[id];
      if (v.leaf) continue;
      if (values_[id].begin >= 0) add(v.value, v.spec, values_[id]);
      if (v.wants_gradient && gradients_[id].begin >= 0) add(v.gradient, v.spec, gradients_[id]);
    }
    for (std::size_t s = 0; s < tape_.plan.steps.size(); ++s) {
      BackwardStep& step = tape_.plan.steps[s];
      step.input_gradients.resize(step.contributes.size());
      const int time = static_cast<int>(tape_.nodes.size() + s);
      for (std::size_t k = 0; k < step.contributes.size(); ++k)
        if (step.contributes[k] >= 0 && !step.first[k])
          add(step.input_gradients[k], tape_.at(step.contributes[k]).spec, {time, time});
    }
  }

  void add(Tensor& tensor, const TensorSpec& spec, const Lifetime& life) {
    pieces_.push_back({&tensor, spec, life, bytes_of(spec), 0});
  }

  // Among the pieces before i, which are placed.
  std::size_t lowest_offset(std::size_t i) const {
    std::vector<std::pair<std::size_t, std::size_t>> taken;  // [begin, end)
    for (std::size_t j = 0; j < i; ++j)
      if (pieces_[j].life.overlaps(pieces_[i].life))
        taken.emplace_back(pieces_[j].offset, pieces_[j].offset + pieces_[j].bytes);
    std::sort(taken.begin(), taken.end());
    std::size_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + pieces_[i].bytes <= begin) break;
      offset = std::max(offset, end);
    }
    return offset;
  }

  void bind() {
    for (TapeValue& v : tape_.values)
      if (!v.value.defined()) v.value = Tensor::empty(v.spec);  // kept ones
    for (TapeNode& n : tape_.nodes) {
      for (std::size_t k = 0; k < n.input_ids.size(); ++k)
        n.inputs[k] = tape_.at(n.input_ids[k]).value;
      for (std::size_t k = 0; k < n.output_ids.size(); ++k)
        n.outputs[k] = tape_.at(n.output_ids[k]).value;
    }
  }

  Tape::Impl& tape_;
  std::vector<Lifetime> values_, gradients_;  // by value
  std::vector<Piece> pieces_;
};

}  // namespace

void place_values(Tape::Impl& tape, const std::vector<int>& kept) { Planner(tape, kept).place(); }

}  // namespace bitwright
