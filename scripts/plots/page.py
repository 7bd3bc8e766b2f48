"""A report on runs: one HTML page that needs nothing from outside."""
import html
import io
import math
import os
import re

from . import bits, curves, grids, histograms, pareto, style
from .problem import Problem
from .runs import mean_sd

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;
color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.25rem;margin:2.5rem 0 .5rem;border-top:2px solid
#1a1a1a;padding-top:.7rem}h3{font-size:1.05rem;margin:1.6rem 0 .4rem}
a{color:#005a8c}.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.93rem}
th,td{padding:.3rem .8rem .3rem 0;text-align:right;vertical-align:top;border-bottom:1px solid
#d0d0d0}
th{border-bottom:2px solid #1a1a1a;vertical-align:bottom}
td.text,th.text{text-align:left;overflow-wrap:break-word}td.text:first-child{min-width:11rem}
td.number{white-space:nowrap}
figure{margin:1rem 0}figure svg{display:block;width:100%;min-width:34rem;max-width:50rem;
height:auto}figcaption,.note{color:#4d4d4d;font-size:.9rem}
pre,code{font:.85rem/1.45 ui-monospace,monospace}code{overflow-wrap:anywhere}
pre{background:#f4f4f4;padding:.8rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;
max-height:26rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;font-size:.93rem}
dt{color:#4d4d4d}dd{margin:0;overflow-wrap:anywhere}
ul{padding-left:1.3rem}.bad{color:#a03c00}
@media (max-width:40rem){body{margin:1rem auto}dl{grid-template-columns:1fr}dd{margin:0 0 .5rem}}
@media print{body{max-width:none;margin:0;font-size:11pt}a{color:inherit;text-decoration:none}
figure,tr{break-inside:avoid}h2,h3{break-after:avoid}figure svg{min-width:0}.wide{overflow:visible}
pre{font-size:8pt;max-height:none;overflow:visible}}
"""

# What the table of cells shows of /results: name, heading, how a number is written.
PERCENT = "{:.2f}"
COLUMNS = (("test_accuracy_float", "float, test %", 100, PERCENT),
           ("test_accuracy_soft", "as trained, test %", 100, PERCENT),
           ("test_accuracy_hard", "deployed, test %", 100, PERCENT),
           ("bits_per_weight", "bits per weight", 1, "{:.2f}"),
           ("size_stored", "on disk, kB", 1e-3, "{:.1f}"))


def escaped(value):
    return html.escape(str(value))


def with_spread(values, factor, form):
    """"94.11 ± 0.12"; no spread for one value."""
    mean, sd, n = mean_sd(values)
    if n == 0:
        return "–"
    spread = "" if math.isnan(sd) else " ± " + form.format(factor * sd)
    return form.format(factor * mean) + spread


def duration(seconds):
    if math.isnan(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def table(heads, rows, texts):
    """Of cells that are HTML already; the first `texts` columns hold words, the others numbers."""
    def line(cells, tag):
        kinds = ["text" if i < texts else "number" for i in range(len(cells))]
        return "<tr>" + "".join(f'<{tag} class="{kind}">{cell}</{tag}>'
                                for kind, cell in zip(kinds, cells)) + "</tr>"
    return ('<div class="wide"><table><thead>' + line(heads, "th") + "</thead>\n<tbody>\n"
            + "\n".join(line(row, "td") for row in rows) + "\n</tbody></table></div>\n")


def overview(cells):
    shown = [c for c in COLUMNS if any(cell.result(c[0])[2] for cell in cells)]
    rows = []
    for number, cell in enumerate(cells):
        done = sum(run.status == "finished" for run in cell.runs)
        n = str(len(cell.runs)) if done == len(cell.runs) else (
            f'<span class="bad">{done} of {len(cell.runs)} finished</span>')
        row = [f'<a href="#cell-{number + 1}">{escaped(cell.name)}</a>', n]
        for name, _, factor, form in shown:
            values = cell.values(name)
            row.append(with_spread(values, factor, form)
                       + (f" ({len(values)})" if 0 < len(values) < done else ""))
        rows.append(row)
    return (table(["experiment", "seeds", *(escaped(c[1]) for c in shown)], rows, 1)
            + '<p class="note">Mean ± standard deviation (n − 1) over the seeds that have finished; '
              "in brackets, of how many where not all of them know it. Weights with the highest "
              "validation accuracy of the deployed network; test images were looked at after "
              "training only.</p>\n")


def runs_table(cell, folder):
    shown = [c for c in COLUMNS if any(c[0] in run.results() for run in cell.runs)]
    rows = []
    for run in cell.runs:
        known = run.results()
        status = escaped(run.status)
        if run.status != "finished":
            status = f'<span class="bad">{status}</span>'
        path = os.path.relpath(run.path, folder)
        rows.append([f"<code>{escaped(path)}</code>", status, str(run.seed)]
                    + [form.format(factor * known[name]) if name in known else "–"
                       for name, _, factor, form in shown]
                    + [str(int(known["selected_step_hard"])) if "selected_step_hard" in known
                       else "–", duration(run.seconds())])
    return table(["run", "status", "seed", *(escaped(c[1]) for c in shown), "selected step",
                  "training"], rows, 2)


def inline(figure, number):
    """A plot as an SVG element: no prologue, no metadata, identifiers that no other plot has."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    style.pyplot().close(figure)
    svg = text.getvalue()
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'\bid="', f'id="p{number}-', svg)
    svg = re.sub(r'href="#', f'href="#p{number}-', svg)
    svg = svg.replace("url(#", f"url(#p{number}-")
    return re.sub(r'(<svg[^>]*?) width="[^"]*"',
                  r'\1', re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1)


class Page:
    """Collects the parts; plots that a run has no data for are left out."""

    def __init__(self):
        self.parts, self.plots = [], 0

    def add(self, part):
        self.parts.append(part)

    def plot(self, caption, draw, *arguments, **options):
        try:
            figure = draw(*arguments, **options)
        except Problem:
            return
        self.plots += 1
        svg = inline(figure, self.plots).replace("<svg", f'<svg role="img" aria-label="'
                                                         f'{escaped(caption)}"', 1)
        self.add(f'<figure><div class="wide">{svg}</div>'
                 f"<figcaption>{escaped(caption)}</figcaption></figure>\n")


def add_plots(page, cell):
    page.plot(f"Learning curves of {cell.name}.", curves.draw, [cell])
    page.plot(f"Training loss of {cell.name}.", curves.draw, [cell], metric="epoch/train_loss")
    run = cell.runs[0]
    of = f"{cell.name}, seed {run.seed}"
    page.plot(f"Bits of each layer over time, {of}.", bits.draw, run)
    for kind in histograms.kinds_of(run):
        page.plot(f"Histograms of {kind}, {of}.", histograms.draw, run, of=kind)
    for name in grids.names_of(run):
        page.plot(f"Evaluation grid '{name}', {of}.", grids.draw, run, grid=name)


def events_of(cell):
    """What happened beside training as planned."""
    lines = []
    for run in cell.runs:
        for step, kind, message in run.events():
            if kind not in ("started", "algorithm"):
                lines.append(f"<li>seed {run.seed}, step {step}: {escaped(kind)}: "
                             f"{escaped(message)}</li>")
    return "<h3>Events</h3>\n<ul>\n" + "\n".join(lines) + "\n</ul>\n" if lines else ""


def add_cell(page, cell, number, folder):
    page.add(f'<h2 id="cell-{number}">{escaped(cell.name)}</h2>\n')
    description = cell.runs[0].settings().get("description")
    if description:
        page.add(f"<p>{escaped(description)}</p>\n")
    page.add(runs_table(cell, folder))
    add_plots(page, cell)
    page.add(events_of(cell))
    page.add("<h3>Commands</h3>\n<ul>\n")
    for run in cell.runs:
        command = run.provenance.get("command_line", "not recorded")
        page.add(f"<li>seed {run.seed}: <code>{escaped(command)}</code></li>\n")
    page.add("</ul>\n<h3>Configuration</h3>\n")
    if len(cell.runs) > 1:
        page.add(f'<p class="note">Of seed {cell.runs[0].seed}; the others differ in the seed, and '
                 "in nothing that changes numbers.</p>\n")
    page.add(f"<pre>{escaped(cell.runs[0].config)}</pre>\n")


def provenance(cells):
    """Each fact once; where runs differ, with those that it is true of."""
    runs = [(f"{cell.name}, seed {run.seed}", run) for cell in cells for run in cell.runs]
    facts = sorted({name for _, run in runs for name in run.provenance} - {"command_line"})
    lines = []
    for fact in facts:
        by_value = {}
        for name, run in runs:
            by_value.setdefault(run.provenance.get(fact, "not recorded"), []).append(name)
        if len(by_value) == 1:
            words = escaped(next(iter(by_value)))
        else:
            words = "<br>".join(f"{escaped(value)} ({escaped('; '.join(names))})"
                                for value, names in by_value.items())
        lines.append(f"<dt>{escaped(fact)}</dt><dd>{words}</dd>")
    return ('<h2 id="provenance">Provenance</h2>\n<dl>\n' + "\n".join(lines) + "\n</dl>\n")


def report(cells, folder):
    """The page, as text. Runs are named by their paths below `folder`."""
    page = Page()
    runs = sum(len(cell.runs) for cell in cells)
    title = f"Report on {os.path.basename(os.path.abspath(folder)) or folder}"
    page.add(f"<h1>{escaped(title)}</h1>\n<p>{runs} run{'s' if runs > 1 else ''} of "
             f"{len(cells)} configuration{'s' if len(cells) > 1 else ''}.</p>\n")
    page.add(overview(cells))
    if len(cells) > 1:
        page.plot("Accuracy against bits per weight of all configurations.", pareto.draw, cells)
        page.plot("Learning curves of all configurations.", curves.draw, cells)
    for number, cell in enumerate(cells):
        add_cell(page, cell, number + 1, folder)
    page.add(provenance(cells))
    return ('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
            + "".join(page.parts) + "</body>\n</html>\n")
