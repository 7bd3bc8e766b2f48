#!/usr/bin/env python3
"""What a run does when the disk does not: failures are put into its file calls (file_faults.cpp,
preloaded), and its directory is filled, made read-only, emptied and used twice. Every time:
  - the documented exit status, one line with path, cause and what to do, and no crash;
  - checkpoints that were there are whole, and nothing half-written is left beside them;
  - `--resume` then ends with the bits of the run that nothing happened to.
A failure that a run survives must leave the same bits as well."""

import argparse
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

try:
    import h5py
except ImportError:
    print("file_faults: skipped, python3-h5py is not installed")
    sys.exit(77)

from kill_campaign import checkpoint_is_whole, preloaded
from kill_resume import Failure, need, run_folder, same_checkpoint, same_metrics

FULL = "No space left on device"
DISK = "Input/output error"
MAKE_ROOM = "make room there; a run goes on with --resume"
CHECK_DISK = "check the disk"

# FILE_FAULT, and what the message says: the file, the cause, what to do.
FAULTS = [
    ("open:checkpoint-:2:ENOSPC", "checkpoint-00000050.h5", FULL, MAKE_ROOM),
    ("write:checkpoint-:1:ENOSPC", "checkpoint-00000025.h5", FULL, MAKE_ROOM),
    ("write:checkpoint-:3:EIO", "checkpoint-00000060.h5", DISK, CHECK_DISK),
    ("fsync:checkpoint-:2:EIO", "checkpoint-00000050.h5", DISK, CHECK_DISK),
    ("fsync:checkpoint-:2:ENOSPC", "checkpoint-00000050.h5", FULL, MAKE_ROOM),
    ("rename:checkpoint-:2:EIO", "checkpoint-00000050.h5", DISK, CHECK_DISK),
    ("rename:checkpoint-:4:ENOSPC", "checkpoint-00000075.h5", FULL, MAKE_ROOM),
    ("write:checkpoint-final:1:ENOSPC", "checkpoint-final.h5", FULL, MAKE_ROOM),
    ("fsync:seed-1:4:EIO", "seed-1", DISK, CHECK_DISK),
    ("open:run.h5:1+:ENOSPC", "run.h5", FULL, MAKE_ROOM),
    ("write:run.h5:1+:ENOSPC", "run.h5", FULL, MAKE_ROOM),
    ("write:run.h5:5+:ENOSPC", "run.h5", FULL, MAKE_ROOM),
    ("write:run.h5:40+:EIO", "run.h5", DISK, CHECK_DISK),
    ("write:run.h5:64+:ENOSPC", "run.h5", FULL, MAKE_ROOM),
    ("write:run.h5:90:EIO", "run.h5", DISK, CHECK_DISK),
    ("write:run.h5:200+:ENOSPC", "run.h5", FULL, MAKE_ROOM),
    ("fsync:run.h5:1:EIO", "run.h5", DISK, CHECK_DISK),
    ("fsync:run.h5:3:EIO", "run.h5", DISK, CHECK_DISK),
    ("rename:run.h5:1:EIO", "run.h5", DISK, CHECK_DISK),
    ("write:config.yaml:1:ENOSPC", "config.yaml", FULL, MAKE_ROOM),
    ("open:run.lock:1:EROFS", "seed-1", "Read-only file system", "with --out"),
    ("open:config.yaml:1:EACCES", "config.yaml", "Permission denied", "with --out"),
]

# HDF5 may try a write again later that failed once; a short write is no failure at all.
MAY_SURVIVE = ["write:checkpoint-:2:short", "write:run.h5:30:short", "write:run.h5:150:short",
               "write:run.h5:2:EIO", "write:run.h5:10:EIO", "write:run.h5:20:EIO",
               "write:run.h5:300:EIO", "write:run.h5:400:ENOSPC"]


class Program:
    def __init__(self, args):
        self.program = os.path.abspath(args.program)
        self.preload = args.preload
        self.limit = args.limit
        self.command = [self.program, "run", os.path.abspath(args.file),
                        "stages.quantize.methods=[lsq]", "--quiet"]

    def run(self, out, *more, **variables):
        environment = preloaded(self.preload, **variables) if variables else None
        done = subprocess.run([*self.command, *more, "--out", out], stdin=subprocess.DEVNULL,
                              text=True, capture_output=True, timeout=self.limit, check=False,
                              env=environment)
        need(done.returncode >= 0, f"a crash: signal {-done.returncode}: {done.stderr}")
        return done.returncode, done.stderr.strip()

    def start(self, out, *more, **variables):
        environment = preloaded(self.preload, **variables) if variables else None
        return subprocess.Popen([*self.command, *more, "--out", out], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                env=environment)

    def killed_by(self, fault, out, *more):
        process = self.start(out, *more, FILE_FAULT=fault)
        process.communicate(timeout=self.limit)
        need(process.returncode == -signal.SIGKILL, f"{fault} did not kill the run")


