"""A per-layer series, such as bits, as a map: layers down, steps across."""
import numpy

from . import style
from .problem import Problem


def carried_forward(values):
    """What is not logged at a step is what it was before."""
    filled = values.copy()
    for row in range(1, len(filled)):
        unknown = numpy.isnan(filled[row])
        filled[row][unknown] = filled[row - 1][unknown]
    return filled


def edges(centres):
    """Borders of cells that are drawn around the steps: each lasts from its step to the next."""
    last = centres[-1] + (centres[-1] - centres[-2] if len(centres) > 1 else 1)
    return numpy.append(centres, last)


def draw(run, metric="bits"):
    table, column = run.find_series(metric, 2)
    values = carried_forward(run.series(table, column).astype(float))
    known = ~numpy.isnan(values).all(axis=0) if len(values) else numpy.zeros(0, bool)
    if not known.any():
        raise Problem(f"{run.path}: error: '{metric}' of no layer is known; expected a run that "
                      "has logged it")
    layers = [layer for layer, is_known in zip(run.layers(table, column), known) if is_known]
    rows = ~numpy.isnan(values).all(axis=1)
    values, steps = values[rows][:, known], run.series(table, "step")[rows]
    pyplot = style.pyplot()
    figure, axes = pyplot.subplots(figsize=(7, 1.3 + 0.22 * len(layers)))
    axes.grid(False)
    mesh = axes.pcolormesh(edges(steps.astype(float)), numpy.arange(len(layers) + 1) - 0.5,
                           numpy.ma.masked_invalid(values.T), cmap=style.colour_map(),
                           rasterized=values.size > 20000)
    axes.set_yticks(range(len(layers)), layers, fontsize=8 if len(layers) < 40 else 6)
    axes.invert_yaxis()
    last = axes.secondary_yaxis("right")
    last.set_yticks(range(len(layers)), [f"{v:.3g}" for v in values[-1]],
                    fontsize=8 if len(layers) < 40 else 6)
    last.tick_params(length=0)
    unit = run.unit(table, column)
    words = column.replace("_", " ")
    figure.colorbar(mesh, ax=axes, pad=0.02,
                    label=words + (f" ({unit})" if unit not in ("1", "", words) else ""))
    axes.set_xlabel("step (updates, over the whole run)")
    axes.set_title(f"{words} of each layer, last value at the right; {run.experiment}, "
                   f"seed {run.seed}", loc="left")
    return figure
