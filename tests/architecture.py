#!/usr/bin/env python3
"""Usage: tests/architecture.py [ROOT]
Holds the tree to its rules, reading text only:
  - a part of framework/ includes headers of its own level or below, and no two parts include each
    other, directly or around a circle;
  - methods/ and datasets/ see public headers, the standard library, fmt, zlib, libjpeg-turbo, their own
    folder;
  - oneDNN is included in framework/kernels only;
  - no file names an absolute path of somebody's machine.
Checks first that each rule catches an example that breaks it."""

import os
import re
import subprocess
import sys
import tempfile

LEVELS = [["core"], ["tensor"], ["kernels"], ["autograd"], ["nn", "optim", "data", "quant"],
          ["train"], ["experiment", "results"], ["bench"], ["cli"]]
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
MACHINE_PATH = re.compile(r"(?<![\w.$}/:~-])/(?:work|home|root|Users|mnt)/\w")
SOURCE = (".cpp", ".h", ".cpp.in")


def files_of(root):
    """Relative paths of what git would track; of every file where there is no git."""
    git = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
                         capture_output=True, text=True)
    if git.returncode == 0 and git.stdout:
        return sorted(p for p in git.stdout.splitlines() if os.path.isfile(os.path.join(root, p)))
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", "build", "runs", "__pycache__")]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def part_of(path):
    """The part of framework/ that a file belongs to, or None."""
    pieces = path.split("/")
    if pieces[0] != "framework" or len(pieces) < 3:
        return None
    if pieces[1] == "include":
        return pieces[3] if len(pieces) > 4 else None
    return pieces[1]


def included_part(target):
    pieces = target.split("/")
    if pieces[0] == "bitwright":
        pieces = pieces[1:]
    return pieces[0] if len(pieces) > 1 and pieces[0] in LEVEL else None


def circle(edges):
    """A list of parts that include each other around a circle, or None."""
    done, path = set(), []

    def visit(part):
        if part in path:
            return path[path.index(part):] + [part]
        if part in done:
            return None
        path.append(part)
        for other in sorted(edges.get(part, ())):
            found = visit(other)
            if found:
                return found
        path.pop()
        done.add(part)
        return None

    for part in sorted(edges):
        found = visit(part)
        if found:
            return found
    return None


def violations(root):
    out, edges, seen = [], {}, set()
    for path in files_of(root):
        try:
            with open(os.path.join(root, path), encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError:
            continue
        for match in MACHINE_PATH.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            out.append(f"{path}:{line}: absolute path of a machine: {match.group()}...")
        if not path.endswith(SOURCE):
            continue
        plugin = re.match(r"(methods|datasets)/([^/]+)/(?!tests/)", path)
        part = part_of(path)
        if path.startswith("framework/") and part is not None:
            seen.add(part)
            if part not in LEVEL:
                out.append(f"{path}: '{part}' is no part of the framework")
                continue
        for match in INCLUDE.finditer(text):
            quote, target = match.groups()
            at = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
            if re.search(r"(^|/)dnnl[\w]*\.h(pp)?$", target) and part != "kernels":
                if path.startswith(("framework/", "methods/", "datasets/")):
                    out.append(f"{at}: oneDNN outside framework/kernels")
            other = included_part(target)
            if part in LEVEL and other:
                if LEVEL[other] > LEVEL[part]:
                    out.append(f"{at}: {part} includes {target}, which lies above it")
                elif other != part:
                    edges.setdefault(part, set()).add(other)
            if plugin:
                own = os.path.join(root, plugin.group(1), plugin.group(2))
                beside = os.path.exists(os.path.join(root, os.path.dirname(path), target)) or \
                    os.path.exists(os.path.join(own, target))
                if quote == '"':
                    allowed = beside
                else:
                    allowed = target.startswith(("bitwright/", "fmt/")) or target in ("zlib.h", "turbojpeg.h") or \
                        re.fullmatch(r"[a-z0-9_]+", target)
                if not allowed:
                    out.append(f"{at}: {plugin.group(1)} may not include {target}")
    found = circle(edges)
    if found:
        out.append("framework: parts include each other: " + " -> ".join(found))
    return out, seen


def self_check():
    """Each rule must catch a file that breaks it, and accept files that do not."""
    slash = "/"
    bad = {
        "framework/core/a.cpp": '#include "tensor/b.h"\n',
        "framework/include/bitwright/nn/a.h": "#include <bitwright/train/trainer.h>\n",
        "framework/autograd/a.cpp": "#include <oneapi/dnnl/dnnl.hpp>\n",
        "framework/tensor/a.h": "#  include <dnnl.h>\n",
        "framework/misc/a.h": "",
        "methods/x/a.cpp": '#include "kernels/conv.h"\n',
        "methods/x/b.cpp": "#include <yaml-cpp/yaml.h>\n",
        "datasets/y/a.cpp": '#include "../../framework/core/a.h"\n',
        "README.md": f"see {slash}home/somebody/data\n",
    }
    for path, text in bad.items():
        with tempfile.TemporaryDirectory() as root:
            write(root, path, text)
            assert len(violations(root)[0]) == 1, f"not caught: {path}: {text}"
    with tempfile.TemporaryDirectory() as root:
        write(root, "framework/nn/a.cpp", "#include <bitwright/data/dataset.h>\n")
        write(root, "framework/data/a.cpp", '#include "nn/network.h"\n')
        assert len(violations(root)[0]) == 1, "a circle was not caught"
    with tempfile.TemporaryDirectory() as root:
        write(root, "framework/train/a.cpp",
              '#include <bitwright/core/error.h>\n#include "train/b.h"\n#include "nn/c.h"\n')
        write(root, "framework/kernels/a.cpp", "#include <oneapi/dnnl/dnnl.hpp>\n")
        write(root, "methods/x/a.cpp",
              '#include <cmath>\n#include <fmt/format.h>\n#include <bitwright/train/method.h>\n'
              '#include "b.h"\n')
        write(root, "methods/x/b.h", "#include <zlib.h>\n")
        write(root, "methods/x/tests/a.cpp", "#include <doctest/doctest.h>\n")
        write(root, "README.md", f"`build{slash}home/x`, $HOME{slash}work/x, "
                                 f"<https://example.org{slash}home/x>\n")
        found = violations(root)[0]
        assert not found, f"wrongly caught: {found}"


def write(root, path, text):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    self_check()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")
    found, seen = violations(os.path.realpath(root))
    for line in found:
        print(line)
    assert "core" in seen, "no framework found: nothing was checked"
    print(f"architecture: {len(seen)} parts, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
