#!/usr/bin/env python3
"""Kills runs of every method and proves that nothing is lost. Every round starts a run in a fresh
directory, has it killed with SIGKILL, looks at what it left, resumes it, and compares it with the
run of the same method that was never interrupted. Kills come, in turn, at a random moment, inside
the writing of a checkpoint, and inside a write to run.h5 (file_faults.cpp, preloaded: before,
in the middle of or after a random open, write, fsync or rename). Every fifth round kills the
resumed run too. What is proved, and counted:
  - run.h5 and every checkpoint are readable: run.h5 with h5py (swmr=True) while its writer is dead,
    and plainly from a copy that `bitwright repair` was run on; a checkpoint by its checksum;
  - no flushed record is lost: what a reader saw before the kill is there afterwards, and so is
    every record up to the newest checkpoint; all of them hold the uninterrupted run's bits;
  - at most one checkpoint interval is repeated;
  - the resumed run ends with the uninterrupted run's metrics, results and checkpoints, bit for bit."""

import argparse
import collections
import concurrent.futures
import glob
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

try:
    import h5py
except ImportError:
    print("kill_campaign: skipped, python3-h5py is not installed")
    sys.exit(77)

from kill_resume import (INCIDENTAL, Failure, check_resumed, interval_of, need, run_folder,
                         same_checkpoint, same_metrics)

METHODS = {
    "binary_connect": "{name: binary_connect}",
    "bit_drop": "{name: bit_drop}",
    "bsq": "{name: bsq, alpha: 1.0, interval: 1}",
    "compression_aware_training": "{name: compression_aware_training}",
    "dorefa": "{name: dorefa}",
    "lsq": "{name: lsq}",
    "pact": "{name: pact}",
    "prox_quant": "{name: prox_quant, reg_rate: 0.1}",
    "proximal_mean_field": "{name: proximal_mean_field, jacobian: eye_double, beta_rate: 1.1, "
                           "beta_interval: 7}",
    "robust_quantization": "{name: robust_quantization}",
    "uniform": "{name: uniform}",
}

KINDS = ("moments", "checkpoints", "moments", "writes of run.h5")


def preloaded(library, **variables):
    """The environment in which a program's file calls can be made to fail."""
    # The address sanitizer wants to be the first library, and works as the second, too.
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return {**os.environ, "LD_PRELOAD": os.path.abspath(library), "ASAN_OPTIONS": sanitizer,
            **variables}


class Experiment:
    """The experiment with one method."""

    def __init__(self, args, method):
        self.method = method
        self.preload = args.preload
        self.limit = args.limit
        self.program = os.path.abspath(args.program)
        self.command = [self.program, "run", os.path.abspath(args.file),
                        f"stages.quantize.methods=[{METHODS[method]}]", *args.override, "--quiet"]

    def start(self, out, *more, fault=None):
        environment = preloaded(self.preload, FILE_FAULT=fault) if fault else None
        return subprocess.Popen([*self.command, *more, "--out", out], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env=environment)

    def finish(self, out, *more, environment=None):
        done = subprocess.run([*self.command, *more, "--out", out], stdin=subprocess.DEVNULL,
                              text=True, capture_output=True, timeout=self.limit, check=False,
                              env=environment)
        need(done.returncode == 0,
             f"exit status {done.returncode} of {' '.join(more) or 'run'}: {done.stderr[-2000:]}")

    def run_reference(self, scratch):
        """Once to the end, counting the calls that a kill may hit."""
        self.out = os.path.join(scratch, self.method, "reference")
        log = os.path.join(scratch, f"{self.method}.log")
        begin = time.monotonic()
        self.finish(self.out, environment=preloaded(self.preload, FILE_FAULT_LOG=log))
        self.seconds = time.monotonic() - begin
        self.folder = run_folder(self.out)
        self.interval = interval_of(self.folder, None)
        with open(log, encoding="utf-8") as file:
            lines = [line.split(" ", 1) for line in file.read().splitlines()]
        self.calls = {name: collections.Counter(call for call, of in lines if name in of)
                      for name in ("checkpoint-", "run.h5")}
        self.records = read_records(self.folder)


def read_records(folder):
    """{dataset: its whole rows} of all tables of a run file, live, dead or ended."""
    records = {}
    path = os.path.join(folder, "run.h5")
    with h5py.File(path, "r", libver="latest", swmr=True) as file:
        def visit(name, item):
            if not isinstance(item, h5py.Group) or name.split("/")[0] in INCIDENTAL:
                return
            scale = item.attrs.get("scale")
            if scale is None:
                return
            rows = len(item[scale])
            for series in item:
                if series != "layer" and not series.startswith("layer_"):
                    records[f"{name}/{series}"] = item[series][:rows]
        file.visititems(visit)
        for series in ("step", "kind", "message"):
            records[f"events/{series}"] = file["events"][series][:len(file["events/step"])]
    need(any(name.startswith("metrics/step/") for name in records), f"no metrics in {path}")
    return records


