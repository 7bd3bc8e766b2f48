// Proximal Mean-field for Neural Network Quantization (Ajanthan, Dokania, Hartley, Torr; ICCV 2019,
// arXiv:1812.04353). Every weight is a point u of the simplex over d labels; the network is trained
// with the expected label w = q.u while a temperature 1/beta is annealed until u is one-hot.

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <bitwright/core/registry.h>
#include <bitwright/core/rng.h>
#include <bitwright/quant/selection.h>
#include <bitwright/train/method.h>

#include "projection.h"

namespace bitwright {
namespace {

using namespace pmf;

// Latents v [planes, ...] -> effective weight w [...], and back (the paper's Algorithm 1).
class ProjectLabels final : public Op {
 public:
  ProjectLabels(Relaxation relaxation, Scalar beta)
      : relaxation_(std::move(relaxation)), beta_(std::move(beta)) {}

  std::string_view name() const override { return "project_labels"; }

  std::vector<TensorSpec> outputs(std::span<const TensorSpec> inputs) override {
    const std::vector<std::int64_t>& dims = inputs[0].shape.dims();
    require(!dims.empty() && dims[0] == relaxation_.planes(), "latents have their planes first");
    std::vector<std::int64_t> simplex = dims;
    simplex[0] = relaxation_.d();
    u_ = Tensor::empty(Shape(simplex));
    return {TensorSpec{Shape(std::vector<std::int64_t>(dims.begin() + 1, dims.end()))}};
  }

  void forward(std::span<const Tensor> inputs, std::span<Tensor> outputs) override {
    project(relaxation_, beta_.get(), inputs[0].values(), u_.values(), outputs[0].values());
  }

  void backward(const BackwardArgs& args) override {
    pull_back(relaxation_, beta_.get(), args.inputs[0].values(), std::as_const(u_).values(),
              args.output_gradients[0].values(), args.input_gradients[0].values());
  }

 private:
  Relaxation relaxation_;
  Scalar beta_;
  Tensor u_;
};

// One parameter as d planes of latents.
class LabelWeight final : public WeightTransform {
 public:
  LabelWeight(Relaxation relaxation, Scalar beta, const Parameter& parameter,
              const StageInfo& stage)
      : relaxation_(std::move(relaxation)), beta_(std::move(beta)) {
    std::vector<std::int64_t> dims = parameter.value.shape().dims();
    dims.insert(dims.begin(), relaxation_.planes());
    v_ = Tensor::empty(Shape(dims));
    dims[0] = relaxation_.d();
    simplex_ = Shape(dims);
    if (stage.fresh_weights)
      initialize_expanded(parameter, stage.seed);
    else
      latents_from_weights(relaxation_, parameter.value.values(), v_.values());
    last_ = Tensor::empty(TensorSpec{parameter.value.shape(), DType::u8});
    std::fill_n(last_.u8(), last_.numel(), std::uint8_t{0});
    Statistics ignored;
    add_to(ignored);
  }

  std::vector<Tensor> latents() override { return {v_}; }

  Variable effective(Forward& forward, std::span<const Variable> latents) override {
    return forward.tape.record(std::make_unique<ProjectLabels>(relaxation_, beta_), latents);
  }

  void write_deployed(Deployment deployment, Tensor& out) const override {
    if (deployment == Deployment::hard)
      return round_to_labels(relaxation_, v_.values(), out.values());
    Tensor u = Tensor::empty(simplex_);
    project(relaxation_, beta_.get(), v_.values(), u.values(), out.values());
  }

  double bits() const override { return std::log2(relaxation_.d()); }
  std::vector<float> label_set() const override { return relaxation_.labels; }
  std::optional<Coded> coded() const override {
    Tensor w = Tensor::empty(last_.shape());
    write_deployed(Deployment::hard, w);
    return coded_labels(w.values(), relaxation_.labels);
  }

  std::int64_t numel() const { return last_.numel(); }

  void add_to(Statistics& total) {
    add_statistics(relaxation_, beta_.get(), std::as_const(v_).values(),
                   {last_.u8(), static_cast<std::size_t>(last_.numel())}, total);
  }

  Tensor& last() { return last_; }