def one_line(status, message, *words):
    need(status == 5, f"exit status {status} instead of 5: {message}")
    need("\n" not in message, f"not one line: {message}")
    need(re.match(r"\S+: error: ", message), f"not FILE: error: ...: {message}")
    for word in words:
        need(word in message, f"the message lacks '{word}': {message}")


def nothing_damaged(out):
    folder = os.path.join(out, "kill-campaign", "seed-1")
    for path in glob.glob(os.path.join(folder, "checkpoint-*.h5")):
        need(checkpoint_is_whole(path), f"damaged: {path}")
    left = [name for name in glob.glob(os.path.join(folder, ".*.h5.*"))]
    need(not left, f"left behind: {left}")
    if os.path.exists(os.path.join(folder, "run.h5")):
        with h5py.File(os.path.join(folder, "run.h5"), "r", libver="latest", swmr=True) as file:
            rows = len(file["metrics/step/step"])
            for series in file["metrics/step"].values():
                series[:rows]


def resumes(program, out, reference, fault, *more):
    status, message = program.run(out, *more, "--resume")
    need(status == 0, f"{fault}: --resume: exit status {status}: {message}")
    same_metrics(reference, run_folder(out))
    same_checkpoint(reference, run_folder(out))


def injected(program, reference, scratch):
    for fault, file, cause, what_to_do in FAULTS:
        out = os.path.join(scratch, "fault")
        one_line(*program.run(out, FILE_FAULT=fault), f"{file}: error: ", cause, what_to_do)
        nothing_damaged(out)
        resumes(program, out, reference, fault)
        shutil.rmtree(out)
        print(f"{fault}: one line, nothing damaged, resumed to equal bits", flush=True)
    for fault in MAY_SURVIVE:
        out = os.path.join(scratch, "fault")
        status, message = program.run(out, FILE_FAULT=fault)
        if status:
            one_line(status, message, "; ")
        nothing_damaged(out)
        resumes(program, out, reference, fault)
        shutil.rmtree(out)
        print(f"{fault}: {'survived' if status == 0 else 'one line'}, equal bits", flush=True)


def full_disk(program, reference, scratch):
    """A real one, where this process may mount it."""
    disk = os.path.join(scratch, "disk")
    os.mkdir(disk)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", disk],
                           capture_output=True, check=False)
    if mount.returncode != 0:
        print("full disk: skipped, a tmpfs cannot be mounted here", flush=True)
        return
    try:
        out = os.path.join(disk, "runs")
        ballast = os.path.join(disk, "ballast")
        for size in (690, 640, 600, 550, 500, 400, 300):  # in KiB: ever more of the run fits
            with open(ballast, "wb") as file:
                file.write(bytes(size << 10))
            one_line(*program.run(out), FULL, MAKE_ROOM)
            nothing_damaged(out)
            os.remove(ballast)
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            resumes(program, out, reference, f"disk with {size} KiB taken")
            shutil.rmtree(out)
            subprocess.run(["mount", "-o", "remount,size=700k", disk], check=True)
        print("full disk: one line, nothing damaged, resumed to equal bits", flush=True)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        status, message = program.run(out)
        one_line(status, message, "Read-only file system", "--out")
        print("read-only disk: one line", flush=True)
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


def wait_for_checkpoint(program, out, process):
    deadline = time.monotonic() + program.limit
    while not glob.glob(os.path.join(out, "*", "*", "checkpoint-*.h5")):
        need(process.poll() is None, "the run ended too early")
        need(time.monotonic() < deadline, "no checkpoint was ever written")
        time.sleep(0.005)
    process.send_signal(signal.SIGSTOP)  # so that it is not over before we are ready
    return run_folder(out)


