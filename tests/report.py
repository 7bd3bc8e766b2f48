#!/usr/bin/env python3
"""Usage: tests/report.py PROGRAM
`bitwright report`: the page is well-formed HTML, needs nothing from outside, shows the numbers of the
run files, and everything in it is text that was escaped. Exit status 77 where python3-h5py,
-matplotlib or -yaml is missing."""

import html.parser
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

EXPERIMENT = """experiment: tiny
description: 'A <script>alert("x")</script> & more'
threads: 1
data: {name: glyphs, train_images: 1200, test_images: 100, batch: 50, split: {validation: 200}}
network: {name: lenet300, width: 0.1}
stages:
- {name: float, steps: 20, optimizer: {name: sgd, learning_rate: 0.1}}
- name: "<b>bsq</b>"
  start: previous
  steps: 20
  methods: [{name: bsq, alpha: 1.0, interval: 1}]
  optimizer: {name: sgd, learning_rate: 0.1}
evaluation: {every: 10, batch: 100}
"""
EMPTY = {"meta", "br"}


class Page(html.parser.HTMLParser):
    """Fails unless every element is closed where it was opened; collects tables, texts and what
    attributes refer to."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tables, self.identifiers, self.references = [], [], [], []
        self.text, self.tags = "", []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.identifiers.append(value)
            if name in ("src", "srcset", "href", "xlink:href", "action", "data", "poster"):
                self.references.append(value)
            self.references += re.findall(r"url\(([^)]*)\)", value or "")
            assert not name.startswith("on"), f"<{tag} {name}=...>"
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in EMPTY:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> out of place"

    def handle_data(self, data):
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data


def bitwright(*words, cwd, status=0):
    done = subprocess.run([PROGRAM, *words], cwd=cwd, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stderr}"
    return done.stdout if status == 0 else done.stderr


def check_nothing_from_outside(page, text):
    assert len(page.identifiers) == len(set(page.identifiers)), "an identifier occurs twice"
    for reference in page.references:
        reference = reference.strip("'\"")
        assert reference.startswith(("#", "data:")), f"refers to {reference}"
        if reference.startswith("#"):
            assert reference[1:] in page.identifiers, f"nothing is called {reference}"
    for tag in ("script", "link", "iframe", "object", "embed", "base", "b"):
        assert tag not in page.tags, f"<{tag}>"
    assert "@import" not in text
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r'https?://[^"\s<]*', text)) <= namespaces


def check_numbers(page, runs):
    import h5py
    results = []
    for run in runs:
        with h5py.File(run / "run.h5", "r") as file:
            results.append({name: value[()] for name, value in file["results"].items()})
            assert file["provenance"].attrs["cpu"].decode() in page.text
            if run == runs[0]:  # the others' differ in the seed
                assert file["config"][()].decode() in page.text
    overview, each = page.tables[0], page.tables[1]
    assert overview[0] == ["experiment", "seeds", "float, test %", "as trained, test %",
                           "deployed, test %", "bits per weight", "on disk, kB"], overview[0]
    hard = [100 * r["test_accuracy_hard"] for r in results]
    mean = sum(hard) / 2
    sd = math.sqrt(sum((value - mean) ** 2 for value in hard))  # n - 1 is 1
    assert overview[1][:2] == ["tiny", "2"] and overview[1][4] == f"{mean:.2f} ± {sd:.2f}", overview
    for row, result in zip(each[1:], results):
        assert row[5] == f"{100 * result['test_accuracy_hard']:.2f}", row
        assert row[6] == f"{result['bits_per_weight']:.2f}", row
        assert row[7] == f"{result['size_stored'] / 1000:.1f}", row
        assert row[8] == str(int(result["selected_step_hard"])), row


def main():
    with tempfile.TemporaryDirectory() as folder:
        cwd = pathlib.Path(folder)
        (cwd / "e.yaml").write_text(EXPERIMENT)
        for words in (["seed=1"], ["seed=2"]):
            bitwright("run", "e.yaml", "--quiet", *words, cwd=cwd)
        assert bitwright("report", "runs", cwd=cwd) == "runs/report.html\n"
        text = (cwd / "runs/report.html").read_text(encoding="utf-8")
        page = Page(text)
        check_nothing_from_outside(page, text)
        runs = [cwd / f"runs/tiny/seed-{seed}" for seed in (1, 2)]
        check_numbers(page, runs)
        assert '<script>alert("x")</script> & more' in page.text
        assert "<b>bsq</b>" in page.text
        assert page.tags.count("svg") == 3, page.tags.count("svg")  # accuracy, loss, bits
        assert page.tags.count("figcaption") == 3
        assert "bitwright run e.yaml --quiet seed=2" in page.text
        bitwright("report", "runs/tiny/seed-1", "-o", "one.html", cwd=cwd)
        one = (cwd / "one.html").read_text(encoding="utf-8")
        assert Page(one).tables[0][1][1] == "1"
        # Equal runs, equal page.
        bitwright("report", "runs", "-o", "again.html", cwd=cwd)
        assert (cwd / "again.html").read_text(encoding="utf-8") == text
        check_wrong(cwd)


def check_wrong(cwd):
    (cwd / "nothing").mkdir()
    for words, status, says in ((["none"], 2, "no such file or folder"),
                                (["nothing"], 2, "no runs"),
                                (["runs", "-o", "none/x.html"], 5, "cannot be written"),
                                (["--", "-x"], 2, "no such file or folder")):
        message = bitwright("report", *words, cwd=cwd, status=status)
        assert says in message and message.count("\n") == 1, message
    assert not list(cwd.rglob("*.tmp"))


if __name__ == "__main__":
    try:
        import h5py  # noqa: F401
        import matplotlib  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    os.environ.pop("BITWRIGHT_DATA", None)
    PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
    main()