def is_prefix(part, whole, what):
    for name, rows in part.items():
        need(name in whole, f"{what}: {name} is missing")
        need(rows.tobytes() == whole[name][:len(rows)].tobytes(), f"{what}: {name} differs")


class Reader(threading.Thread):
    """Reads a run's file again and again while the run is alive; keeps what it saw last."""

    def __init__(self, out):
        super().__init__()
        self.out = out
        self.stop = threading.Event()
        self.seen, self.error = None, None  # (which file, its records)

    def run(self):
        while not self.stop.is_set():
            try:
                folder = run_folder(self.out)
                if folder:
                    self.seen = (file_of(folder), read_records(folder))
            except Exception as error:  # whatever it is, the run file was not readable
                self.error = error
                return
            self.stop.wait(0.03)

    def last(self):
        self.stop.set()
        self.join()
        if self.error:
            raise Failure(f"a live run file is unreadable: {self.error}")
        return self.seen


def file_of(folder):
    """Which file it is: a resumed run replaces the one before."""
    return os.stat(os.path.join(folder, "run.h5")).st_ino


def is_finished(out):
    folder = run_folder(out)
    if folder is None:
        return False
    with h5py.File(os.path.join(folder, "run.h5"), "r", libver="latest", swmr=True) as file:
        return int(file["status"][()]) == 1


def checkpoint_is_whole(path):
    with open(path, "rb") as file:
        content = file.read()
    seal = re.search(rb"\nbitwright sha256 ([0-9a-f]{64})\n\Z", content)
    return seal and hashlib.sha256(content[:seal.start()]).hexdigest() == seal[1].decode()


def newest_checkpoint_step(folder):
    steps = [int(m[1]) for m in (re.search(r"checkpoint-(\d+)\.h5$", path)
                                 for path in glob.glob(os.path.join(folder, "checkpoint-*.h5"))) if m]
    return max(steps, default=0)


def choose_fault(experiment, kind, chance):
    """An entry of FILE_FAULT that kills in the middle of things."""
    name = "checkpoint-" if kind == "checkpoints" else "run.h5"
    calls = experiment.calls[name]
    # A file is opened and renamed once but written in many calls: each kind of call equally often.
    call = chance.choice(sorted(calls)) if kind == "checkpoints" else "write"
    action = chance.choice(("kill", "after", "torn") if call == "write" else ("kill", "after"))
    return f"{call}:{name}:{chance.randint(1, calls[call])}:{action}"


def kill(experiment, out, kind, chance, seconds, *more):
    """Starts a run and has it killed: (what was done, what a reader saw last), or None when the run
    was over before."""
    fault = None if kind == "moments" else choose_fault(experiment, kind, chance)
    moment = chance.uniform(0.02, 0.98) * seconds
    reader = Reader(out)
    process = experiment.start(out, *more, fault=fault)
    reader.start()
    try:
        text, _ = process.communicate(timeout=experiment.limit if fault else moment)
        need(process.returncode in (0, -9), f"exit status {process.returncode}: {text[-1000:]}")
        killed = process.returncode == -9
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        killed = True
    finally:
        seen = reader.last()
    return (fault or f"after {moment:.2f} s", seen) if killed else None


def look_at(experiment, out, seen, scratch):
    """What a killed run left; returns the last step on record."""
    folder = run_folder(out)
    if folder is None:
        need(seen is None, "the run file is gone")
        return 0
    try:
        records = read_records(folder)
    except (OSError, KeyError) as error:
        raise Failure(f"unreadable: {error}") from error
    if seen and seen[0] == file_of(folder):
        is_prefix(seen[1], records, "lost: a record that was read before the kill")
    known = {name: rows for name, rows in records.items() if not name.startswith("events/")}
    is_prefix(known, experiment.records, "lost: a record")
    for path in glob.glob(os.path.join(folder, "checkpoint-*.h5")):
        need(checkpoint_is_whole(path), f"unreadable: {path}")
    steps = records["metrics/step/step"]
    last = int(steps[-1]) if len(steps) else 0
    need(last >= newest_checkpoint_step(folder), "lost: records before the newest checkpoint")
    repaired = os.path.join(scratch, "repaired")
    shutil.copytree(folder, repaired)
    done = subprocess.run([experiment.program, "repair", repaired], text=True, capture_output=True,
                          timeout=experiment.limit, check=False)
    need(done.returncode == 0, f"unreadable: repair: {done.stderr}")
    with h5py.File(os.path.join(repaired, "run.h5"), "r"):
        pass
    is_prefix(records, read_records(repaired), "lost: a record in repair")
    shutil.rmtree(repaired)
    return last


