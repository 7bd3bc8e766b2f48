#!/usr/bin/env python3
"""Proves that a killed run resumes to the same bits. Runs an experiment once to the end, then again
and again in fresh directories, each time killed with SIGKILL at a random moment (every fourth twice)
and resumed, and checks each time:
  - run.h5 opens with h5py while its writer is dead (swmr=True), its steps strictly increasing;
  - `--resume` exits 0, and its event in /events says from which step;
  - the work repeated is at most one checkpoint interval plus a step;
  - every metric and result equals the uninterrupted run's bit for bit, so each row is there once;
  - the final checkpoint is the uninterrupted run's byte for byte, its group `wallclock` aside.
At least half of the kills fall into the middle of an epoch. Then once each: SIGINT and SIGTERM save
and can be resumed; `--resume` without a checkpoint, on a finished run, and with a changed
configuration; an existing directory without a flag."""

import argparse
import glob
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

try:
    import h5py
    import numpy
except ImportError:
    print("kill_resume: skipped, python3-h5py is not installed")
    sys.exit(77)

# Groups of run.h5 that differ between equal runs: what happened, when, and how it was called.
INCIDENTAL = ("events", "wallclock", "provenance", "progress")


class Failure(Exception):
    pass


def need(condition, message):
    if not condition:
        raise Failure(message)


