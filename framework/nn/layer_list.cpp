// Networks written in YAML: a list of layers, with residual branches.
//
//   network:
//     layers:
//       - {name: conv2d, label: conv1, channels: 16, kernel: 3, padding: 1}
//       - relu
//       - name: residual
//         body:
//           - {name: conv2d, channels: 16, kernel: 3, padding: 1}
//           - batch_norm
//       - global_avg_pool
//       - linear
#include <functional>
#include <optional>

#include <bitwright/core/registry.h>
#include <bitwright/nn/network.h>

#include "nn/common_options.h"
#include "nn/networks.h"

namespace bitwright {

/// Appends one entry of the list to a network.
class LayerPart {
 public:
  using Append = std::function<void(NetworkBuilder&)>;
  LayerPart(Place where, Append append) : where_(std::move(where)), append_(std::move(append)) {}
  void append(NetworkBuilder& builder) const {
    builder.at(where_);
    append_(builder);
  }

 private:
  Place where_;
  Append append_;
};

namespace {

using Part = NetworkBuilder::Part;

Options label_option() {
  return Options{}.text("label", "",
                        "what weights and reports call the layer; empty: its kind and a number");
}

// What goes wrong behind the layers is said at `outer`.
Part sequence(const Registries& registries, const std::vector<Settings>& layers,
              const Place& outer) {
  std::vector<std::shared_ptr<const LayerPart>> parts;
  for (const Settings& layer : layers) parts.push_back(registries.layers.make(layer));
  return [parts, outer](NetworkBuilder& b) {
    for (const auto& part : parts) part->append(b);
    b.at(outer);
  };
}

// Adds a layer that is made by a function of its settings and the builder.
void add(Registries& registries, const std::string& name, const std::string& summary,
         Options options, std::function<void(const Settings&, NetworkBuilder&)> append) {
  registries.layers.add({name, summary, "", std::move(options)}, [append](const Settings& s) {
    return std::make_unique<LayerPart>(s.place(), [s, append](NetworkBuilder& b) { append(s, b); });
  });
}

Options& window_options(Options& options, const std::string& size, bool stride_is_size) {
  options.integer(size, "height and width of the window").unit("pixels").min(1).max(255);
  if (stride_is_size)
    options.integer("stride", "pixels between two windows; left out: their size")
        .unit("pixels")
        .min(1)
        .max(255)
        .optional();
  else
    options.integer("stride", 1, "pixels between two windows").unit("pixels").min(1).max(255);
  return options.integer("padding", 0, "zeros on every side").unit("pixels").min(0).max(255);
}

Options convolution_options() {
  Options options;
  options.integer("channels", "output channels").min(1).max(65536);
  window_options(options, "kernel", false);
  return options.integer("groups", 1, "groups of channels that do not see each other")
      .min(1)
      .max(65536)
      .boolean("bias", true, "adds a learnable number per channel");
}

std::int64_t stride_of(const Settings& s) {
  return s.has("stride") ? s.integer("stride") : s.integer("size");
}

void register_weights(Registries& r) {
  add(r, "conv2d", "square convolution", convolution_options(),
      [](const Settings& s, NetworkBuilder& b) {
        const ConvGeometry geometry{.stride = s.integer("stride"),
                                    .padding = s.integer("padding"),
                                    .groups = s.integer("groups")};
        b.conv2d(s.text("label"), s.integer("channels"), s.integer("kernel"), geometry,
                 s.boolean("bias"));
      });
  add(r, "linear", "linear layer on features",
      Options{}
          .integer("features", "outputs; left out: one per class")
          .min(1)
          .max(1'000'000)
          .optional()
          .boolean("bias", true, "adds a learnable number per output"),
      [](const Settings& s, NetworkBuilder& b) {
        b.linear(s.text("label"), s.has("features") ? s.integer("features") : b.classes(),
                 s.boolean("bias"));
      });
  Options norm;
  add(r, "batch_norm", "batch normalisation per channel or feature", declare_affine(norm, true),
      [](const Settings& s, NetworkBuilder& b) {
        b.batch_norm(s.text("label"), s.boolean("affine"));
      });
}

void register_pools(Registries& r) {
  Options window;
  window_options(window, "size", true);
  add(r, "max_pool2d", "largest value of each window", window,
      [](const Settings& s, NetworkBuilder& b) {
        b.max_pool2d(s.integer("size"), stride_of(s), s.integer("padding"), s.text("label"));
      });
  add(r, "avg_pool2d", "mean of each window", window, [](const Settings& s, NetworkBuilder& b) {
    b.avg_pool2d(s.integer("size"), stride_of(s), s.integer("padding"), s.text("label"));
  });
  add(r, "global_avg_pool", "mean of each channel: from an image to features", {},
      [](const Settings& s, NetworkBuilder& b) { b.global_avg_pool(s.text("label")); });
  add(r, "flatten", "from an image to features", {},
      [](const Settings& s, NetworkBuilder& b) { b.flatten(s.text("label")); });
}

void register_activations(Registries& r) {
  add(r, "relu", "max(x, 0)", {},
      [](const Settings& s, NetworkBuilder& b) { b.relu(s.text("label")); });
  const auto elementwise = [&r](const char* name, const char* summary,
                                Variable (*function)(const Variable&)) {
    add(r, name, summary, {}, [name, function](const Settings& s, NetworkBuilder& b) {
      b.elementwise(name, function, s.text("label"));
    });
  };
  elementwise("relu6", "min(max(x, 0), 6)", relu6);
  elementwise("tanh", "hyperbolic tangent", tanh);
  elementwise("sigmoid", "1 / (1 + exp(-x))", sigmoid);
  elementwise("hard_tanh", "x clamped to [-1, 1]", hard_tanh);
}

void register_branches(Registries& r) {
  Options residual;
  residual.components("body", "layers", "layers of the body", label_option())
      .components("shortcut", "layers", "layers of the shortcut; left out: what came in itself",
                  label_option());
  add(r, "residual", "body(x) + shortcut(x)", residual, [&r](const Settings& s, NetworkBuilder& b) {
    if (s.sections("body").empty())
      throw config_error(s.place(), "the residual has no body", "body: a list of layers", "add it");
    const Part shortcut = sequence(r, s.sections("shortcut"), s.place());
    b.residual(s.text("label"), sequence(r, s.sections("body"), s.place()),
               s.sections("shortcut").empty() ? Part{} : shortcut);
  });
  add(r, "shortcut_a", "subsampled, zero channels added (He et al. 2015, option A)",
      Options{}
          .integer("channels", "output channels")
          .min(1)
          .max(65536)
          .integer("stride", 1, "pixels between two that stay")
          .unit("pixels")
          .min(1)
          .max(255),
      [](const Settings& s, NetworkBuilder& b) {
        b.shortcut_a(s.integer("stride"), s.integer("channels"), s.text("label"));
      });
  add(r, "block", "layers one after the other; the label is put before theirs",
      Options{}.components("layers", "layers", "the layers", label_option()),
      [&r](const Settings& s, NetworkBuilder& b) {
        const Part inside = sequence(r, s.sections("layers"), s.place());
        if (s.text("label").empty())
          inside(b);
        else
          b.scope(s.text("label"), inside);
      });
}

std::unique_ptr<Network> layer_list(const Registries& r, const Settings& s,
                                    const InputSpec& input) {
  NetworkBuilder b(input, s.place());
  b.initialization(initialization_of(s));
  if (s.sections("layers").empty())
    throw config_error(s.where("layers"), "the network has no layers", "a list of layers",
                       "add one");
  sequence(r, s.sections("layers"), s.where("layers"))(b);
  b.require_logits();
  return b.build();
}

}  // namespace

void register_layers(Registries& registries) {
  register_weights(registries);
  register_pools(registries);
  register_activations(registries);
  register_branches(registries);
  Options options;
  options.components("layers", "layers", "the layers, from the image to one output per class",
                     label_option());
  declare_initialization(options, "kaiming");
  registries.networks.add(
      {"layers", "any network, written as a list of layers", "", options, "layers"},
      [&registries](const Settings& s, const InputSpec& input) {
        return layer_list(registries, s, input);
      });
}

}  // namespace bitwright
