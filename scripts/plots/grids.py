"""Evaluation grids as heat maps: one network at many precisions."""
import itertools
import textwrap

import numpy

from . import style
from .problem import Problem, nearest
from .runs import text

MOST_PANELS = 12


def names_of(run):
    return sorted(run.file["grids"]) if "grids" in run.file else []


def axis_values(group, name):
    values = group[name][:]
    if values.dtype.kind == "S":
        return [text(v).rstrip("\0") for v in values]
    return [f"{v:g}" for v in values]


def choose(run, name):
    have = names_of(run)
    if not have:
        raise Problem(f"{run.path}: error: the run has no evaluation grid; expected one of a stage "
                      "with a grid")
    if name is None:
        return have[0]
    if name not in have:
        raise Problem(f"{run.path}: error: no grid '{name}'; {nearest(name, have)}")
    return name


def fixed_index(run, group, axes, at):
    """{axis: index} of the words AXIS=VALUE."""
    fixed = {}
    for word in at:
        axis, equals, value = word.partition("=")
        if axis not in axes or not equals:
            raise Problem(f"{run.path}: error: --at {word}; expected AXIS=VALUE, AXIS "
                          f"{nearest(axis, axes)}")
        values = axis_values(group, axis)
        if value not in values:
            raise Problem(f"{run.path}: error: {axis} has no '{value}'; {nearest(value, values)}")
        fixed[axis] = values.index(value)
    return fixed


def plane(group, axes):
    """The axes across and down: the first two with several values, numbers before words. No axis
    down where only one has several."""
    several = [axis for axis in axes if len(group[axis]) > 1] or axes[:1]
    several.sort(key=lambda axis: group[axis].dtype.kind == "S")
    return several[0], several[1] if len(several) > 1 else None


def draw_panel(axes_, values, rows, columns, span, percent):
    mesh = axes_.imshow(numpy.ma.masked_invalid(values), cmap=style.colour_map(), vmin=span[0],
                        vmax=span[1], aspect="auto")
    axes_.grid(False)
    axes_.set_xticks(range(len(columns)), columns)
    axes_.set_yticks(range(len(rows)), rows)
    if values.size <= 150:
        middle = (span[0] + span[1]) / 2
        for (i, j), value in numpy.ndenumerate(values):
            known = numpy.isfinite(value)
            words = (f"{value:.1f}" if percent else f"{value:.3g}") if known else "–"
            axes_.text(j, i, words, ha="center", va="center", fontsize=7,
                       color="black" if not known or value > middle else "white")
    return mesh


def draw(run, grid=None, value=None, at=()):
    """Two axes in a panel, see plane(); a panel for each combination of the others."""
    name = choose(run, grid)
    group = run.file["grids"][name]
    axes = text(group.attrs["axes"]).split()
    arrays = [key for key in group if key not in axes]
    value = value or ("accuracy" if "accuracy" in arrays else arrays[0])
    if value not in arrays:
        raise Problem(f"{run.path}: error: grid '{name}' has no '{value}'; "
                      f"{nearest(value, arrays)}")
    fixed = fixed_index(run, group, axes, at)
    data = group[value][:][tuple(fixed.get(axis, slice(None)) for axis in axes)]
    axes = [axis for axis in axes if axis not in fixed]
    factor, words = style.scaled(value, text(group[value].attrs.get("units", "1")))
    data = numpy.atleast_1d(factor * data)
    if not axes:
        raise Problem(f"{run.path}: error: --at leaves one number, {data.flat[0]:g}; leave an axis")
    if not numpy.isfinite(data).any():
        raise Problem(f"{run.path}: error: no cell of grid '{name}' is known yet; expected a run "
                      "that has evaluated some")
    across, down = plane(group, axes)
    facets = [axis for axis in axes if axis not in (across, down)]
    panels = list(itertools.product(*(range(len(group[axis])) for axis in facets)))
    if len(panels) > MOST_PANELS:
        raise Problem(f"{run.path}: error: {len(panels)} panels; expected at most {MOST_PANELS}; "
                      f"fix some axes: --at {facets[0]}={axis_values(group, facets[0])[0]}")
    # The facets' axes first, then down and across, both in any case.
    order = [axes.index(axis) for axis in facets + ([down] if down else []) + [across]]
    data = data.transpose(order)
    rows = axis_values(group, down) if down else [""]
    columns = axis_values(group, across)
    pyplot = style.pyplot()
    wide = min(len(panels), 2 if len(panels) == 4 or len(columns) > 6 else 3)
    tall = -(-len(panels) // wide)
    figure, places = pyplot.subplots(tall, wide, squeeze=False, figsize=(
        7, 1.2 + tall * max(1.1, 0.5 + 0.3 * len(rows))))
    span = (numpy.nanmin(data), numpy.nanmax(data))
    mesh = None
    for place, panel in zip(places.flat, panels):
        values = data[panel] if down else data[panel][numpy.newaxis]
        mesh = draw_panel(place, values, rows, columns, span, style.is_accuracy(value))
        fixed_words = [f"{axis.replace('_', ' ')} {axis_values(group, axis)[i]}"
                       for axis, i in zip(facets, panel) if len(group[axis]) > 1]
        place.set_title(textwrap.fill(", ".join(fixed_words), 84 // wide), loc="left", fontsize=8)
        place.label_outer()
    for place in list(places.flat)[len(panels):]:
        place.set_visible(False)
    for place in list(places.flat)[max(0, len(panels) - wide):len(panels)]:
        place.xaxis.set_tick_params(labelbottom=True)
    figure.supxlabel(axis_words(group, across), fontsize=9)
    if down:
        figure.supylabel(axis_words(group, down), fontsize=9)
    figure.colorbar(mesh, ax=places, pad=0.02, label=words)
    constant = [f"{a.replace('_', ' ')} {axis_values(group, a)[0]}" for a in facets
                if len(group[a]) == 1] + list(at)
    title = "; ".join([f"{words} of '{name}'; {run.experiment}, seed {run.seed}", *constant])
    figure.suptitle(textwrap.fill(title, 100), fontsize=10, x=0.01, ha="left")
    return figure


def axis_words(group, name):
    unit = text(group[name].attrs.get("units", "1"))
    words = name.replace("_", " ")
    return words if unit in ("", "1") or unit in words else f"{words} ({unit})"