 private:
  // Xavier on the tensor with d times the outputs, as if each label had output units of its own;
  // 1-D tensors N(0, 0.1^2). Element (l, j) draws number l n + j of its parameter's stream.
  void initialize_expanded(const Parameter& parameter, std::uint64_t seed) {
    const std::string stream = parameter.name + ".latents";
    if (parameter.value.shape().rank() >= 2)
      xavier_uniform(v_, static_cast<double>(parameter.fan_in),
                     static_cast<double>(relaxation_.planes() * parameter.fan_out), seed, stream);
    else
      normal(v_, 0.1, seed, stream);
  }

  Relaxation relaxation_;
  Scalar beta_;
  Tensor v_;       // [planes, ...]
  Shape simplex_;  // [d, ...]
  Tensor last_;    // argmax at the last measurement, u8 [...]
};

Relaxation relaxation_from(const Settings& settings) {
  Relaxation r;
  const std::string& projection = settings.text("projection");
  const std::string& jacobian = settings.text("jacobian");
  for (double q : settings.reals("labels")) r.labels.push_back(static_cast<float>(q));
  const std::set<float> distinct(r.labels.begin(), r.labels.end());
  if (r.labels.size() < 2 || r.labels.size() > 256 || distinct.size() != r.labels.size())
    throw config_error(settings.where("labels"),
                       fmt::format("labels [{}] are not a label set", fmt::join(r.labels, ", ")),
                       "2 to 256 different numbers");
  r.projection = projection == "softmax"     ? Projection::softmax
                 : projection == "sparsemax" ? Projection::sparsemax
                 : projection == "tanh"      ? Projection::tanh
                                             : Projection::hardmax;
  r.jacobian = jacobian == "exact"        ? Jacobian::exact
               : jacobian == "eye"        ? Jacobian::eye
               : jacobian == "eye_double" ? Jacobian::eye_double
                                          : Jacobian::ste;
  if (r.projection == Projection::sparsemax && r.jacobian != Jacobian::exact)
    throw config_error(settings.where("jacobian"),
                       fmt::format("jacobian '{}' is not defined for sparsemax", jacobian),
                       "jacobian: exact");
  if (r.projection == Projection::hardmax && r.jacobian != Jacobian::ste)
    throw config_error(settings.where("jacobian"),
                       fmt::format("jacobian '{}' is not defined for hardmax", jacobian),
                       "jacobian: ste, the paper's straight-through estimator");
  if (r.projection == Projection::hardmax && r.labels.size() != 2)
    throw config_error(settings.where("labels"),
                       "hardmax has a straight-through estimator for two labels only",
                       "exactly 2 labels");
  if (r.projection == Projection::tanh && (r.labels.size() != 2 || r.labels[0] > r.labels[1]))
    throw config_error(settings.where("labels"), "tanh goes from one label to another",
                       "exactly 2 labels, the smaller one first");
  if (r.projection == Projection::tanh && r.jacobian != Jacobian::exact &&
      r.jacobian != Jacobian::ste)
    throw config_error(settings.where("jacobian"),
                       fmt::format("jacobian '{}' is not defined for tanh", jacobian),
                       "jacobian: ste (MD-tanh-s) or exact (GD-tanh)");
  return r;
}

class ProximalMeanField final : public Method {
 public:
  explicit ProximalMeanField(const Settings& settings)
      : relaxation_(relaxation_from(settings)),
        selection_(settings, "exclude"),
        beta_(settings.real("beta_start")),
        rate_(settings.has("beta_rate") ? settings.real("beta_rate") : 1.0),
        interval_(settings.integer("beta_interval")),
        cap_(settings.real("beta_cap")) {
    if (relaxation_.projection != Projection::hardmax && !settings.has("beta_rate"))
      throw config_error(settings.place(), "beta_rate is missing",
                         "the factor rho, which the paper tunes per table row (1.01 to 1.2)");
  }

  std::string_view name() const override { return "proximal_mean_field"; }

  void attach(const StageInfo& stage) override {
    stage_ = stage;
    selection_.check(*stage.network);
  }

  std::unique_ptr<WeightTransform> transform(const Parameter& parameter) override {
    if (!selection_.selects(parameter)) return nullptr;
    auto weight = std::make_unique<LabelWeight>(relaxation_, beta_, parameter, stage_);
    weights_.emplace_back(parameter.name, weight.get());
    return weight;
  }

