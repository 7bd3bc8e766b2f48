#!/usr/bin/env python3
"""Usage: tests/plots.py PROGRAM
scripts/plot: each kind of plot of small real runs, and what it shows against the run files; the sums
behind them against ones done by hand; wrong uses. Exit status 77 where python3-h5py, -matplotlib or
-yaml is missing."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

TOP = pathlib.Path(__file__).resolve().parent.parent
PLOT = str(TOP / "scripts" / "plot")
SVG = "{http://www.w3.org/2000/svg}"

LAYERS = """experiment: layers
threads: 1
data: {name: glyphs, train_images: 1200, test_images: 100, batch: 50, split: {validation: 200}}
network: {name: lenet300, width: 0.1}
stages:
- {name: float, steps: 20, optimizer: {name: sgd, learning_rate: 0.1}}
- name: "bsq <&$x$>"
  start: previous
  steps: 40
  methods: [{name: bsq, alpha: 1.0, interval: 1}]
  optimizer: {name: sgd, learning_rate: 0.1, momentum: 0.9}
evaluation: {every: 10, batch: 100}
log: {histograms: {every: 5, bins: 16}}
"""
GRID = """experiment: grid
threads: 1
data: {name: glyphs, train_images: 1200, test_images: 100, batch: 50, split: {validation: 200}}
network: {name: lenet300, width: 0.1}
stages:
- {name: float, steps: 20, optimizer: {name: sgd, learning_rate: 0.1}}
- name: widths
  kind: evaluate
  start: previous
  grid: {quantizers: [mid_rise], weight_bits: [32, 4, 2], activation_bits: [32, 4],
         keep_float: [first]}
