"""Histograms over time: values up, steps across, the share of a layer's values as colour."""
import numpy

from . import style
from .problem import Problem, nearest

KINDS = ("weights", "activations", "gradients")
LINES = 160  # of a picture, that all records are drawn on


def kinds_of(run):
    return [kind for kind in KINDS if f"histograms/{kind}" in run.file]


def layers_of(run, of):
    return run.layers(f"histograms/{of}", "counts")


def records(run, of, layer):
    """Steps, lower and upper edges, counts [records][bins] of one layer, where it has some."""
    table = f"histograms/{of}"
    index = layers_of(run, of).index(layer)
    rows = run.rows(table)
    low = run.file[table]["low"][:rows, index]
    kept = numpy.isfinite(low)
    counts = run.file[table]["counts"][:rows, index]
    return (run.series(table, "step")[kept], low[kept],
            run.file[table]["high"][:rows, index][kept], counts[kept])


def on_common_lines(low, high, counts, lines):
    """Shares of the values per line, [records][lines - 1]; bins are spread evenly over the lines
    that they cover."""
    shares = numpy.zeros((len(counts), len(lines) - 1))
    for row, (begin, end, numbers) in enumerate(zip(low, high, counts)):
        if end > begin:
            borders = numpy.linspace(begin, end, len(numbers) + 1)
            below = numpy.concatenate([[0], numpy.cumsum(numbers)]) / numbers.sum()
            shares[row] = numpy.diff(numpy.interp(lines, borders, below, left=0, right=1))
        else:  # all values are equal
            shares[row, numpy.clip(numpy.searchsorted(lines, begin, "right") - 1, 0,
                                   len(lines) - 2)] = 1
    return shares


def draw_layer(axes, run, of, layer):
    from matplotlib.colors import LogNorm
    steps, low, high, counts = records(run, of, layer)
    if len(steps) == 0:
        return None
    bottom, top = low.min(), high.max()
    margin = 0.02 * (top - bottom) or 0.5
    lines = numpy.linspace(bottom - margin, top + margin, LINES + 1)
    shares = on_common_lines(low, high, counts, lines)
    across = numpy.append(steps, steps[-1] + (steps[-1] - steps[-2] if len(steps) > 1 else 1))
    axes.grid(False)
    mesh = axes.pcolormesh(across, lines, numpy.ma.masked_equal(shares.T, 0),
                           norm=LogNorm(1e-4, 1), cmap=style.MAP, rasterized=True)
    axes.set_title(layer, loc="left", fontsize=8)
    return mesh


def draw(run, of="weights", layer=None, most=12):
    have = kinds_of(run)
    if of not in have:
        raise Problem(f"{run.path}: error: the run has no histograms of {of}"
                      + (f", only of {' and '.join(have)}" if have else "")
                      + "; they are recorded where log.histograms.every is set")
    layers = layers_of(run, of)
    if layer is not None and layer not in layers:
        raise Problem(f"{run.path}: error: no histograms of '{layer}'; {nearest(layer, layers)}")
    chosen = [name for name in ([layer] if layer else layers) if len(records(run, of, name)[0])]
    if not chosen:
        raise Problem(f"{run.path}: error: no records of {layer or of} yet; expected a run that "
                      "has made log.histograms.every updates")
    left_out = len(chosen) - most
    if left_out > 0:  # evenly spread ones, the first and the last among them
        chosen = [chosen[round(i * (len(chosen) - 1) / (most - 1))] for i in range(most)]
    pyplot = style.pyplot()
    columns = min(len(chosen), 3)
    down = -(-len(chosen) // columns)
    figure, grid = pyplot.subplots(down, columns, squeeze=False, sharex=True,
                                   figsize=(7, 0.9 + (1.7 if down > 1 else 2.6) * down))
    mesh = None
    for place, axes in enumerate(grid.flat):
        if place < len(chosen):
            mesh = draw_layer(axes, run, of, chosen[place])
            axes.xaxis.set_tick_params(labelbottom=place + columns >= len(chosen))
        else:
            axes.set_visible(False)
    figure.colorbar(mesh, ax=grid, pad=0.02, fraction=0.04, aspect=40, format="%g",
                    label=f"share of the layer's values in 1/{LINES} of the height")
    figure.supxlabel("step (updates, over the whole run)", fontsize=9)
    figure.supylabel("value", fontsize=9)
    figure.suptitle(f"{of} over time; {run.experiment}, seed {run.seed}"
                    + (f"; {left_out} layers between are left out" if left_out > 0 else ""),
                    fontsize=10, x=0.01, ha="left")
    return figure
