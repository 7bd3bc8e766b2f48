#pragma once
// From a validated configuration to the objects that it names.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/data/dataset.h>
#include <bitwright/data/loader.h>
#include <bitwright/data/split.h>
#include <bitwright/nn/network.h>
#include <bitwright/optim/optimizer.h>
#include <bitwright/train/method.h>

#include "train/evaluator.h"
#include "train/trainer.h"

namespace bitwright {

/// The number of threads that `threads:` asks for; "auto" is what affinity and cgroup allow.
int resolve_threads(const Settings& config);

/// The type of activations that `precision:` asks for. Throws a configuration error for bf16 on a
/// CPU without it, unless emulation is asked for.
DType resolve_precision(const Settings& config);

/// `data.root`, else the environment's BITWRIGHT_DATA; the cache is `data.cache`, else the
/// user's.
DataRoot data_root(const Settings& data);

/// The data that a stage sees: the experiment's, or its own changes to them.
const Settings& data_of(const Settings& config, const Settings& stage);

/// Data: read once, split, with its normalisation.
struct ExperimentData {
  std::unique_ptr<Dataset> dataset;
  ImageSet train, test;
  Split split;
  Normalization normalization;
  Augmentations augmentations;
  InputSpec input;     ///< of the network
  std::string subset;  ///< what outputs say when this is less than the official set; else empty
  /// The data set's hashes, and those of what was chosen from it.
  std::map<std::string, std::string> provenance() const;
};
/// What a network sees of a data set, of which `data.subset` may choose some classes.
InputSpec input_of(const Dataset& dataset, const Settings& data);

/// What `data.augment` lists, for images of that shape.
Augmentations make_augmentations(const Registries& registries, const Settings& data,
                                 const InputSpec& input);

ExperimentData load_data(const Registries& registries, const Settings& data, std::uint64_t seed);

/// The data of every stage; stages whose data differ in the batch size at most share them.
class StageData {
 public:
  StageData(const Registries& registries, const Settings& config);
  const ExperimentData& of(std::size_t stage) const { return *stages_[stage]; }
  /// Of all of them; what belongs to another than the first data has its stage's name in front.
  std::map<std::string, std::string> provenance() const;

 private:
  std::vector<std::string> names_;  // of the stages
  std::vector<std::shared_ptr<const ExperimentData>> stages_;
};

/// The network, its data set's input shape read from the registry entry alone.
std::unique_ptr<Network> build_network(const Registries& registries, const Settings& config,
                                       const InputSpec& input);

/// Updates of an epoch of a stage: its batches, `accumulate` of them at a time; at least 1.
std::int64_t steps_per_epoch(const Settings& config, const Settings& stage,
                             std::size_t training_images);

/// Updates of a stage, whether it is given in steps, in epochs or in images; 1 for an evaluation,
/// or the number of its grid's cells.
std::int64_t stage_steps(const Settings& config, const Settings& stage,
                         std::int64_t steps_per_epoch);

/// Whether a stage's weights are drawn, rather than read from a file or taken over.
bool starts_fresh(const Settings& config, std::size_t index);

struct GridObjects;

/// Everything that one stage trains with. Members refer to each other: neither copied nor moved.
struct Stage {
  /// `left`: what the methods of earlier stages hand over.
  Stage(const Registries& registries, const Settings& config, std::size_t index,
        const ExperimentData& data, Network& network, const HandedOverByMethod& left = {});
  ~Stage();
  Stage(const Stage&) = delete;

  std::string name;
  std::int64_t steps = 0;
  bool quantizes = false;        ///< has methods
  bool hands_over_last = false;  ///< not the best weights
  std::string note;              ///< what `init.from` did not cover, for the record
  std::unique_ptr<BatchLoader> loader;
  std::unique_ptr<MethodStack> methods;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<Evaluator> validation;
  std::unique_ptr<GridObjects> grid;  ///< null: none
  std::unique_ptr<StageWork> work;
};

/// Evaluates on the test images, at the experiment's precision.
std::unique_ptr<Evaluator> test_evaluator(const Settings& config, const ExperimentData& data,
                                          Network& network, MethodStack& methods);

/// Shows activations to the stage's methods that observe them, if it asks for it.
void calibrate_methods(const Settings& stage, const Settings& config, const ExperimentData& data,
                       Stage& objects, Network& network);

/// Measures the running statistics anew, if the stage asks for it; a grid does so in its cells.
void reestimate_batch_norm(const Settings& stage, const Settings& config, Stage& objects,
                           Network& network);

std::vector<std::unique_ptr<Method>> make_methods(const Registries& registries,
                                                  const Settings& stage);

/// The metrics that all stages' methods declare, each name once, with the layers of all of them.
std::vector<MetricDeclaration> declared_metrics(const Registries& registries,
                                                const Settings& config, const Network& network);

}  // namespace bitwright
