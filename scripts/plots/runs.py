"""Run files as framework/results/FORMAT.md describes them: found, opened, grouped into cells."""
import json
import math
import os

from .problem import Problem, nearest

STATUS = {0: "running or killed", 1: "finished", 2: "stopped", 3: "failed"}
NEWEST = 1  # major version of the format

# Keys of a configuration that may differ between runs of one cell; lists and sections by prefix.
APART = ("seed", "description", "data.root", "data.cache", "data.workers", "checkpoint.every",
         "checkpoint.keep", "log", "profiles", "allow")


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class Run:
    """One open run file. Series are whole up to the length of their table's scale."""

    def __init__(self, path):
        import h5py
        self.path = os.path.join(path, "run.h5") if os.path.isdir(path) else path
        try:
            try:
                self.file = h5py.File(self.path, "r")
            except OSError:
                self.file = h5py.File(self.path, "r", swmr=True)  # being written, or killed
        except OSError as failed:
            why = os.strerror(failed.errno) if failed.errno else "no HDF5 file, or a damaged one"
            raise Problem(f"{self.path}: error: cannot be read: {why}; expected a run directory "
                          "or its run.h5") from failed
        self.check_format()
        self.experiment = text(self.file.attrs["experiment"])
        self.seed = int(self.file.attrs["seed"])
        self.config = text(self.file["config"][()])
        self.status = STATUS.get(int(self.file["status"][()]), "unknown")
        self.provenance = {name: text(self.file["provenance"].attrs[name])
                           for name in sorted(self.file["provenance"].attrs)}

    def check_format(self):
        version = text(self.file.attrs.get("format_version", "0"))
        if text(self.file.attrs.get("format", "")) != "bitwright run":
            raise Problem(f"{self.path}: error: not a run file; expected the run.h5 of a run")
        if int(version.split(".")[0]) > NEWEST:
            raise Problem(f"{self.path}: error: run file of version {version}; expected at most "
                          f"{NEWEST}.x; use a newer version of these scripts")

    def close(self):
        self.file.close()

    def settings(self):
        import yaml
        return yaml.safe_load(self.config)

    def stages(self):
        return [stage["name"] for stage in self.settings()["stages"]]

    def tables(self):
        """Paths of all tables, sorted."""
        import h5py
        found = []

        def look(name, item):
            if isinstance(item, h5py.Group) and "scale" in item.attrs:
                found.append(name)
        self.file.visititems(look)
        return sorted(found)

    def rows(self, table):
        return len(self.file[table][text(self.file[table].attrs["scale"])])

    def series(self, table, name):
        """All complete rows; newer ones may be behind them in a file that is being written."""
        return self.file[table][name][:self.rows(table)]

    def unit(self, table, name):
        return text(self.file[table][name].attrs.get("units", "1"))

    def description(self, table, name):
        return text(self.file[table][name].attrs.get("description", name))

    def find_series(self, name, dimensions):
        """(table, dataset name) of a series of so many dimensions: NAME, or TABLE/NAME where
        several tables have one. Evaluations come before epochs, and those before steps."""
        import h5py
        order = ["metrics/evaluation", "metrics/epoch", "metrics/step", "progress"]
        tables = sorted(self.tables(), key=lambda t: order.index(t) if t in order else len(order))
        known = []
        for table in tables:
            for column in self.file[table]:
                series = self.file[table][column]
                if getattr(series, "ndim", 0) != dimensions or h5py.h5ds.is_scale(series.id):
                    continue
                if name in (column, f"{table}/{column}", f"{table.split('/')[-1]}/{column}"):
                    return table, column
                known.append(column)
        raise Problem(f"{self.path}: error: no series '{name}'; "
                      f"{nearest(name, sorted(set(known)))}")

    def layers(self, table, name):
        """Names of a series' second dimension."""
        scale = self.file[table][name].dims[1][0]
        return [text(layer).rstrip("\0") for layer in scale[:]]

    def results(self):
        """Known numbers of /results by name."""
        found = {name: float(value[()]) for name, value in self.file["results"].items()}
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def seconds(self):
        """Training time by the wall clock; NaN where it is not known."""
        clock = self.file["wallclock"]
        return float(clock["training"][()]) if "training" in clock else math.nan

    def events(self):
        events = self.file["events"]
        rows = len(events["step"])
        return [(int(events["step"][i]), text(events["kind"][i]).rstrip("\0"),
                 text(events["message"][i]).rstrip("\0")) for i in range(rows)]


