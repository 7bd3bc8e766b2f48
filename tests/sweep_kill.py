#!/usr/bin/env python3
"""Proves that a sweep that is killed again and again ends as one that never was. Runs a sweep once to
its end, then once more in a fresh directory: killed with SIGKILL at random moments, sometimes the
whole sweep, sometimes one cell, and continued with --resume. Checks that
  - every metric and result of every cell equals the uninterrupted sweep's bit for bit, and so do its
    final checkpoints;
  - a cell that was finished before a kill is not touched afterwards;
  - SIGTERM saves all cells, leaves no process behind, and exits with 143;
  - the sweep goes on with the program it was started with when that file is removed."""

import argparse
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

try:
    import h5py
except ImportError:
    print("sweep_kill: skipped, python3-h5py is not installed")
    sys.exit(77)

from kill_resume import Failure, masked_bytes, need, same_metrics


def cells_of(out):
    """{cell: run directory} of everything that has a run.h5."""
    found = glob.glob(os.path.join(out, "**", "run.h5"), recursive=True)
    return {os.path.relpath(os.path.dirname(f), out): os.path.dirname(f) for f in found}


def finished(folder):
    try:
        with h5py.File(os.path.join(folder, "run.h5"), "r") as file:
            return int(file["status"][()]) == 1
    except OSError:
        return False  # its writer is at work, or was killed


def stamps(out):
    """Of the files of finished cells: these must not change any more."""
    return {folder: os.stat(os.path.join(folder, "run.h5")).st_mtime_ns
            for folder in cells_of(out).values() if finished(folder)}


def processes_in(out):
    """Identifiers of processes whose command line names this directory."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if out.encode() in file.read().split(b"\0"):
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


class Sweep:
    def __init__(self, args, out):
        self.out = out
        self.command = [os.path.abspath(args.program), "run", os.path.abspath(args.file),
                        *args.override, "-j", str(args.jobs), "--out", out, "--quiet"]
        self.limit = args.limit

    def start(self, *more, program=None):
        command = [program or self.command[0], *self.command[1:]]
        return subprocess.Popen([*command, *more], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish_without_program(self, copy):
        """As finish(), by a copy of the program that is removed while the first cells run."""
        shutil.copy(self.command[0], copy)
        process = self.start(program=copy)
        while not cells_of(self.out) and process.poll() is None:
            time.sleep(0.01)
        os.remove(copy)
        return self.ended(process)

    def finish(self, *more):
        return self.ended(self.start(*more))

    def ended(self, process):
        out, err = process.communicate(timeout=self.limit)
        need(process.returncode == 0, f"exit status {process.returncode}: {out[-1000:]}{err[-2000:]}")
        return out.split()

    def alone(self):
        """Waits until the cells of a killed sweep have gone, as they do without being told."""
        deadline = time.monotonic() + 30
        while processes_in(self.out):
            need(time.monotonic() < deadline, "cells outlive the sweep that started them")
            time.sleep(0.02)


def kill_whole(sweep, process, wait):
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if wait:
        sweep.alone()
    return "the sweep"


def kill_cell(sweep, process, chance):
    cells = [p for p in processes_in(sweep.out) if p != process.pid]
    if not cells:
        return None
    os.kill(chance.choice(cells), signal.SIGKILL)
    try:  # it goes on with the others
        process.communicate(timeout=chance.uniform(0.2, 1.5))
        need(process.returncode in (0, 128 + signal.SIGKILL),
             f"exit status {process.returncode} after a cell was killed")
    except subprocess.TimeoutExpired:
        kill_whole(sweep, process, wait=True)
    return "one cell, then the sweep"


def stop_and_look(sweep, seconds):
    sweep.alone()  # cells of a sweep killed before may still be saving, and are not this one's
    process = sweep.start("--resume")
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=sweep.limit)
    need(process.returncode in (0, 143, -signal.SIGTERM),
         f"exit status {process.returncode} of SIGTERM")
    if process.returncode == -signal.SIGTERM:  # it came before the program was ready for it
        sweep.alone()
    need(not processes_in(sweep.out), "processes are left behind")
    return process.returncode == 143


def one_kill(sweep, chance, number, seconds):
    """True when something was killed. Every third time one cell instead of the sweep."""
    before = stamps(sweep.out)
    process = sweep.start("--resume")
    moment = chance.uniform(0.04, 0.2) * seconds
    try:
        process.communicate(timeout=moment)
        need(process.returncode == 0, f"exit status {process.returncode}")
        return False  # it was over
    except subprocess.TimeoutExpired:
        pass
    if number % 3 == 2:
        what = kill_cell(sweep, process, chance)
    else:
        what = kill_whole(sweep, process, wait=number % 2 == 0)
    if what is None:
        process.communicate(timeout=sweep.limit)
        return False
    after = stamps(sweep.out)
    need(all(after.get(folder) == stamp for folder, stamp in before.items()),
         "a finished cell was touched")
    print(f"kill {number + 1}: {what} after {moment:.2f} s; {len(after)} cells finished", flush=True)
    return True


def compare(reference, sweep):
    expected, got = cells_of(reference), cells_of(sweep.out)
    need(set(expected) == set(got), f"cells differ: {sorted(set(expected) ^ set(got))}")
    for cell, folder in sorted(expected.items()):
        count = same_metrics(folder, got[cell])
        # Of the others, a signal may have left one where none would be.
        final = [os.path.join(where, "checkpoint-final.h5") for where in (folder, got[cell])]
        need(masked_bytes(final[0]) == masked_bytes(final[1]), f"{cell}: final checkpoints differ")
        print(f"{cell}: {count} datasets and the final checkpoint equal", flush=True)
    return len(expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program bitwright")
    parser.add_argument("file", help="experiment file with a sweep")
    parser.add_argument("override", nargs="*", metavar="key=value")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cells", type=int, help="as many as there must be")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments")
    parser.add_argument("--limit", type=float, default=900, help="seconds that one sweep may take")
    args = parser.parse_intermixed_args()
    print(f"sweep_kill: moments from seed {args.seed}", flush=True)
    chance = random.Random(args.seed)
    try:
        with tempfile.TemporaryDirectory(prefix="sweep-kill-") as scratch:
            whole = Sweep(args, os.path.join(scratch, "whole"))
            begin = time.monotonic()
            files = whole.finish_without_program(os.path.join(scratch, "bitwright"))
            seconds = time.monotonic() - begin
            print(f"uninterrupted: {len(files)} cells, {seconds:.1f} s", flush=True)
            need(not args.cells or len(files) == args.cells, f"{len(files)} cells")
            kills = rounds = 0
            broken = Sweep(args, os.path.join(scratch, "broken"))
            while kills < args.kills:
                rounds += 1
                need(rounds < 3 * args.kills + 5, "the sweep ends before it can be killed")
                if one_kill(broken, chance, kills, 5 * seconds / max(5, args.kills)):
                    kills += 1
                else:  # it was over: that one counts, and the kills go on in another
                    compare(whole.out, broken)
                    broken = Sweep(args, os.path.join(scratch, f"broken-{rounds}"))
            stopped = any(stop_and_look(broken, wait * seconds / 100) for wait in (3, 6, 12, 24))
            need(stopped, "the sweep was never stopped by SIGTERM")
            broken.finish("--resume")
            compare(whole.out, broken)
        print(f"sweep_kill: passed, {kills} kills")
        return 0
    except (Failure, OSError, KeyError, subprocess.TimeoutExpired) as error:
        print(f"sweep_kill: FAILED: {type(error).__name__}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