def try_round(experiment, number, chance, out, scratch):
    """What was done as a list and the steps repeated; None when the run was over before."""
    kinds = [KINDS[number % len(KINDS)]] + (["moments"] if number % 5 == 4 else [])
    done, last, seconds = [], 0, experiment.seconds
    for kind in kinds:
        killed = kill(experiment, out, kind, chance, seconds, *(["--resume"] if done else []))
        if killed is None:
            break
        done.append((kind, killed[0]))
        last = look_at(experiment, out, killed[1], scratch)
        seconds *= 0.5
    if not done:
        return None
    was_over = is_finished(out)  # killed at its very end
    experiment.finish(out, "--resume")
    folder = run_folder(out)
    at, repeated = (last, 0) if was_over else check_resumed(folder, last, experiment.interval)
    same_metrics(experiment.folder, folder)
    same_checkpoint(experiment.folder, folder)
    print(f"{number + 1}: {experiment.method}: {', then '.join(what for _, what in done)}: "
          f"step {last} recorded, resumed from {at}, {repeated} repeated: equal", flush=True)
    return done, repeated


class Tally:
    """What all rounds came to."""

    def __init__(self):
        self.kills, self.rounds, self.repeated = collections.Counter(), 0, 0
        self.failures = []

    def add(self, done, repeated):
        self.kills.update(kind for kind, _ in done)
        self.rounds += 1
        self.repeated = max(self.repeated, repeated)

    def fail(self, experiment, number, error):
        self.failures.append(f"round {number + 1}: {experiment.method}: {error}")
        print(f"FAILED: {self.failures[-1]}", flush=True)

    def __str__(self):
        total = sum(self.kills.values())
        kinds = ", ".join(f"{count} at {kind}" for kind, count in sorted(self.kills.items()))
        unreadable = sum("unreadable" in failure for failure in self.failures)
        lost = sum("lost" in failure for failure in self.failures)
        return (f"{total} kills ({kinds}): {unreadable} files unreadable, {lost} flushed records "
                f"lost, at most {self.repeated} steps repeated, {self.rounds} of "
                f"{self.rounds + len(self.failures)} resumed runs equal")


def one_round(experiment, number, args, scratch, tally):
    """Tries until a kill hits; each round draws its moments from a seed of its own."""
    chance = random.Random(f"{args.seed} {number}")
    out = os.path.join(scratch, f"round-{number}")
    try:
        for _ in range(20):
            os.makedirs(out)
            result = try_round(experiment, number, chance, os.path.join(out, "runs"), out)
            shutil.rmtree(out)
            if result:
                tally.add(*result)
                return
        raise Failure("the run ends before it can be killed")
    except (Failure, OSError, KeyError, subprocess.TimeoutExpired) as error:
        tally.fail(experiment, number, error)


def campaign(args, scratch):
    experiments = [Experiment(args, method) for method in args.methods]
    tally = Tally()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for experiment, _ in zip(experiments, pool.map(lambda e: e.run_reference(scratch),
                                                       experiments)):
            print(f"{experiment.method}: {experiment.seconds:.1f} s uninterrupted", flush=True)
        first = 0
        while sum(tally.kills.values()) < args.kills and len(tally.failures) < 10:
            last = first + min(args.kills - sum(tally.kills.values()), 20)
            for done in [pool.submit(one_round, experiments[number % len(experiments)], number,
                                     args, scratch, tally) for number in range(first, last)]:
                done.result()
            first = last
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program bitwright")
    parser.add_argument("preload", help="the library made of faults/file_faults.cpp")
    parser.add_argument("file", help="experiment file with the stage 'quantize'")
    parser.add_argument("override", nargs="*", metavar="key=value")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2, help="rounds at a time")
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS))
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments")
    parser.add_argument("--limit", type=float, default=900, help="seconds that one run may take")
    parser.add_argument("--keep", action="store_true", help="keep the directories of failures")
    args = parser.parse_args()
    print(f"kill_campaign: moments from seed {args.seed}", flush=True)
    scratch = tempfile.mkdtemp(prefix="kill-campaign-")
    try:
        tally = campaign(args, scratch)
        print(f"kill_campaign: {len(args.methods)} methods, {tally}")
        print(f"kill_campaign: {'FAILED' if tally.failures else 'passed'}")
        return 1 if tally.failures else 0
    except (Failure, OSError, KeyError, subprocess.TimeoutExpired) as error:
        print(f"kill_campaign: FAILED: {type(error).__name__}: {error}")
        return 1
    finally:
        if args.keep:
            print(f"kill_campaign: see {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
