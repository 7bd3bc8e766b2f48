#!/usr/bin/env python3
"""The README's one-liners that read a run file (`python3 -c ... runs/quickstart/seed-1/run.h5`) do
so: each is taken from the README's text, run on a run of that name, and must print its last
validation accuracy. One whose packages are not installed is skipped, and says so."""

import os
import re
import shlex
import subprocess
import sys
import tempfile

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
NEEDED = {"h5py", "pandas", "xarray"}
RUN_FILE = "runs/quickstart/seed-1/run.h5"


def one_liners():
    """{set of imported modules: arguments of python3}"""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if line.startswith("python3 -c ")]
    found = {}
    for line in lines:
        arguments = shlex.split(line)[1:]
        modules = re.match(r"import ([\w, ]+);", arguments[1])[1]
        found[frozenset(modules.replace(" ", "").split(",")) - {"sys"}] = arguments
    missing = NEEDED - set().union(*found)
    assert not missing, f"README.md has no one-liner with {', '.join(missing)}"
    return found


def installed(module):
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True,
                          check=False).returncode == 0


def last_accuracy(path):
    code = "import h5py, sys; print(h5py.File(sys.argv[1])['metrics/epoch/val_accuracy'][-1])"
    return subprocess.check_output([sys.executable, "-c", code, path], text=True).strip()


def main():
    program = os.path.abspath(sys.argv[1])
    tried = 0
    lines = one_liners()
    if not installed("h5py"):
        print("readme_one_liners: skipped, python3-h5py is not installed")
        return 77
    with tempfile.TemporaryDirectory(prefix="one-liners-") as folder:
        subprocess.run([program, "run", os.path.join(TOP, "tests", "kill_campaign.yaml"),
                        "experiment=quickstart", "--quiet"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        accuracy = last_accuracy(os.path.join(folder, RUN_FILE))
        for modules, arguments in lines.items():
            # xarray reads HDF5 with h5netcdf.
            wanted = set(modules) | ({"h5netcdf"} if "xarray" in modules else set())
            missing = sorted(module for module in wanted if not installed(module))
            if missing:
                print(f"skipped: python3-{', python3-'.join(missing)} is not installed")
                continue
            assert arguments[-1] == RUN_FILE, f"another file: {arguments[-1]}"
            done = subprocess.run([sys.executable, *arguments], cwd=folder, text=True,
                                  capture_output=True, check=False)
            assert done.returncode == 0, f"{arguments}: {done.stderr}"
            assert accuracy in done.stdout, f"{accuracy} is not in what {arguments} prints:\n" \
                f"{done.stdout}"
            print(f"{', '.join(sorted(modules))}: prints the accuracy, {accuracy}")
            tried += 1
    print(f"readme_one_liners: {tried} of {len(lines)} run")
    return 0 if tried == len(lines) else 77


if __name__ == "__main__":
    sys.exit(main())
