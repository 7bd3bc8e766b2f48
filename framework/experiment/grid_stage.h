#pragma once
// The `grid:` of an evaluation stage: its options, its objects, its place in the run file.

#include <memory>
#include <vector>

#include <bitwright/core/registry.h>
#include <bitwright/data/loader.h>
#include <bitwright/results/run_file.h>

#include "experiment/assembly.h"
#include "train/quantization_grid.h"

namespace bitwright {

Options grid_options();

/// Whether a stage has a grid: it names a quantizer.
bool has_grid(const Settings& stage);
/// What `grid:` says that makes no sense by itself. Throws configuration errors.
void check_grid(const Settings& stage);
/// What the settings of a grid mean. Throws configuration errors for widths that a quantizer lacks.
GridOptions make_grid_options(const Registries& registries, const Settings& stage);
/// Its axes and arrays; the path is called after the stage.
ResultGrid grid_layout(const Settings& stage);

/// What a stage with a grid works with beside other stages' objects.
struct GridObjects {
  GridOptions options;
  std::unique_ptr<EvaluationLoader> images, calibration;
};
std::unique_ptr<GridObjects> make_grid(const Registries& registries, const Settings& config,
                                       const Settings& stage, const ExperimentData& data);

/// Images of the training part for calibration, drawn by the run's seed, in batches of the
/// evaluation's size.
std::unique_ptr<EvaluationLoader> calibration_loader(const Settings& config,
                                                     const ExperimentData& data,
                                                     std::int64_t images);

}  // namespace bitwright
