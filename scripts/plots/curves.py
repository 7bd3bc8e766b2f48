"""Learning curves: a series against the step, means over seeds with their spread."""
import numpy

from . import style
from .problem import Problem

BANDS = {"sd": "band: mean ± 1 standard deviation (n − 1)", "range": "band: smallest to largest"}


def over_seeds(cell, name, stage=None):
    """Steps [rows], stages [rows] and values [runs][rows] of a series, at the rows that all runs
    of the cell have."""
    per_run = []
    for run in cell.runs:
        table, column = run.find_series(name, 1)
        steps = run.series(table, "step")
        stages = run.series(table, "stage") if "stage" in run.file[table] else 0 * steps
        values = run.series(table, column).astype(float)
        kept = numpy.isfinite(values)
        if stage is not None:
            kept &= stages == stage
        per_run.append({(int(g), int(s)): v
                        for g, s, v in zip(stages[kept], steps[kept], values[kept])})
    common = sorted(set.intersection(*(set(rows) for rows in per_run)))
    values = numpy.array([[rows[key] for key in common] for rows in per_run])
    return (numpy.array([step for _, step in common]), numpy.array([g for g, _ in common]),
            values.reshape(len(per_run), len(common)))


def spread(values, band):
    """Lower and upper edge of the band; None for one seed."""
    if len(values) < 2:
        return None
    if band == "range":
        return values.min(axis=0), values.max(axis=0)
    mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
    return mean - sd, mean + sd


def draw_line(axes, rows, band, factor, look, label):
    steps, stages, values = rows
    for number, stage in enumerate(sorted(set(stages.tolist()))):
        mine = stages == stage
        axes.plot(steps[mine], factor * values[:, mine].mean(axis=0), **look, markersize=4,
                  marker="o" if mine.sum() == 1 else None, label=label if number == 0 else None)
        edges = spread(values[:, mine], band)
        if edges is not None:
            axes.fill_between(steps[mine], factor * edges[0], factor * edges[1],
                              color=look["color"], alpha=0.2, linewidth=0)


def show_what_matters(axes):
    """Cuts off the first few values where they would press all others into a line."""
    shown = numpy.concatenate([line.get_ydata() for line in axes.get_lines()])
    if shown.size < 8:
        return
    low, high = numpy.percentile(shown, 12), shown.max()
    margin = max(0.25 * (high - low), 0.5)
    if shown.min() < low - 2 * margin:
        axes.set_ylim(low - margin, high + 0.15 * (high - low) + 0.1)


def seeds_text(cell):
    n = len(cell.runs)
    return f"seed {cell.runs[0].seed}" if n == 1 else f"mean of {n} seeds"


def draw(cells, metric="val_accuracy_hard", band="sd", stage=None):
    """A line for each cell; of one cell alone, for each of its stages."""
    pyplot = style.pyplot()
    table, column = cells[0].runs[0].find_series(metric, 1)
    factor, words = style.scaled(column, cells[0].runs[0].unit(table, column))
    figure, axes = pyplot.subplots(figsize=(7, 3.8))
    names = cells[0].runs[0].stages()
    if stage is not None and stage not in names:
        raise Problem(f"{cells[0].runs[0].path}: error: no stage '{stage}'; "
                      f"one of {', '.join(names)}")
    lines = 0
    if len(cells) == 1:
        for index, name in enumerate(names):
            if stage is not None and name != stage:
                continue
            rows = over_seeds(cells[0], metric, index)
            if rows[0].size:
                draw_line(axes, rows, band, factor, style.line(lines), name)
                lines += 1
    else:
        for cell in cells:
            index = None if stage is None else cell.runs[0].stages().index(stage)
            rows = over_seeds(cell, metric, index)
            if rows[0].size:
                draw_line(axes, rows, band, factor, style.line(lines),
                          f"{cell.name}, {seeds_text(cell)}")
                lines += 1
    if lines == 0:
        pyplot.close(figure)
        raise Problem(f"{cells[0].runs[0].path}: error: no rows of '{metric}' that all seeds have; "
                      "expected runs that have been validated")
    if len(cells) == 1 and metric == "val_accuracy_hard":
        draw_soft(axes, cells[0], stage)
    axes.set(xlabel="step (updates, over the whole run)", ylabel=words)
    axes.set_xlim(left=0)
    if style.is_accuracy(column):
        show_what_matters(axes)
    title = f"{cells[0].name}, {seeds_text(cells[0])}" if len(cells) == 1 else words
    several = any(len(cell.runs) > 1 for cell in cells)
    axes.set_title(title + (f"; {BANDS[band]}" if several else ""), loc="left")
    style.legend(axes, loc="lower right" if style.is_accuracy(column) else "best")
    return figure


def draw_soft(axes, cell, only):
    """The network as trained, at the end of each epoch, where it is not the deployed one."""
    first = True
    for index, name in enumerate(cell.runs[0].stages()):
        if only is not None and name != only:
            continue
        steps, _, soft = over_seeds(cell, "epoch/val_accuracy", index)
        _, _, hard = over_seeds(cell, "epoch/val_accuracy_hard", index)
        if steps.size == 0 or soft.shape != hard.shape or numpy.array_equal(soft, hard):
            continue
        axes.plot(steps, 100 * soft.mean(axis=0), "o", color=style.line(index)["color"],
                  markersize=4, markerfacecolor="white",
                  label="as trained (soft), each epoch" if first else None)
        first = False
