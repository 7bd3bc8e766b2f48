#pragma once
// Tape autograd. An op called on Variables computes at once and is recorded; a recorded tape can
// be replayed on new leaf contents without recording or allocating again. A planned tape computes
// in replays only.
//
//   Tape tape;
//   Variable x = tape.constant(batch), w = tape.parameter(weight);
//   Variable loss = cross_entropy(linear(x, w, b), labels);
//   tape.backward(loss);            // w.gradient() is filled
//   ... overwrite the contents of `batch` ...
//   tape.forward(); tape.backward(loss);      // replay

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bitwright/tensor/tensor.h>

namespace bitwright {

class Tape;

/// A value on a tape; cheap to copy, valid as long as its tape.
class Variable {
 public:
  Variable() = default;
  bool defined() const { return tape_ != nullptr; }
  const Tensor& value() const;     ///< on a planned tape: undefined before Tape::plan
  const Tensor& gradient() const;  ///< after Tape::backward; undefined where none was asked for
  const TensorSpec& spec() const;
  const Shape& shape() const { return spec().shape; }
  bool requires_gradient() const;
  Tape& tape() const { return *tape_; }
  bool operator==(const Variable&) const = default;  ///< the same value of the same tape

 private:
  friend class Tape;
  Variable(Tape* tape, int index) : tape_(tape), index_(index) {}
  Tape* tape_ = nullptr;
  int index_ = -1;
};

/// A number that ops read at every replay, such as a temperature; copies share it.
class Scalar {
 public:
  Scalar(double value) : value_(std::make_shared<double>(value)) {}  // NOLINT: numbers are scalars
  double get() const { return *value_; }
  void set(double value) { *value_ = value; }

 private:
  std::shared_ptr<double> value_;
};

/// What a backward pass sees. Gradients have the layout of the values they belong to.
struct BackwardArgs {
  std::span<const Tensor> inputs;
  std::span<const Tensor> outputs;
  std::span<const Tensor> output_gradients;  ///< undefined for outputs of integers
  /// To be overwritten (not added to); undefined where no gradient is wanted.
  std::span<Tensor> input_gradients;
};

/// One differentiable operation, forward and backward side by side. An instance belongs to one
/// node of one tape: it may keep primitives, workspaces and whatever forward saves for backward.
class Op {
 public:
  virtual ~Op() = default;
  virtual std::string_view name() const = 0;
  /// Specifications of the outputs; throws std::logic_error for shapes that do not fit.
  virtual std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) = 0;
  virtual void forward(std::span<const Tensor> inputs, std::span<Tensor> outputs) = 0;
  /// Not called for ops that no gradient passes through.
  virtual void backward(const BackwardArgs& args) = 0;

  // What backward reads of input or output k: their contents, or only type and shape. Memory of
  // values that nobody reads again is used for others, so saying true is always right.
  virtual bool backward_reads_input(std::size_t) const { return true; }
  virtual bool backward_reads_output(std::size_t) const { return true; }

  /// Where two ops meet that might become one.
  struct Seam {
    std::size_t position;                ///< which input of the second op the first one computes
    std::span<const TensorSpec> inputs;  ///< all inputs of the second
    bool backward;                       ///< the tape has a backward pass
  };
  /// One op that does this one's work and then that of `next`, which alone takes this op's only
  /// output; null where there is none. It takes this op's inputs, then next's other ones, and gives
  /// next's outputs.
  virtual std::unique_ptr<Op> fuse(const Op& /*next*/, const Seam& /*seam*/) const {
    return nullptr;
  }
};

enum class Pass { forward, backward };

/// Is told what a replay does, op by op: timing, checks of values. Reads, changes nothing.
class TapeObserver {
 public:
  struct Event {
    const Tape& tape;
    std::size_t node;  ///< index of the recorded op
    Pass pass;
    /// What the op writes: its outputs, or the gradients of its inputs (undefined where none is
    /// wanted). Contents are there in after(), and only until the next op runs.
    std::span<const Tensor> results;
  };
  virtual ~TapeObserver() = default;
  virtual void before(const Event&) {}
  virtual void after(const Event&) {}
};

/// How a tape computes. Eager: each op at once when it is recorded. Planned: nothing is computed,
/// or given memory, before plan(); ops are fused and memory is shared by what is not needed at the
/// same time.
enum class Execution { eager, planned };

/// A recorded computation. Not thread-safe; may be moved nowhere (variables point to it).
class Tape {
 public:
  explicit Tape(Execution execution = Execution::eager);
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Leaves share the tensor's storage: overwrite its contents between replays.
  Variable constant(Tensor value);
  Variable parameter(Tensor value);  ///< gradient wanted
  /// Runs the op and records it; all inputs must be of this tape.
  Variable record(std::unique_ptr<Op> op, std::span<const Variable> inputs);
  std::vector<Variable> record_many(std::unique_ptr<Op> op, std::span<const Variable> inputs);

  /// Ends the recording of a planned tape. From then on only leaves, `kept`, the loss (where there
  /// is a backward pass) and gradients of leaves hold what their names say between two calls.
  void plan(std::span<const Variable> kept, Variable loss = {});

  void forward();                  ///< replays all recorded ops in order
  void backward(Variable scalar);  ///< gradients of a one-element value for all that want one

  /// Follows replays from now on, null: nobody does. The observer must outlive them.
  void observe(TapeObserver* observer);
  /// What ops that are recorded from now on belong to, such as a layer; see LabelScope.
  void set_label(std::string label);
  const std::string& label() const;               ///< the one set last
  const std::string& label(std::size_t i) const;  ///< of a recorded op

  std::size_t size() const;  ///< recorded ops
  const Op& op(std::size_t i) const;
  /// Puts another op in the place of a recorded one (profiling, fault injection in tests).
  void replace_op(std::size_t i, std::unique_ptr<Op> op);
  std::unique_ptr<Op> take_op(std::size_t i);

  struct Impl;

 private:
  friend class Variable;
  std::unique_ptr<Impl> impl_;
};

/// Labels the ops that are recorded while it lives.
class LabelScope {
 public:
  LabelScope(Tape& tape, std::string label) : tape_(tape), outer_(tape.label()) {
    tape_.set_label(std::move(label));
  }
  ~LabelScope() { tape_.set_label(std::move(outer_)); }
  LabelScope(const LabelScope&) = delete;
  LabelScope& operator=(const LabelScope&) = delete;

 private:
  Tape& tape_;
  std::string outer_;
};

}  // namespace bitwright