class Experiment:
    """One experiment as it is run here: program, file, overrides."""

    def __init__(self, args):
        self.command = [os.path.abspath(args.program), "run", os.path.abspath(args.file),
                        *args.override]
        self.limit = args.limit

    def arguments(self, out, *more):
        return [*self.command, *more, "--out", out]

    def start(self, out, *more):
        self.log = open(os.path.join(out, "log.txt"), "a", encoding="utf-8")
        return subprocess.Popen(self.arguments(out, *more), stdin=subprocess.DEVNULL,
                                stdout=self.log, stderr=self.log, cwd=out)

    def finish(self, out, *more, expect=0):
        """Runs to the end; returns (standard output, standard error)."""
        done = subprocess.run(self.arguments(out, *more), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, cwd=out, timeout=self.limit, check=False)
        need(done.returncode == expect,
             f"exit status {done.returncode} instead of {expect} of: "
             f"{' '.join(self.arguments(out, *more))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout, done.stderr


def run_folder(out):
    """The run directory below `out`, or None while there is no run.h5."""
    found = glob.glob(os.path.join(out, "**", "run.h5"), recursive=True)
    need(len(found) <= 1, f"several runs in {out}: choose one seed")
    return os.path.dirname(found[0]) if found else None


def datasets(file):
    """{path: dataset} of everything that must be equal in equal runs."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and name.split("/")[0] not in INCIDENTAL:
            found[name] = item

    file.visititems(visit)
    return found


def read_steps(folder):
    """Steps recorded so far, read as from a dead or living writer."""
    with h5py.File(os.path.join(folder, "run.h5"), "r", libver="latest", swmr=True) as file:
        steps = file["metrics/step/step"][:]
        file["metrics/epoch/step"][:]
        need(numpy.all(numpy.diff(steps) > 0), f"steps do not increase in {folder}")
    return steps


def read_events(folder):
    with h5py.File(os.path.join(folder, "run.h5"), "r", libver="latest", swmr=True) as file:
        events = file["events"]
        kinds = [k.decode() if isinstance(k, bytes) else str(k) for k in events["kind"][:]]
        return list(zip(events["step"][:].tolist(), kinds))


def same_metrics(reference, folder):
    """Every dataset of the two run files has the same bytes. Opened plainly: the run has ended."""
    with h5py.File(os.path.join(reference, "run.h5"), "r") as a, \
            h5py.File(os.path.join(folder, "run.h5"), "r") as b:
        left, right = datasets(a), datasets(b)
        need(set(left) == set(right), f"datasets differ: {sorted(set(left) ^ set(right))}")
        need(any(name.startswith("metrics/step/") for name in left), "no metrics in run.h5")
        for name in left:
            x, y = left[name], right[name]
            need(x.shape == y.shape and x.dtype == y.dtype,
                 f"{name}: {x.shape} {x.dtype} and {y.shape} {y.dtype}")
            if x.dtype.kind == "O" or x.dtype.hasobject:
                need(x[()].tolist() == y[()].tolist() if x.shape else x[()] == y[()],
                     f"{name} differs")
            elif x[()].tobytes() != y[()].tobytes():
                row = next((i for i in range(len(x)) if x[i].tobytes() != y[i].tobytes()), None) \
                    if x.shape else None
                raise Failure(f"{name} differs, first in row {row}: {x[row or ()]} {y[row or ()]}")
        return len(left)


def masked_bytes(path):
    """The bytes of a checkpoint with the values of its group `wallclock`, and then the checksum
    behind them, set to zero."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    with h5py.File(path, "r") as file:
        def visit(name, item):
            if "wallclock" in name.split("/") and isinstance(item, h5py.Dataset):
                offset, size = item.id.get_offset(), item.id.get_storage_size()
                need(offset is not None, f"{path}: {name} is not stored in one piece")
                content[offset:offset + size] = bytes(size)
        file.visititems(visit)
        if "wallclock" in file:
            content = re.sub(rb"(sha256 )[0-9a-f]{64}(\n)\Z", rb"\1\2", content)
    return bytes(content)


def same_checkpoint(reference, folder):
    names = [sorted(os.path.basename(p) for p in glob.glob(os.path.join(where, "checkpoint-*.h5")))
             for where in (reference, folder)]
    need(names[0] and names[0] == names[1], f"checkpoints differ in name: {names[0]} {names[1]}")
    for name in names[0]:
        a, b = (masked_bytes(os.path.join(where, name)) for where in (reference, folder))
        if a != b:
            first = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            count = sum(x != y for x, y in zip(a, b))
            raise Failure(f"{name} differs in {count} bytes, first at {first}; "
                          f"sizes {len(a)} and {len(b)}")
    return names[0]


def interval_of(folder, given):
    """Steps between two checkpoints, from the resolved configuration of the run."""
    if given:
        return given
    with open(os.path.join(folder, "config.yaml"), encoding="utf-8") as file:
        text = file.read()
    match = re.search(r"^checkpoint:\s*\n(?:[ \t]+.*\n)*?[ \t]+every:\s*(\d+)", text, re.M) or \
        re.search(r"checkpoint_every:\s*(\d+)", text)
    need(match, "config.yaml does not say how often a checkpoint is written; give --interval")
    return int(match.group(1))


def kill_once(experiment, out, seconds, *more):
    """Starts, kills after `seconds`; False when the run was over before."""
    process = experiment.start(out, *more)
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    finally:
        experiment.log.close()


def wait_for_step(experiment, out, process, step):
    """Waits until a living run has recorded `step`, reading the file meanwhile."""
    deadline = time.monotonic() + experiment.limit
    while time.monotonic() < deadline and process.poll() is None:
        folder = run_folder(out)
        if folder:
            steps = read_steps(folder)
            if len(steps) and steps[-1] >= step:
                return folder
        time.sleep(0.02)
    process.kill()
    raise Failure(f"step {step} was never recorded")


def check_resumed(folder, last, interval):
    """The newest `resumed` event against the last step recorded before it; returns the step it
    names (0: started over, there was no checkpoint yet) and how many steps were repeated."""
    at = [step for step, kind in read_events(folder) if kind == "resumed"][-1:] or [0]
    repeated = last - at[0]
    need(repeated <= interval + 1,
         f"resumed from step {at[0]} though step {last} was recorded: "
         f"{repeated} steps repeated, checkpoint interval {interval}")
    return at[0], repeated


def one_round(experiment, reference, ends, interval, seconds, chance, out, number):
    """One fresh directory: kill, resume, compare. True when a kill fell inside an epoch; None when
    the run was over before it could be killed."""
    moments, last, inside = [], 0, False
    left = seconds
    for resume in [(), ("--resume",)][:2 if number % 4 == 3 else 1]:
        moment = chance.uniform(0.02, 0.98) * left
        if not kill_once(experiment, out, moment, *resume):
            break
        moments.append(moment)
        left -= moment
        folder = run_folder(out)
        steps = read_steps(folder) if folder else []
        last = int(steps[-1]) if len(steps) else 0
        inside = inside or last not in ends
    if not moments:
        return None
    experiment.finish(out, "--resume")
    folder = run_folder(out)
    at, repeated = check_resumed(folder, last, interval)
    same_metrics(reference, folder)
    same_checkpoint(reference, folder)
    print(f"kill {number + 1}: after {', then '.join(f'{m:.2f}' for m in moments)} s, step {last} "
          f"recorded, resumed from {at}, {repeated} steps repeated: equal", flush=True)
    return inside


def stop_and_resume(experiment, reference, out, number, status, step):
    process = experiment.start(out)
    wait_for_step(experiment, out, process, step)
    process.send_signal(number)
    code = process.wait(experiment.limit)
    experiment.log.close()
    need(code == status, f"exit status {code} instead of {status} after signal {number}")
    experiment.finish(out, "--show-finished", expect=2)  # stopped is not finished
    folder = run_folder(out)
    with h5py.File(os.path.join(folder, "run.h5"), "r"):
        pass  # closed properly: opens without swmr
    steps = read_steps(folder)
    need(step <= steps[-1] < last_step(reference), "the signal came too late to be a test")
    experiment.finish(out, "--resume")
    at, _ = check_resumed(folder, int(steps[-1]), 0)
    need(at > 0, "nothing was saved")
    same_metrics(reference, folder)
    same_checkpoint(reference, folder)
    print(f"signal {number}: exit {status}, saved, resumed from {at}: equal", flush=True)


def last_step(folder):
    return int(read_steps(folder)[-1])


def listing(folder):
    """What must not change in a directory that is to be left alone."""
    return {name: (os.stat(os.path.join(folder, name)).st_size,
                   os.stat(os.path.join(folder, name)).st_mtime_ns)
            for name in sorted(os.listdir(folder)) if name != "run.lock"}


def untouched_cases(experiment, reference_out, reference, change, scratch):
    before = listing(reference)
    _, error = experiment.finish(reference_out, expect=2)
    for word in ("--resume", "--overwrite", "--out"):
        need(word in error, f"an existing directory: the message does not name {word}: {error}")
    out, error = experiment.finish(reference_out, "--resume")
    need("finished" in (out + error).lower(), f"--resume of a finished run says: {out}{error}")
    print("existing directory: refused; finished run: said so", flush=True)
    again, _ = experiment.finish(reference_out, "--show-finished")
    need(out == again and "run.h5" in out, f"--show-finished prints another table: {again}")
    if change:
        key = change.split("=")[0]
        _, error = experiment.finish(reference_out, change, "--resume", expect=2)
        need(key.split(".")[-1] in error, f"a changed {key}: the message does not name it: {error}")
        experiment.finish(reference_out, change, "--show-finished", expect=2)
        print(f"changed configuration: refused, names {key}", flush=True)
    need(listing(reference) == before, "a finished run was touched")

    # No checkpoint at all: the run starts over.
    out = os.path.join(scratch, "bare")
    shutil.copytree(reference_out, out)
    folder = run_folder(out)
    for path in glob.glob(os.path.join(folder, "checkpoint-*.h5")):
        os.remove(path)
    os.remove(os.path.join(folder, "run.h5"))
    experiment.finish(out, "--resume")
    same_metrics(reference, folder)
    same_checkpoint(reference, folder)
    print("no checkpoint: started over: equal", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program bitwright")
    parser.add_argument("file", help="experiment file, one seed")
    parser.add_argument("override", nargs="*", metavar="key=value")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--interval", type=int, help="steps between checkpoints; else from config")
    parser.add_argument("--change", metavar="key=value", help="an override that changes the numbers")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments")
    parser.add_argument("--limit", type=float, default=900, help="seconds that one run may take")
    parser.add_argument("--keep", action="store_true", help="keep the directories of a failure")
    args = parser.parse_args()
    print(f"kill_resume: moments from seed {args.seed}", flush=True)
    chance = random.Random(args.seed)
    experiment = Experiment(args)
    scratch = tempfile.mkdtemp(prefix="kill-resume-")
    try:
        reference_out = os.path.join(scratch, "reference")
        os.mkdir(reference_out)
        begin = time.monotonic()
        experiment.finish(reference_out)
        seconds = time.monotonic() - begin
        reference = run_folder(reference_out)
        need(reference, "the uninterrupted run left no run.h5")
        interval = interval_of(reference, args.interval)
        last = last_step(reference)
        with h5py.File(os.path.join(reference, "run.h5"), "r") as file:
            ends = set(file["metrics/epoch/step"][:].tolist()) | {0, last}
        need(last > 2 * interval, f"{last} steps are too few for an interval of {interval}")
        print(f"uninterrupted: {seconds:.1f} s, {last} steps, checkpoint every {interval}",
              flush=True)

        done = inside = tries = 0
        while done < args.kills or 2 * inside < args.kills:
            tries += 1
            need(tries <= 4 * args.kills + 8, "too few kills fell inside an epoch")
            out = os.path.join(scratch, f"kill-{tries}")
            os.mkdir(out)
            result = one_round(experiment, reference, ends, interval, seconds, chance, out, done)
            shutil.rmtree(out)
            if result is not None:
                done += 1
                inside += result
        print(f"{done} kills, {inside} inside an epoch", flush=True)

        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            out = os.path.join(scratch, f"signal-{int(number)}")
            os.mkdir(out)
            stop_and_resume(experiment, reference, out, number, status, last // 3)
        untouched_cases(experiment, reference_out, reference, args.change, scratch)
        print("kill_resume: passed")
        return 0
    except (Failure, OSError, KeyError, subprocess.TimeoutExpired) as error:
        print(f"kill_resume: FAILED: {type(error).__name__}: {error}")
        if args.keep:
            print(f"kill_resume: see {scratch}")
            scratch = None
        return 1
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
