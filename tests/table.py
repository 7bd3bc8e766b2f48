#!/usr/bin/env python3
"""Usage: tests/table.py PROGRAM
`table` of small runs in each format, read back by parsers of those formats; wrong table files; the
pages of the repository's own tables against the records that they come from. What needs
python3-markdown or python3-pylatexenc is left out where they are missing, and says so."""

import csv
import html.parser
import io
import pathlib
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())

EXPERIMENT = """experiment: tiny
data: {name: glyphs, train_images: 1100, batch: 10, split: {validation: 100}}
network: lenet300
stages:
- {name: q, steps: 20, optimizer: {name: adam, learning_rate: 0.001}, methods: [binary_connect]}
"""
TABLE = """table: "2"
paper: "A & B <2020>, x_y 50%"
tolerance: 100
paper_images: 2000
records: kept
compare: [{first: a, second: b}]
cells:
- {name: a, row: "tiny | net", column: BC, experiment: e.yaml, seeds: [1, 2], value: "98.1"}
- {name: b, row: "tiny | net", column: "#slow", experiment: e.yaml,
   set: [stages.q.optimizer.learning_rate=0.0005], seeds: [1, 2, 3], value: not printed}
"""


def bitwright(*words, cwd, status=0):
    done = subprocess.run([PROGRAM, *words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stderr}"
    return done.stdout if status == 0 else done.stderr


class Nesting(html.parser.HTMLParser):
    """Fails unless every element is closed where it was opened; collects the table's cells."""

    def __init__(self):
        super().__init__()
        self.open, self.rows = [], []

    def handle_starttag(self, tag, attrs):
        assert not any(name in ("src", "srcset") for name, _ in attrs), "something from outside"
        if tag == "meta":
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> out of place"

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def rows_of(page):
    parser = Nesting()
    parser.feed(page)
    assert not parser.open, f"never closed: {parser.open}"
    return parser.rows


def check_formats(cwd):
    page = rows_of(bitwright("table", "t.yaml", "--format", "html", cwd=cwd))
    assert [len(row) for row in page] == [7, 7, 7], page
    assert page[1][:3] == ["tiny | net", "BC", "98.1"] and page[1][5] == "within", page
    assert "[budget 0.1]" in page[1][3] and page[2][5] == "no target", page

    lines = list(csv.DictReader(io.StringIO(bitwright("table", "t.yaml", "--format", "csv", cwd=cwd))))
    assert [line["seed"] for line in lines] == ["1", "2", "1", "2", "3"], lines
    values = [float(line["value"]) for line in lines[:2]]
    assert abs(float(lines[0]["mean"]) - sum(values) / 2) < 1e-9
    assert lines[-1]["value"] == "" and lines[0]["budget"] == "0.1"

    text = bitwright("table", "t.yaml", cwd=cwd)
    try:
        import markdown

        rows = rows_of(markdown.markdown(text, extensions=["tables"]))
        assert [len(row) for row in rows] == [8, 8, 8], rows
        assert rows[1][:3] == ["tiny | net", "BC", "98.1"], rows
    except ImportError:
        print("left out: Markdown (python3-markdown is missing)")

    text = bitwright("table", "t.yaml", "--format", "tex", cwd=cwd)
    body = [line for line in text.splitlines() if not line.startswith("%")]
    counts = [line.replace("\\&", "").count("&") for line in body if line.endswith("\\\\")]
    assert counts == [2, 4, 4], (counts, text)
    try:
        from pylatexenc import latexwalker

        latexwalker.LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    except ImportError:
        print("left out: LaTeX (python3-pylatexenc is missing)")


def check_wrong(cwd):
    for old, new, says in (
        ('value: "98.1"', 'metric: test_accuracy_hart, value: "98.1"', "'test_accuracy_hard'"),
        ('value: "98.1"', 'value: "98,1"', "not a value of a paper"),
        ("second: b", "second: c", "no cell 'c'"),
        ("name: b,", "name: a,", "two cells are called 'a'"),
        ("name: b,", "name: b c,", "'b c' cannot name a folder"),
        ('column: "#slow"', "column: BC", "two cells stand in row"),
        ("experiment: e.yaml,", "experiment: none.yaml,", "none.yaml"),
        ("tolerance", "tolerence", "did you mean 'tolerance'"),
        ("experiment: e.yaml, ", "", "cell 'a' has no runs"),
        ("value: not printed", "of: a, value: not printed", "names runs of its own"),
        ("experiment: e.yaml,\n   set: [stages.q.optimizer.learning_rate=0.0005], seeds: [1, 2, 3],",
         "of: c,", "no cell 'c' above this one"),
        ("value: not printed", "show: value, value: not printed", "different units"),
    ):
        (cwd / "wrong.yaml").write_text(TABLE.replace(old, new, 1))
        message = bitwright("table", "wrong.yaml", cwd=cwd, status=2)
        assert says in message and message.count("\n") == 1, message
        if says != "none.yaml":  # experiments are read by `table` alone
            assert bitwright("check", "wrong.yaml", cwd=cwd, status=2) == message


def check_logged(cwd):
    """A cell that shows what the runs of another logged, from runs and from records."""
    more = ("- {name: steps, row: logged, column: BC, of: a, metric: 'evaluation/val_accuracy_hard',\n"
            "   show: value, digits: 4, value: not printed}\n")
    (cwd / "logged.yaml").write_text(TABLE + more)

    def lines():
        text = bitwright("table", "logged.yaml", "--format", "csv", cwd=cwd)
        return [line for line in csv.DictReader(io.StringIO(text)) if line["cell"] == "steps"]

    from_runs = lines()
    assert [line["seed"] for line in from_runs] == ["1", "2"] and from_runs[0]["unit"] == ""
    assert all(0 < float(line["value"]) <= 1 for line in from_runs), from_runs
    text = bitwright("table", "logged.yaml", "--keep", cwd=cwd)
    assert "| paper |" in text and " % (2)" in text, text  # units differ: each number has its own
    (cwd / "runs").rename(cwd / "away")
    assert [line["value"] for line in lines()] == [line["value"] for line in from_runs]
    (cwd / "logged.yaml").write_text((TABLE + more).replace("val_accuracy_hard'", "steepness'"))
    text = bitwright("table", "logged.yaml", cwd=cwd).replace("\\_", "_")
    assert "does not hold evaluation/steepness" in text, text
    (cwd / "away").rename(cwd / "runs")
    message = bitwright("table", "logged.yaml", cwd=cwd, status=5)
    assert "val_accuracy_hard" in message and message.count("\n") == 1, message


def check_pages():
    """The page beside a table is what the table's records give."""
    for path in sorted((TOP / "experiments").glob("*/*.yaml")):
        page = path.with_suffix(".md")
        if page.exists():
            given = bitwright("table", str(path.relative_to(TOP)), "--records-only", cwd=TOP)
            assert given == page.read_text(), f"{page} is stale: write what `table` gives into it"


def main():
    with tempfile.TemporaryDirectory() as folder:
        cwd = pathlib.Path(folder)
        (cwd / "e.yaml").write_text(EXPERIMENT)
        (cwd / "t.yaml").write_text(TABLE)
        assert "no runs" in bitwright("table", "t.yaml", cwd=cwd)
        # What is missing runs, each directory once; what is there is not repeated.
        few = TABLE.replace("seeds: [1, 2, 3]", "seeds: [1, 2]")
        (cwd / "few.yaml").write_text(few)
        made = bitwright("table", "few.yaml", "--run", "-j", "2", cwd=cwd)
        assert "missing" not in made and "within" in made, made
        before = {path: path.stat().st_mtime_ns for path in cwd.glob("runs/**/run.h5")}
        assert len(before) == 4, before
        assert bitwright("table", "few.yaml", "--run", cwd=cwd) == made
        assert before == {path: path.stat().st_mtime_ns for path in cwd.glob("runs/**/run.h5")}
        by_table = bitwright("table", "few.yaml", "--format", "csv", cwd=cwd)
        shutil.rmtree(cwd / "runs")
        for seed in ("1", "2"):
            bitwright("run", "e.yaml", f"seed={seed}", "--quiet", cwd=cwd)
            bitwright("run", "e.yaml", "--out", "runs/b", "stages.q.optimizer.learning_rate=0.0005",
                      f"seed={seed}", "--quiet", cwd=cwd)
        by_hand = bitwright("table", "few.yaml", "--format", "csv", cwd=cwd)
        assert by_hand == by_table
        check_formats(cwd)
        from_runs = bitwright("table", "t.yaml", "--keep", "--format", "csv", cwd=cwd)
        assert len(list((cwd / "kept").glob("*.json"))) == 4
        (cwd / "runs").rename(cwd / "away")
        from_records = bitwright("table", "t.yaml", "--format", "csv", cwd=cwd)

        def without_source(text):
            return [line.rsplit(",", 2)[0] for line in text.splitlines()]

        assert without_source(from_runs) == without_source(from_records)
        # Runs of other settings do not count, and are named.
        (cwd / "away").rename(cwd / "runs")
        (cwd / "e.yaml").write_text(EXPERIMENT.replace("steps: 20", "steps: 21"))
        text = bitwright("table", "t.yaml", cwd=cwd)
        assert "other settings: stages.0.steps" in text.replace("\\_", "_"), text
        (cwd / "e.yaml").write_text(EXPERIMENT)
        check_wrong(cwd)
        check_logged(cwd)
    check_pages()


main()