def deleted_under_the_run(program, reference, scratch):
    out = os.path.join(scratch, "deleted")
    process = program.start(out)
    folder = wait_for_checkpoint(program, out, process)
    os.remove(os.path.join(folder, "run.h5"))
    process.send_signal(signal.SIGCONT)
    message = process.communicate(timeout=program.limit)[1].strip()
    one_line(process.returncode, message, "run.h5: error: the run file was removed; it was put back",
             "continue with --resume")
    nothing_damaged(out)
    resumes(program, out, reference, "run.h5 deleted")
    print("run.h5 deleted: put back, one line, resumed to equal bits", flush=True)

    os.remove(os.path.join(folder, "run.h5"))
    status, message = program.run(out, "--resume")
    one_line(status, message, "run.h5: error: the run file is missing", "--overwrite")
    shutil.rmtree(out)

    process = program.start(out)
    folder = wait_for_checkpoint(program, out, process)
    shutil.rmtree(folder)
    process.send_signal(signal.SIGCONT)
    message = process.communicate(timeout=program.limit)[1].strip()
    one_line(process.returncode, message, "run.h5: error: the run file is gone")
    need(not os.path.exists(folder), "a removed directory came back")
    resumes(program, out, reference, "directory deleted")
    shutil.rmtree(out)
    print("directory deleted: one line", flush=True)


def two_runs(program, reference, scratch):
    out = os.path.join(scratch, "twice")
    process = program.start(out)
    wait_for_checkpoint(program, out, process)
    for word in ("--resume", "--overwrite"):
        one_line(*program.run(out, word), "another run is at work here",
                 f"process {process.pid}", "wait for it, or use --out")
    process.send_signal(signal.SIGCONT)
    message = process.communicate(timeout=program.limit)[1]
    need(process.returncode == 0, f"the first of two runs: {message}")
    same_metrics(reference, run_folder(out))
    same_checkpoint(reference, run_folder(out))
    print("two runs in one directory: the second refused, the first undisturbed", flush=True)


