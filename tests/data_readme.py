#!/usr/bin/env python3
"""Usage: tests/data_readme.py PROGRAM
Runs the conversions that datasets/README.md shows on small arrays, and reads the files with
`PROGRAM data check`."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
except ImportError:
    print("skipped: no NumPy")
    sys.exit(77)

README = os.path.join(os.path.dirname(__file__), "..", "datasets", "README.md")
with open(README, encoding="utf-8") as file:
    BLOCKS = re.findall(r"```python\n(.*?)```", file.read(), re.S)


class Conversions(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)

    def found(self):
        done = subprocess.run([PROGRAM, "data", "check", ".", "--json"], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              env=dict(os.environ, XDG_CACHE_HOME=os.getcwd() + "/cache"))
        self.assertEqual(done.returncode, 0, done.stderr)
        return {entry["set"]: entry for entry in json.loads(done.stdout)}

    def test_npz_to_idx(self):
        images = np.arange(5 * 784).reshape(5, 28, 28) % 256
        np.savez("mnist.npz", x_train=images, y_train=np.arange(5), x_test=images[:2],
                 y_test=np.arange(2))
        exec(BLOCKS[0], {})
        mnist = self.found()["mnist"]
        self.assertEqual((mnist["train"], mnist["test"], mnist["classes"]), (5, 2, 5))

    def test_arrays_to_cifar10(self):
        images = np.zeros((50, 32, 32, 3), np.uint8)
        labels = np.arange(50, dtype=np.uint8) % 10
        block = BLOCKS[1].replace("10000", "10")
        exec(block, {"np": np, "x_train": images, "y_train": labels, "x_test": images[:10],
                     "y_test": labels[:10]})
        cifar = self.found()["cifar10"]
        self.assertEqual((cifar["train"], cifar["test"], cifar["classes"]), (50, 10, 10))


if __name__ == "__main__":
    if sys.argv[1:] in ([], ["-h"], ["--help"]):
        print(__doc__)
        sys.exit(0 if sys.argv[1:] else 2)
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    unittest.main()
