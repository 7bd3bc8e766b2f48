#!/usr/bin/env python3
"""Usage: tests/export_torch.py BITWRIGHT
Tests scripts/export-torch: names and values of what it writes, that the program starts from it, and
what it refuses. Skipped (exit status 77) without PyTorch and h5py."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
SCRIPT = os.path.join(TOP, "scripts", "export-torch")
EXPERIMENT = """
experiment: exported
threads: 1
data: {name: glyphs, train_images: 200, test_images: 50, split: {validation: 50}, batch: 50}
network: NETWORK
init: {from: FILE}
stages: [{name: float, steps: 1, optimizer: {name: sgd, learning_rate: 0.01}}]
"""


def script(*words):
    """What the script does, in this process: starting PyTorch takes longer than all else."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = EXPORT.main(list(words))
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


def norm(layer, channels):
    """A batch normalisation as its state_dict has it."""
    return {f"{layer}.weight": torch.rand(channels), f"{layer}.bias": torch.rand(channels),
            f"{layer}.running_mean": torch.rand(channels),
            f"{layer}.running_var": torch.rand(channels),
            f"{layer}.num_batches_tracked": torch.tensor(3)}


def conv(layer, out, inputs, size):
    return {f"{layer}.weight": torch.randn(out, inputs, size, size) * 0.1}


def linear(layer, out, inputs):
    return {f"{layer}.weight": torch.randn(out, inputs) * 0.1, f"{layer}.bias": torch.zeros(out)}


def lenet():
    """The state of nn.Sequential(Flatten, Linear, BatchNorm, ReLU, Linear ...) of LeNet-300."""
    return {**linear("1", 300, 784), **norm("2", 300), **linear("4", 100, 300), **norm("5", 100),
            **linear("7", 10, 100)}


def resnet(blocks=1, widths=(16, 32, 64), last="fc", shortcut="downsample"):
    """The state of a residual network with option B as torchvision names it."""
    state = {**conv("conv1", widths[0], 1, 3), **norm("bn1", widths[0])}
    channels = widths[0]
    for stage, width in enumerate(widths, 1):
        for block in range(blocks):
            layer = f"layer{stage}.{block}"
            state |= {**conv(f"{layer}.conv1", width, channels, 3), **norm(f"{layer}.bn1", width),
                      **conv(f"{layer}.conv2", width, width, 3), **norm(f"{layer}.bn2", width)}
            if channels != width:
                state |= {**conv(f"{layer}.{shortcut}.0", width, channels, 1),
                          **norm(f"{layer}.{shortcut}.1", width)}
            channels = width
    return {**state, **linear(last, 10, channels)}


class ExportTorch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.target = os.path.join(self.folder, "weights.h5")
        torch.manual_seed(1)

    def export(self, state, *words, torch_save=True):
        source = os.path.join(self.folder, "state.pt")
        if torch_save:
            torch.save(state, source)
        else:
            with open(source, "wb") as file:
                file.write(state)
        return script(source, self.target, *words)

    def arrays(self):
        with h5py.File(self.target, "r") as file:
            return {name: file[name][()] for name in file}

    def assert_starts(self, network):
        config = os.path.join(self.folder, "exported.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(EXPERIMENT.replace("NETWORK", network).replace("FILE", self.target))
        done = subprocess.run([PROGRAM, "run", config, "--quiet", "--overwrite", "--out",
                               os.path.join(self.folder, "runs")], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def assert_refused(self, done, *words):
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse(os.path.exists(self.target))

    def test_layers_in_their_order(self):
        state = lenet()
        done = self.export(state, "--list")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("fc1.weight [300, 784]\n", done.stdout)
        arrays = self.arrays()
        self.assertEqual(len(arrays), 3 * 2 + 2 * 4)
        for ours, theirs in {"fc1.weight": "1.weight", "bn1.scale": "2.weight",
                             "bn1.shift": "2.bias", "bn2.running_mean": "5.running_mean",
                             "bn2.running_variance": "5.running_var", "fc3.bias": "7.bias"}.items():
            self.assertEqual(arrays[ours].tobytes(), state[theirs].numpy().tobytes(), ours)
        self.assert_starts("{name: lenet300, affine: true}")

    def test_names_of_residual_networks(self):
        state = resnet()
        self.assertEqual(self.export(state).returncode, 0)
        arrays = self.arrays()
        for ours, theirs in {"layer1.0.conv2.weight": "layer1.0.conv2.weight",
                             "layer2.0.shortcut.conv.weight": "layer2.0.downsample.0.weight",
                             "layer3.0.shortcut.bn.running_variance":
                                 "layer3.0.downsample.1.running_var"}.items():
            self.assertEqual(arrays[ours].tobytes(), state[theirs].numpy().tobytes(), ours)
        self.assert_starts("{name: resnet8, shortcut: B}")
        self.assertEqual(self.export(resnet(2, (16, 32, 64, 128), "linear", "shortcut")).returncode,
                         0)
        self.assert_starts("{name: resnet18, width: 0.25}")

    def test_what_stands_around_a_state(self):
        wrapped = {"epoch": 7, "state_dict": {"module." + k: v for k, v in lenet().items()}}
        self.assertEqual(self.export(wrapped).returncode, 0)
        self.assertIn("fc1.weight", self.arrays())
        self.assertEqual(self.export(lenet(), "--names", "same", "--rename", "1=fc1").returncode, 0)
        self.assertTrue({"fc1.weight", "2.scale", "7.bias"} <= set(self.arrays()))

    def test_what_cannot_be_used(self):
        self.assert_refused(self.export(b"nothing", torch_save=False), "cannot be read")
        self.assert_refused(self.export(torch.nn.Linear(2, 2)), "cannot be read", "state_dict")
        self.assert_refused(self.export([torch.zeros(2)]), "holds no state_dict")
        self.assert_refused(self.export({"w": torch.zeros(2)}), "outside any layer")
        self.assert_refused(self.export({"fc.weight": torch.zeros(2, 2, dtype=torch.int8)}),
                            "'fc.weight' holds torch.int8")
        self.assert_refused(self.export(lenet(), "--rename", "4=fc3", "--rename", "7=fc3",
                                        "--names", "same"), "two arrays would be called 'fc3.")
        none = os.path.join(self.folder, "none.pt")
        self.assert_refused(script(none, self.target), none + ": error: cannot be read")
        self.target = os.path.join(self.folder, "none", "weights.h5")
        self.assert_refused(self.export(lenet()), "cannot be written")


if __name__ == "__main__":
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        sys.exit(0)
    try:
        import h5py
        import torch
    except ImportError as missing:
        print(f"export_torch: skipped, {missing}")
        sys.exit(77)
    loader = importlib.machinery.SourceFileLoader("export_torch_script", SCRIPT)
    EXPORT = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(EXPORT)
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    unittest.main()
