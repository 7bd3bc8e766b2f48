#!/usr/bin/env python3
"""Usage: tests/format.py [--fix]
Checks that every C++ file is formatted by .clang-format. Versions of clang-format disagree, so only
the one named here counts; without it the test is skipped (exit status 77), and says so.
  --fix   rewrite the files instead"""

import glob
import os
import re
import shutil
import subprocess
import sys

VERSION = "14"  # Debian 12's
TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))


def main():
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    program = shutil.which(f"clang-format-{VERSION}") or shutil.which("clang-format")
    version = subprocess.check_output([program, "--version"], text=True) if program else ""
    if not re.search(rf"version {VERSION}\.", version):
        print(f"format: skipped, clang-format {VERSION} is not installed")
        return 77
    files = [path for folder in ("framework", "methods", "datasets", "tests")
             for ending in ("cpp", "h")
             for path in glob.glob(os.path.join(TOP, folder, "**", f"*.{ending}"), recursive=True)]
    assert files, "no file found"
    if sys.argv[1:] == ["--fix"]:
        return subprocess.run([program, "-i", *sorted(files)], check=False).returncode
    done = subprocess.run([program, "--dry-run", "--Werror", *sorted(files)], text=True,
                          capture_output=True, check=False)
    bad = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    for path in bad:
        print(f"{os.path.relpath(path, TOP)}: not formatted; tests/format.py --fix")
    print(f"format: {len(files)} files, {len(bad)} not formatted")
    return 1 if bad or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