def flat(node, path=""):
    """Leaves of a configuration by dotted path."""
    if isinstance(node, dict):
        pairs = node.items()
    elif isinstance(node, list):
        pairs = enumerate(node)
    else:
        return {path: node}
    leaves = {}
    for key, value in pairs:
        leaves.update(flat(value, f"{path}.{key}" if path else str(key)))
    return leaves


class Cell:
    """Runs that differ in their seeds only."""

    def __init__(self, name, runs):
        self.name = name
        self.runs = sorted(runs, key=lambda run: run.seed)

    def seeds(self):
        return [run.seed for run in self.runs]

    def values(self, name):
        """One of /results, of the finished runs that know it: what the others hold may be that of
        an earlier stage."""
        known = [run.results() for run in self.runs if run.status == "finished"]
        return [results[name] for results in known if name in results]

    def result(self, name):
        """(mean, sd or NaN, n) of these values."""
        return mean_sd(self.values(name))


def mean_sd(values):
    """Mean and standard deviation (n - 1) of a list; sd is NaN for one value."""
    n = len(values)
    if n == 0:
        return math.nan, math.nan, 0
    mean = math.fsum(values) / n
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1)) if n > 1 else math.nan
    return mean, sd, n


def find_run_files(path):
    """A run, or every run below a folder; sorted."""
    if not os.path.exists(path):
        raise Problem(f"{path}: error: no such file or folder; expected a run directory, its "
                      "run.h5, or a folder with runs")
    if not os.path.isdir(path):
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        if "run.h5" in names:
            found.append(os.path.join(folder, "run.h5"))
    if not found:
        raise Problem(f"{path}: error: no runs; expected a folder with run.h5 in it or below")
    return found


def open_runs(paths):
    """Open runs of all the paths, each file once."""
    files, seen = [], set()
    for path in paths:
        for file in find_run_files(path):
            if os.path.realpath(file) not in seen:
                seen.add(os.path.realpath(file))
                files.append(file)
    return [Run(file) for file in files]


def decisive(run):
    """What of a run's configuration makes its cell."""
    return {key: value for key, value in flat(run.settings()).items()
            if not any(key == apart or key.startswith(apart + ".") for apart in APART)}


def told_apart(leaves, others):
    """"lambda 0.01": the values by which a configuration differs from others of its name, where
    they are few; else None."""
    keys = sorted({key for other in others for key in {*leaves, *other}
                   if leaves.get(key) != other.get(key)})
    words = [f"{[part for part in key.split('.') if not part.isdigit()][-1].replace('_', ' ')} "
             f"{leaves.get(key, 'not set')}" for key in keys]
    return ", ".join(words) if 0 < len(words) <= 3 else None


def group(runs):
    """Cells in the order of their first runs. A name that several would share is told apart by what
    differs in their configurations, or else by the folder."""
    by_settings = {}
    for run in runs:
        leaves = decisive(run)
        key = json.dumps(leaves, sort_keys=True, default=str)
        by_settings.setdefault(key, (leaves, []))[1].append(run)
    by_name = {}
    for leaves, members in by_settings.values():
        cell = members[0].settings().get("cell")
        name = members[0].experiment + (f"/{cell}" if cell else "")
        by_name.setdefault(name, []).append((leaves, members))
    parent = os.path.commonpath([os.path.dirname(os.path.abspath(run.path)) for run in runs])
    cells = []
    for name, sharing in by_name.items():
        for leaves, members in sharing:
            own = name
            if len(sharing) > 1:
                others = [other for other, _ in sharing if other is not leaves]
                folder = os.path.dirname(os.path.dirname(os.path.abspath(members[0].path)))
                own = f"{name}: {told_apart(leaves, others) or os.path.relpath(folder, parent)}"
            while any(cell.name == own for cell in cells):
                own += "'"
            cells.append(Cell(own, members))
    order = {id(run): i for i, run in enumerate(runs)}
    return sorted(cells, key=lambda cell: min(order[id(run)] for run in cell.runs))