"""


class Sums(unittest.TestCase):
    def test_mean_and_deviation(self):
        from plots.runs import mean_sd
        mean, sd, n = mean_sd([1.0, 2.0, 6.0])
        self.assertEqual((mean, n), (3.0, 3))
        self.assertAlmostEqual(sd, 7 ** 0.5)  # (4 + 1 + 9) / 2
        self.assertNotEqual(mean_sd([5.0])[1], mean_sd([5.0])[1])  # NaN
        self.assertEqual(mean_sd([])[2], 0)

    def test_bands(self):
        import numpy
        from plots.curves import spread
        values = numpy.array([[1.0, 4.0], [3.0, 4.0], [5.0, 7.0]])
        low, high = spread(values, "sd")
        self.assertEqual(list(low), [1.0, 5 - 3 ** 0.5])
        self.assertEqual(list(high), [5.0, 5 + 3 ** 0.5])
        self.assertEqual([list(edge) for edge in spread(values, "range")], [[1, 4], [5, 7]])
        self.assertIsNone(spread(values[:1], "sd"))

    def test_pareto_front(self):
        from plots.pareto import front
        points = [("a", 1, 0.9), ("b", 2, 0.85), ("c", 2, 0.95), ("d", 4, 0.95), ("e", 8, 0.97)]
        self.assertEqual([p[0] for p in front(points)], ["a", "c", "e"])

    def test_histograms_on_common_lines(self):
        import numpy
        from plots.histograms import on_common_lines
        lines = numpy.array([-1.0, 0, 0.5, 1, 2])
        # Two bins [0, 1) and [1, 2] with 6 and 2 values; then all values at 0.6.
        shares = on_common_lines([0, 0.6], [2, 0.6], numpy.array([[6, 2], [5, 0]]), lines)
        self.assertEqual(shares.tolist(), [[0, 0.375, 0.375, 0.25], [0, 0, 1, 0]])

    def test_gaps_are_filled_with_what_was_before(self):
        import numpy
        from plots.bits import carried_forward
        nan = numpy.nan
        filled = carried_forward(numpy.array([[nan, 8.0], [4.0, nan], [nan, 2.0]]))
        self.assertTrue(numpy.array_equal(filled, [[nan, 8], [4, 8], [4, 2]], equal_nan=True))

    def test_names_tell_cells_apart(self):
        from plots.runs import told_apart
        one = {"stages.0.lambda": 0.1, "data.batch": 50}
        self.assertEqual(told_apart(one, [{"stages.0.lambda": 0.2, "data.batch": 50}]), "lambda 0.1")
        self.assertIsNone(told_apart(one, [{f"a.k{i}": i for i in range(5)}]))


class Runs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.holder.cleanup)
        cls.folder = pathlib.Path(cls.holder.name)
        (cls.folder / "layers.yaml").write_text(LAYERS)
        (cls.folder / "grid.yaml").write_text(GRID)
        for words in (["layers.yaml"], ["layers.yaml", "seed=2"], ["layers.yaml", "seed=3"],
                      ["grid.yaml"],
                      ["layers.yaml", "--out", "other", "stages.float.optimizer.learning_rate=0.2"]):
            done = subprocess.run([PROGRAM, "run", *words, "--quiet"], cwd=cls.folder, text=True,
                                  capture_output=True)
            assert done.returncode == 0, done.stderr
        cls.seeds = [f"runs/layers/seed-{seed}" for seed in (1, 2, 3)]

    def setUp(self):
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)

    def plot(self, *words, status=0):
        """Inside this process, which has loaded matplotlib already."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            ended = SCRIPT.program(list(words))
        self.assertEqual(ended, status, said.getvalue())
        self.assertEqual(said.getvalue().count("\n"), 0 if status == 0 else 1, said.getvalue())
        return said.getvalue()

    def drawn(self, *words):
        """The texts of a plot, and its SVG tree."""
        self.plot(*words, "-o", "x.svg")
        tree = xml.etree.ElementTree.parse(self.folder / "x.svg").getroot()
        texts = [" ".join("".join(t.itertext()).split()) for t in tree.iter(SVG + "text")]
        self.assertFalse([text for text in texts if "mathdefault" in text])
        return texts, tree

    def lines(self, tree, colour):
        """Polylines of a colour inside the axes; those of legends are not clipped."""
        return [p for p in tree.iter(SVG + "path") if p.get("clip-path")
                and p.get("style", "").startswith(f"fill: none; stroke: {colour}")]

    def file(self, run):
        import h5py
        return h5py.File(self.folder / run / "run.h5", "r")

    def test_curves_of_seeds(self):
        texts, tree = self.drawn("curves", *self.seeds)
        self.assertIn("layers, mean of 3 seeds; band: mean ± 1 standard deviation (n − 1)", texts)
        self.assertIn("validation accuracy, deployed network (%)", texts)
        self.assertIn("step (updates, over the whole run)", texts)
        self.assertIn("bsq <&$x$>", texts)  # as it is, no formula
        self.assertEqual(len(self.lines(tree, "#0072b2")), 1)
        self.assertEqual(len(self.lines(tree, "#d55e00")), 1)
        bands = [g for g in tree.iter(SVG + "g") if g.get("id", "").startswith("FillBetween")
                 or g.get("id", "").startswith("PolyCollection")]
        self.assertEqual(len(bands), 2)

    def test_curves_show_the_means(self):
        import numpy
        from plots import curves
        from plots.runs import group, open_runs
        cells = group(open_runs([str(self.folder / "runs/layers")]))
        self.assertEqual([cell.seeds() for cell in cells], [[1, 2, 3]])
        figure = curves.draw(cells)
        means = []
        for stage, line in enumerate(figure.axes[0].get_lines()[:2]):
            rows = [self.file(run)["metrics/evaluation"] for run in self.seeds]
            mine = rows[0]["stage"][:] == stage
            mean = 100 * numpy.mean([r["val_accuracy_hard"][:][mine] for r in rows], axis=0)
            numpy.testing.assert_allclose(line.get_ydata(), mean)
            numpy.testing.assert_array_equal(line.get_xdata(), rows[0]["step"][:][mine])
            means.append(mean)
        self.assertGreater(len(means[1]), 3)

    def test_one_seed_has_no_band(self):
        texts, tree = self.drawn(self.seeds[0])
        self.assertTrue(any(text == "layers, seed 1" for text in texts), texts)
        self.assertFalse([g for g in tree.iter(SVG + "g") if "PolyCollection" in g.get("id", "")])

    def test_cells_are_lines(self):
        texts, tree = self.drawn("curves", "runs/layers", "other", "--metric", "epoch/train_loss",
                                 "--band", "range", "--stage", "float")
        self.assertIn("layers: learning rate 0.1, mean of 3 seeds", texts)
        self.assertIn("layers: learning rate 0.2, seed 1", texts)
        self.assertTrue(any("smallest to largest" in text for text in texts), texts)
        self.assertIn("train loss (nats)", texts)

    def test_pareto(self):
        texts, _ = self.drawn("pareto", "runs/layers", "other", "--against", "size_stored")
        self.assertIn("size of the deployed network on disk (kB)", texts)
        self.assertIn("test accuracy, deployed network (%)", texts)
        self.assertIn("layers: learning rate 0.1 (3 seeds)", texts)
        self.assertIn("layers: learning rate 0.2 (1 seed)", texts)

    def test_bits(self):
        texts, _ = self.drawn("bits", self.seeds[0])
        for layer in ("fc1.weight", "fc2.weight", "fc3.weight"):
            self.assertIn(layer, texts)
        bits = self.file(self.seeds[0])["metrics/evaluation/bits"][-1]
        for value in bits:
            self.assertIn(f"{value:.3g}", texts)

    def test_histograms(self):
        texts, tree = self.drawn("histograms", self.seeds[0])
        self.assertIn("weights over time; layers, seed 1", texts)
        self.assertEqual([t for t in texts if t.endswith(".weight")],
                         ["fc1.weight", "fc2.weight", "fc3.weight"])
        self.assertGreaterEqual(len(list(tree.iter(SVG + "image"))), 3)
        texts, _ = self.drawn("histograms", self.seeds[0], "--of", "activations", "--layer", "fc1")
        self.assertIn("fc1", texts)
        self.assertNotIn("fc2", texts)

    def test_grid(self):
        import numpy
        texts, _ = self.drawn("grid", "runs/grid/seed-1")
        cells = 100 * self.file("runs/grid/seed-1")["grids/widths/accuracy"][:]
        for value in cells.flat:
            self.assertIn(f"{value:.1f}", texts)
        self.assertIn("weight bits", texts)
        self.assertIn("activation bits", texts)
        shown = [t for t in texts if re.fullmatch(r"\d+\.\d", t)]
        self.assertGreaterEqual(len(shown), cells.size)
        texts, _ = self.drawn("grid", "runs/grid/seed-1", "--at", "activation_bits=4")
        fixed = self.file("runs/grid/seed-1")["grids/widths"]
        at = list(fixed["activation_bits"][:]).index(4)
        axis = fixed.attrs["axes"].decode().split().index("activation_bits")
        for value in numpy.take(cells, at, axis).flat:
            self.assertIn(f"{value:.1f}", texts)

    def test_formats_and_equal_bytes(self):
        for name, magic in (("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")):
            self.plot(self.seeds[0], "-o", name)
            once = (self.folder / name).read_bytes()
            self.assertTrue(once.startswith(magic), name)
            self.plot(self.seeds[0], "-o", name)
            self.assertEqual((self.folder / name).read_bytes(), once, name)
        self.plot(self.seeds[0])
        self.assertTrue((self.folder / self.seeds[0] / "accuracy.png").exists())

    def test_as_a_program(self):
        done = subprocess.run([PLOT, "bits", self.seeds[0], "-o", "program.svg"], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertTrue((self.folder / "program.svg").exists())
        done = subprocess.run([PLOT, "nothing"], text=True, capture_output=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_wrong_uses(self):
        (self.folder / "empty").mkdir()
        (self.folder / "text.h5").write_text("no HDF5")
        seed = self.seeds[0]
        for words, says in (
            (["nothing"], "no such file or folder"),
            (["empty"], "no runs"),
            (["text.h5"], "cannot be read"),
            ([seed, "--metrics", "x"], "unrecognized arguments"),
            (["bits"], "RUN"),
            ([seed, "--metric", "val_acuracy_hard"], "did you mean 'val_accuracy_hard'"),
            ([seed, "--band", "sem"], "sem"),
            ([seed, "--stage", "flot"], "float"),
            ([seed, "-o", "x.jpg"], ".png, .svg, .pdf"),
            ([seed, "-o", "none/x.png"], "no folder none"),
            (["bits", *self.seeds], "3 runs"),
            (["bits", "runs/grid/seed-1"], "no series 'bits'"),
            (["histograms", "runs/grid/seed-1"], "log.histograms.every"),
            (["histograms", seed, "--layer", "fc1.wight"], "did you mean 'fc1.weight'"),
            (["grid", seed], "no evaluation grid"),
            (["grid", "runs/grid/seed-1", "--grid", "width"], "did you mean 'widths'"),
            (["grid", "runs/grid/seed-1", "--at", "weight_bits=3"], "no '3'"),
            (["grid", "runs/grid/seed-1", "--at", "weight_bit=2"], "did you mean 'weight_bits'"),
            (["pareto", seed, "--against", "bits"], "bits_per_weight"),
        ):
            with self.subTest(words=words):
                self.assertIn(says, self.plot(*words, status=2))


if __name__ == "__main__":
    try:
        import h5py  # noqa: F401
        import matplotlib  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(TOP / "scripts"))
    loader = importlib.machinery.SourceFileLoader("plot", PLOT)
    SCRIPT = importlib.util.module_from_spec(importlib.util.spec_from_loader("plot", loader))
    loader.exec_module(SCRIPT)
    os.environ.pop("BITWRIGHT_DATA", None)
    PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
