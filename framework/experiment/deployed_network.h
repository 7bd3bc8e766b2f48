#pragma once
// The deployed network as it is stored: coded weights, statistics of batch normalisation, and the
// state of the methods that forward passes need. results/FORMAT.md describes the file.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/core/state.h>
#include <bitwright/nn/network.h>
#include <bitwright/quant/coded.h>

#include "train/method_stack.h"

namespace bitwright {

/// One parameter as it is stored.
class StoredWeight {
 public:
  /// To be filled by a loading visitor.
  explicit StoredWeight(const Parameter& parameter);
  /// Its deployed (hard) form. Codes whose numbers are not exactly the deployed ones are a bug of
  /// the method (std::logic_error).
  StoredWeight(const Parameter& parameter, const MethodStack& methods);

  /// Throws std::invalid_argument for a loaded header that fits no such parameter.
  void visit(StateVisitor& visitor);
  /// The numbers. Throws std::invalid_argument where a code stands for none.
  Tensor decoded() const;

 private:
  void fit();  // makes the tensors that the header announces
  Coded unpacked() const;

  std::string name_;
  Shape shape_;
  Tensor header_;                         // i32, see the source
  Tensor value_;                          // f32, of a weight without codes
  Tensor codes_, scale_, offset_, book_;  // packed; undefined where there are none
};

/// Visits everything that the deployed network consists of, its weights as `weights`.
void visit_payload(StateVisitor& visitor, Network& network, MethodStack& methods,
                   std::vector<StoredWeight>& weights);

/// Bytes of that payload: of all numbers that it stores.
std::int64_t payload_bytes(Network& network, MethodStack& methods);

/// A network under the methods of the last stage of a configuration, built without data; state is
/// to be loaded into it. Not to be trained.
struct RebuiltNetwork {
  RebuiltNetwork(const Registries& registries, const Settings& config);
  std::unique_ptr<Network> network;
  std::unique_ptr<MethodStack> methods;
};

}  // namespace bitwright
