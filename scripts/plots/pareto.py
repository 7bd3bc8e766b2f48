"""Accuracy against bits or size, and which cells nothing else beats in both."""
import math

from . import style
from .problem import Problem, nearest

AXES = {"bits_per_weight": "bits per weight, deployed",
        "size_hard": "size of the deployed weights (kB), as the paper counts",
        "size_stored": "size of the deployed network on disk (kB)"}


def points(cells, metric, against):
    """(cell, x, y mean, y sd, n) of the cells that know both."""
    found, known = [], set()
    for cell in cells:
        x, _, _ = cell.result(against)
        y, sd, n = cell.result(metric)
        for run in cell.runs:
            known.update(run.results())
        if not math.isnan(x) and not math.isnan(y):
            found.append((cell, x, y, sd, n))
    if not found:
        missing = next((name for name in (metric, against) if name not in known), metric)
        raise Problem(f"{cells[0].runs[0].path}: error: no run knows both '{metric}' and "
                      f"'{against}'; for '{missing}': {nearest(missing, sorted(known))}")
    return found


def front(points_):
    """Those that no other point beats: at most as large, and at least as accurate, and not equal."""
    best, kept = -math.inf, []
    for point in sorted(points_, key=lambda p: (p[1], -p[2])):
        if point[2] > best:
            best = point[2]
            kept.append(point)
    return kept


def draw(cells, metric="test_accuracy_hard", against="bits_per_weight"):
    pyplot = style.pyplot()
    all_points = points(cells, metric, against)
    x_factor = 1e-3 if against.startswith("size") else 1
    y_factor, words = style.scaled(metric, "1")
    figure, axes = pyplot.subplots(figsize=(7, 4.2))
    best = front(all_points)
    xs = [x_factor * p[1] for p in best]
    ys = [y_factor * p[2] for p in best]
    axes.step(xs + [x_factor * max(p[1] for p in all_points)], ys + ys[-1:], where="post",
              color="#767676", linewidth=1, zorder=1,
              label="Pareto front: nothing smaller is as accurate")
    for index, (cell, x, y, sd, n) in enumerate(all_points):
        look = style.line(index)
        axes.errorbar([x_factor * x], [y_factor * y], yerr=None if n < 2 else [y_factor * sd],
                      fmt=style.MARKERS[index % len(style.MARKERS)], color=look["color"],
                      capsize=3, markersize=6, zorder=2,
                      label=f"{cell.name} ({n} seed{'s' if n > 1 else ''})")
    widest = max(p[1] for p in all_points) / max(min(p[1] for p in all_points), 1e-9)
    if widest > 8:
        axes.set_xscale("log", base=2 if against == "bits_per_weight" else 10)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.set(xlabel=AXES.get(against, against.replace("_", " ")), ylabel=words)
    spread = any(p[4] > 1 for p in all_points)
    axes.set_title("accuracy and cost" if not spread else
                   "accuracy and cost: means over seeds, bars ± 1 standard deviation (n − 1)",
                   loc="left")
    style.legend(axes, loc="best")
    return figure