def damage(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def damaged_checkpoints(program, reference, scratch):
    out = os.path.join(scratch, "damaged")
    status, _ = program.run(out, FILE_FAULT="rename:checkpoint-:5:EIO")
    need(status == 5, "the run was to end early")
    folder = run_folder(out)
    earlier, newest = sorted(glob.glob(os.path.join(folder, "checkpoint-*.h5")))
    whole = os.path.join(scratch, "before-the-damage")
    shutil.copytree(out, whole)
    damage(newest)
    status, message = program.run(out, "--resume")
    need(status == 0, message)
    need(message == f"{newest}: error: the checkpoint is damaged: its checksum is wrong; "
         f"{os.path.basename(earlier)} is used", f"the warning says: {message}")
    same_metrics(reference, folder)
    with h5py.File(os.path.join(folder, "run.h5"), "r") as file:
        kinds = file["events/kind"][:].tolist()
        need(b"warning" in kinds and b"resumed" in kinds, f"events: {kinds}")
    need(os.path.exists(newest + ".unusable"), "the damaged checkpoint was not set aside")
    os.remove(newest + ".unusable")
    same_checkpoint(reference, folder)
    print("newest checkpoint damaged: the one before is used, said, on record", flush=True)

    for path in glob.glob(os.path.join(run_folder(whole), "checkpoint-*.h5")):
        damage(path)
    status, message = program.run(whole, "--resume")
    need(status == 0 and message.count("the run starts over") == 2, message)
    same_metrics(reference, run_folder(whole))
    same_checkpoint(reference, run_folder(whole))
    print("all checkpoints damaged: started over, said", flush=True)


def killed_before_pruning(program, reference, scratch):
    """No later checkpoint would remove the one too many that a kill leaves here."""
    out = os.path.join(scratch, "unpruned")
    last = sorted(glob.glob(os.path.join(reference, "checkpoint-0*.h5")))[-1]
    program.killed_by(f"rename:{os.path.basename(last)}:1:after", out)
    left = glob.glob(os.path.join(run_folder(out), "checkpoint-*.h5"))
    need(len(left) == 3, f"not before the removal: {left}")
    resumes(program, out, reference, "killed before the removal of the oldest checkpoint")
    shutil.rmtree(out)
    print("killed before the removal of the oldest checkpoint: resumed to equal bits", flush=True)


def opens_plainly(folder):
    try:
        with h5py.File(os.path.join(folder, "run.h5"), "r"):
            return True
    except OSError:
        return False


class CountedRun:
    """A run whose calls are the same every time, those writes to run.h5 that it does counted."""

    def __init__(self, program, scratch):
        self.program = program
        self.out = os.path.join(scratch, "counted")
        self.whole = os.path.join(scratch, "whole")
        self.rarely = "log.flush=1.0e+6"  # else by the clock
        log = os.path.join(scratch, "calls")
        shutil.rmtree(self.whole, ignore_errors=True)
        # In the same place: its name is on record, and the lengths of records decide the calls.
        status, message = program.run(self.out, self.rarely, FILE_FAULT_LOG=log)
        need(status == 0, message)
        os.rename(self.out, self.whole)
        with open(log, encoding="utf-8") as file:
            calls = [line.split() for line in file]
        os.remove(log)
        self.writes = [(int(call[2]), int(call[3])) for call in calls
                       if call[0] == "write" and "run.h5" in call[1]]

    def kill(self, write, action):
        self.program.killed_by(f"write:run.h5:{write}:{action}", self.out, self.rarely)

    def resume(self):
        resumes(self.program, self.out, run_folder(self.whole), "killed in a write", self.rarely)
        shutil.rmtree(self.out)


def torn_writes(program, _, scratch):
    """The kernel looks for signals between two pages: writes of each size that cross from one to
    the next, ended there."""
    run = CountedRun(program, scratch)
    crossing = {}
    for number, (begin, end) in enumerate(run.writes, 1):
        if begin // 4096 != (end - 1) // 4096:
            crossing.setdefault(end - begin, []).append(number)
    need(crossing, "no write crosses a page")
    torn = 0
    for size, numbers in crossing.items():
        for write in sorted({numbers[0], numbers[len(numbers) // 2], numbers[-1]}):
            run.kill(write, "torn")
            folder = run_folder(run.out)
            # Not with h5py, which would try again for ever if the file were damaged.
            shown = subprocess.run([program.program, "show", folder, "--json"], text=True,
                                   capture_output=True, check=False) if folder else None
            need(shown is None or shown.returncode == 0,
                 f"write {write}, {size} bytes, torn: {shown and shown.stderr}")
            run.resume()
            torn += 1
    print(f"{torn} torn writes to run.h5: readable, resumed to equal bits", flush=True)


def killed_while_closing(program, _, scratch):
    """At each of the last writes to run.h5: some come after the status, before the file is closed."""
    run = CountedRun(program, scratch)
    writes = len(run.writes)
    marked = 0
    for write in range(writes - 5, writes + 1):
        run.kill(write, "kill")
        folder = run_folder(run.out)
        with h5py.File(os.path.join(folder, "run.h5"), "r", swmr=True) as file:
            ended = int(file["status"][()]) == 1
        marked += ended and not opens_plainly(folder)
        copy = os.path.join(scratch, "copy")
        shutil.copytree(folder, copy)
        subprocess.run([program.program, "repair", copy], stdout=subprocess.DEVNULL, check=True)
        with h5py.File(os.path.join(copy, "run.h5"), "r") as file:
            need((int(file["status"][()]) == 1) == ended, "repair changed how the run ended")
        shutil.rmtree(copy)
        run.resume()
    need(marked, "no kill came between the status and the closing")
    print(f"killed while closing run.h5: repaired, resumed to equal bits; {marked} of 6 after the "
          "status", flush=True)


def file_system_without_swmr(program, reference, scratch):
    out = os.path.join(scratch, "network-disk")
    status, message = program.run(out, FILE_FAULT_STATFS="0x6969",
                                  FILE_FAULT="rename:checkpoint-:5:EIO")
    need(status == 5, message)
    folder = run_folder(out)
    nothing_damaged(out)
    status, message = program.run(out, "--resume", FILE_FAULT_STATFS="0x6969")
    need(status == 0, message)
    with h5py.File(os.path.join(folder, "run.h5"), "r") as file:
        said = [text.decode() for text in file["events/message"][:] if b"NFS" in text]
    need(len(said) == 1 and "until the run has ended" in said[0] and "--out" in said[0],
         f"events: {said}")
    same_metrics(reference, folder)
    same_checkpoint(reference, folder)
    print("a file system without SWMR: said once, with what to do; the run is the same", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program bitwright")
    parser.add_argument("preload", help="the library made of faults/file_faults.cpp")
    parser.add_argument("file", help="kill_campaign.yaml")
    parser.add_argument("--limit", type=float, default=900, help="seconds that one run may take")
    args = parser.parse_args()
    program = Program(args)
    try:
        with tempfile.TemporaryDirectory(prefix="file-faults-") as scratch:
            out = os.path.join(scratch, "reference")
            status, message = program.run(out)
            need(status == 0, message)
            reference = run_folder(out)
            for test in (injected, full_disk, deleted_under_the_run, two_runs,
                         damaged_checkpoints, killed_before_pruning,
                         torn_writes, killed_while_closing, file_system_without_swmr):
                test(program, reference, scratch)
        print("file_faults: passed")
        return 0
    except (Failure, OSError, KeyError, subprocess.SubprocessError) as error:
        print(f"file_faults: FAILED: {type(error).__name__}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
