#pragma once
// Which method quantizes which activations of a stage.

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace bitwright {

class Layer;
class Method;

class ActivationClaims {
 public:
  enum class Side { input, output };

  /// `method` has put another value in place of the input or output of `layer`. Throws a
  /// configuration error when another method did the same there, or quantizes on the other side of
  /// layers: what one of them puts out would be an input of the other. Methods that do not quantize
  /// what they change have no claim.
  void claim(const Method& method, const Layer& layer, Side side);

 private:
  [[noreturn]] static void refuse(const Method& first, const Method& second,
                                  const std::string& where);

  using Place = std::pair<Side, std::string>;  // and the layer's name
  std::map<Place, const Method*> owners_;
};

}  // namespace bitwright