  // Step 0 ends with the first multiplication: beta(t) = min(rho^ceil(t / interval), cap).
  void after_step(const StepInfo& info) override {
    if (info.step % interval_ == 0) beta_.set(std::min(beta_.get() * rate_, cap_));
  }

  std::vector<MetricDeclaration> metrics(const Network&) const override {
    std::vector<MetricDeclaration> list{
        {"beta", "1", "inverse temperature beta of the projection"},
        {"entropy", "nats", "mean entropy of u over all quantized parameters"},
        {"saturated_fraction", "1", "fraction of quantized parameters with max u > 0.99"},
        {"label_flips", "1", "parameters whose most likely label changed since the last value"}};
    for (std::size_t l = 0; l < relaxation_.labels.size(); ++l)
      list.push_back(
          {fmt::format("label_count_{}", l), "1",
           fmt::format("parameters whose most likely label is {}", relaxation_.labels[l])});
    return list;
  }

  std::vector<double> measure() override {
    Statistics total;
    total.count.resize(relaxation_.labels.size());
    std::int64_t n = 0;
    for (auto& [name, weight] : weights_) weight->add_to(total), n += weight->numel();
    const double all = static_cast<double>(std::max<std::int64_t>(n, 1));
    std::vector<double> values{beta_.get(), total.entropy / all,
                               static_cast<double>(total.saturated) / all,
                               static_cast<double>(total.flips)};
    values.insert(values.end(), total.count.begin(), total.count.end());
    return values;
  }

  void visit(StateVisitor& visitor) override {
    double beta = beta_.get();
    visitor.real("beta", beta);
    beta_.set(beta);
    StateScope scope(visitor, "last_labels");
    for (auto& [name, weight] : weights_) visitor.tensor(name, weight->last());
  }
  void visit_deployed(StateVisitor&) override {}

 private:
  Relaxation relaxation_;
  ParameterSelection selection_;
  Scalar beta_;
  double rate_;
  std::int64_t interval_;
  double cap_;
  StageInfo stage_;
  std::vector<std::pair<std::string, LabelWeight*>> weights_;  // owned by the caller of transform
};

Options options() {
  Options o;
  o.choice(
       "projection", {"softmax", "sparsemax", "hardmax", "tanh"}, "softmax",
       "map from latents to the simplex: softmax is PMF, sparsemax PGD, hardmax PICM, tanh (one "
       "latent for two labels) that of arXiv:1910.08237")
      .symbol("P_beta");
  o.choice(
       "jacobian", {"exact", "eye", "eye_double", "ste"},
       "backward map of the projection; softmax: exact (the paper's text), eye, eye_double (the "
       "published code), ste (dropped: MD-softmax-s of arXiv:1910.08237); sparsemax: exact; "
       "hardmax: "
       "ste; tanh: ste (MD-tanh-s), exact (GD-tanh)")
      .symbol("J");
  o.reals("labels", {-1.0, 1.0},
          "values that a deployed weight may take, at least 2; hardmax and tanh: 2")
      .symbol("Q")
      .unit("1");
  o.real("beta_start", 1.0, "inverse temperature of the first step").symbol("beta_0").above(0);
  o.real("beta_rate",
         "factor applied to beta every beta_interval steps, tuned per row in the paper (1.01 to "
         "1.2); required unless the projection is hardmax, which has no temperature")
      .symbol("rho")
      .min(1)
      .optional();
  o.integer("beta_interval", 100, "steps between two increases of beta, the first after step 0")
      .unit("steps")
      .min(1);
  o.real("beta_cap", 1e4,
         "largest beta; from the published code, the paper has none (.inf for none)")
      .symbol("beta_max")
      .above(0);
  ParameterSelection::declare(o, {}, "the paper quantizes everything, biases included");
  return o;
}

}  // namespace

void register_proximal_mean_field(Registries& registries) {
  registries.methods.add(
      {"proximal_mean_field",
       "weights as annealed distributions over labels: PMF, PGD and PICM (every weight one of d "
       "labels)",
       "arXiv:1812.04353", options()},
      [](const Settings& settings) { return std::make_unique<ProximalMeanField>(settings); });
}

}  // namespace bitwright
