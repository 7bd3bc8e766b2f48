#!/usr/bin/env python3
"""A run is read while it is written: a reader polls run.h5 with h5py (swmr=True) and, where it is
installed, with xarray, as often as --polls says. No poll may fail, rows may only be added, and the
run must end with the bits of one that nobody looked at."""

import argparse
import os
import subprocess
import sys
import tempfile
import time

try:
    import h5py
except ImportError:
    print("polling_reader: skipped, python3-h5py is not installed")
    sys.exit(77)
try:
    import h5netcdf
    import xarray
except ImportError:
    xarray = None

from kill_campaign import is_prefix, read_records
from kill_resume import Failure, need, run_folder, same_checkpoint, same_metrics


def start(args, out):
    command = [os.path.abspath(args.program), "run", os.path.abspath(args.file),
               "stages.quantize.methods=[lsq]", "--quiet", "--out", out]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def read_with_xarray(folder):
    with h5netcdf.File(os.path.join(folder, "run.h5"), "r", swmr=True) as file:
        store = xarray.backends.H5NetCDFStore(file["metrics/step"])
        return xarray.open_dataset(store)["train_loss"].values


class Poller:
    """What is read must be what was read before, and more."""

    def __init__(self):
        self.polls, self.xarray_polls, self.live = 0, 0, 0
        self.seen = {}

    def poll(self, folder, alive):
        records = read_records(folder)
        is_prefix(self.seen, records, "a row changed")
        self.seen = records
        self.polls += 1
        self.live += alive
        if xarray and self.polls % 2:
            loss = read_with_xarray(folder)
            before = records["metrics/step/train_loss"]
            need(loss[:len(before)].tobytes() == before.tobytes(), "xarray reads other numbers")
            self.xarray_polls += 1


def watch(args, scratch, poller, number):
    """One run, polled from its first moment until it ends."""
    out = os.path.join(scratch, f"watched-{number}")
    process = start(args, out)
    poller.seen = {}
    deadline = time.monotonic() + args.limit
    while process.poll() is None:
        need(time.monotonic() < deadline, "the run does not end")
        folder = run_folder(out)
        if folder:
            poller.poll(folder, True)
        else:
            time.sleep(0.01)
    need(process.returncode == 0, f"exit status {process.returncode} of a run that was read")
    return run_folder(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program bitwright")
    parser.add_argument("file", help="kill_campaign.yaml")
    parser.add_argument("--polls", type=int, default=1000)
    parser.add_argument("--limit", type=float, default=900, help="seconds that one run may take")
    args = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="polling-reader-") as scratch:
            out = os.path.join(scratch, "alone")
            need(start(args, out).wait(args.limit) == 0, "the run that nobody reads")
            poller, runs = Poller(), 0
            while poller.polls < args.polls:
                folder = watch(args, scratch, poller, runs)
                poller.poll(folder, False)
                same_metrics(run_folder(out), folder)
                same_checkpoint(run_folder(out), folder)
                runs += 1
                need(poller.live >= runs, "no poll hit a living run")
        also = f"{poller.xarray_polls} of them also with xarray" if xarray else \
            "xarray is not installed"
        print(f"polling_reader: passed, {poller.polls} polls of {runs} runs, {poller.live} while "
              f"they lived, {also}; runs as if unread")
        return 0
    except (Failure, OSError, KeyError, ValueError, subprocess.TimeoutExpired) as error:
        print(f"polling_reader: FAILED: {type(error).__name__}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
