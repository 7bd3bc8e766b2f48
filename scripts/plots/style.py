"""The look that all plots share, and how they are written."""
import os
import textwrap

from .problem import Problem

# Okabe and Ito (2008): told apart by people with any kind of colour vision. Lines differ in their
# dashes too, so that they survive a black-and-white print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
MARKERS = "osD^vPX"
MAP = "cividis"  # made for all kinds of colour vision; its lightness rises evenly
UNKNOWN = "#d9d9d9"
FORMATS = (".png", ".svg", ".pdf")

SETTINGS = {
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.fontsize": 8,
    "legend.framealpha": 0.85,
    "lines.linewidth": 1.5,
    "svg.fonttype": "none",  # text stays text: searchable, small
    "svg.hashsalt": "bitwright",  # equal plots have equal bytes
    "text.parse_math": False,  # names may hold a dollar sign
}


def pyplot():
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams.update(SETTINGS)
    from matplotlib import pyplot as found
    return found


def line(index):
    """Colour and dashes of the index-th line."""
    return {"color": COLOURS[index % len(COLOURS)],
            "linestyle": DASHES[index // len(COLOURS) % len(DASHES)]}


def colour_map():
    import copy
    import matplotlib
    found = copy.copy(matplotlib.colormaps[MAP])
    found.set_bad(UNKNOWN)
    return found


def is_accuracy(name):
    return "accuracy" in name


SUFFIXES = {"_hard": ", deployed network", "_soft": ", network as trained",
            "_float": ", float network", "_last": ", last weights"}


def words_of(name):
    """"validation accuracy, deployed network" of "val_accuracy_hard"."""
    tail = ""
    while any(name.endswith(suffix) for suffix in SUFFIXES):
        suffix = next(s for s in SUFFIXES if name.endswith(s))
        name, tail = name[:-len(suffix)], SUFFIXES[suffix] + tail
    if name.startswith("val_"):
        name = "validation_" + name[4:]
    return name.replace("_", " ") + tail


def scaled(name, unit):
    """Factor and axis text of a series; accuracies, fractions in the file, are drawn in percent."""
    if is_accuracy(name):
        return 100, f"{words_of(name)} (%)"
    return 1, words_of(name) + ("" if unit in ("", "1") else f" ({unit})")


def legend(axes, **more):
    """Inside while it is short, else below the axes where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    if len(labels) <= 6 and max(len(label) for label in labels) <= 46:
        axes.legend(**more)
        return
    labels = [textwrap.fill(label, 100) for label in labels]
    axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(0, -0.2), borderaxespad=0,
                frameon=False)


def check_target(path):
    if os.path.splitext(path)[1].lower() not in FORMATS:
        raise Problem(f"{path}: error: not a kind of picture that is written; expected a name that "
                      f"ends in {', '.join(FORMATS)}")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise Problem(f"{path}: error: there is no folder {folder}; make it, or name another one")


def save(figure, path):
    """Writes a picture; equal content gives equal bytes."""
    undated = {".png": {"Software": None}, ".svg": {"Date": None},
               ".pdf": {"CreationDate": None, "Producer": None, "Creator": None}}
    kind = os.path.splitext(path)[1].lower()
    try:
        figure.savefig(path, dpi=110, metadata=undated[kind])
    except OSError as failed:
        raise Problem(f"{path}: error: cannot be written: {failed.strerror or failed}; free the "
                      "place, or name another one with -o") from failed
    finally:
        pyplot().close(figure)
