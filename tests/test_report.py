#!/usr/bin/env python3
"""Reports: their files are read back by parsers that we did not write, and their numbers by Python's own."""

import csv
import html.parser
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

from checks import check, checks_exit_code
from report_fixture import write_run

BUILD = pathlib.Path(os.environ.get("SHATTER", "build/shatter")).parent
SOURCE = pathlib.Path(os.environ.get("SHATTER_SOURCE", "."))

HOSTILE = """<script>alert("x")</script> & 'q' 50% $a_b# {c} ~^\\ \u00e9\u6f22\u5b57 ]]>"""
LONG = "a very long name " * 7

PAGE = """
title: {title}
source: A test
options: {{data: cifar10, epochs: 30, model: mlp-1x512}}
sets:
  kinds:
    grid: {{seed: [1, 2, 3]}}
    series:
      - {{name: {first}}}
      - {{name: {second}, labels: random}}
  levels:
    grid: {{seed: [1, 2, 3], labels: ["true", "corrupt:0.5", random]}}
    series:
      - {{name: MLP}}
      - {{name: not trained, model: mlp-3x512}}
figures:
  loss: {{set: kinds, title: Losses, x: steps, y: train_loss}}
  learning: {{set: kinds, title: Curves, x: epochs, y: [train_accuracy, test_accuracy]}}
  time: {{set: levels, title: Times, x: corruption, y: relative_time}}
  error:
    set: levels
    title: Errors
    x: corruption
    y: test_error
    paper:
      - {{series: MLP, x: 0, test_error: 0.4949}}
tables:
  accuracy:
    set: kinds
    columns: [train_accuracy, test_accuracy]
    paper:
      - {{series: {first}, train_accuracy: 1, test_accuracy: 0.5051}}
  untrained: {{set: levels, columns: [test_accuracy]}}
scales:
  small:
    note: Only 30 epochs of a few images.
    options: {{train-size: 2000}}
"""

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Balance(html.parser.HTMLParser):
    """Every element that is opened is closed, in order; texts and elements are kept."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.texts, self.tags, self.ids = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.faults += [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        self.texts.append(data)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def train(folder, scale):
    """Runs of the page's plan; one of them goes on, one seed was not fitted."""
    extra = {"train_size": 2000} if scale else {}
    made = []
    for seed in (1, 2, 3):
        for labels, rate, test in (("true", 0.30, 0.50), ("corrupt:0.5", 0.25, 0.30), ("random", 0.20, 0.10)):
            slow = labels == "corrupt:0.5" and seed == 3
            made.append(write_run(folder / f"{labels.replace(':', '')}-{seed}", epochs=30, labels=labels, seed=seed,
                                  rate=0.05 if slow else rate + 0.01 * seed, test=test + 0.01 * seed, **extra))
    return made


def report(folder, scale="", title="A title", first="true", second="random", settings=(), code=0, **more):
    page = folder / "my page.yaml"
    page.write_text(PAGE.format(title=quoted(title), first=quoted(first), second=quoted(second)), encoding="utf-8")
    out = folder / f"out{scale}"
    runs = train(folder / f"runs{scale}", scale or settings)
    return out, draw(out, page, [scale, *settings], runs, code, **more)


def draw(out, page, how, runs, code=0, **more):
    """Writes the report of a page; what it said."""
    answer = subprocess.run([BUILD / "tests/driver_experiment", out, page, *how, *runs], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=250, **more)
    check(f"the report is written: {out.parent.name}", answer.returncode == code, answer)
    return answer.stdout + answer.stderr


def check_page(name, path, wanted):
    text = path.read_text(encoding="utf-8")
    page = Balance()
    page.feed(text)
    page.close()
    check(f"{name}: balanced", not page.faults and not page.open, (page.faults, page.open))
    check(f"{name}: no scripts and nothing from elsewhere",
          "script" not in page.tags and not re.search(r'(?:src|href)="(?!data:|https://arxiv\.org/)', text), page.tags)
    check(f"{name}: ids are unique", len(page.ids) == len(set(page.ids)), page.ids)
    shown = "".join(page.texts).replace("\u00a0", " ")
    for part in wanted:
        check(f"{name}: says {part[:40]!r}", part in shown, shown[:3000])
    # XHTML: the same page is XML.
    check(f"{name}: is XML", is_xml(text.replace("<!DOCTYPE html>", "")))
    return shown


def is_xml(text):
    try:
        ElementTree.fromstring(text)
    except ElementTree.ParseError as fault:
        print(fault)
        return False
    return True


def check_svg(out):
    for path in sorted(out.glob("*.svg")):
        text = path.read_text(encoding="utf-8")
        check(f"{path.name}: is XML", is_xml(text))
        if not is_xml(text):
            continue
        root = ElementTree.fromstring(text)
        width, height = (float(root.get(side)) for side in ("width", "height"))
        check(f"{path.name}: no number is missing", "nan" not in path.read_text() and "inf\"" not in path.read_text())
        outside = [e.attrib for e in root.iter("{http://www.w3.org/2000/svg}text")
                   if not (-0.1 <= float(e.get("x")) <= width and 0 <= float(e.get("y")) <= height)]
        check(f"{path.name}: all texts begin inside", not outside, outside)


def rows_of(path):
    raw = path.read_bytes()
    check(f"{path.name}: lines end in CR LF", raw.count(b"\n") == raw.count(b"\r\n"))
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def check_numbers(out, first, second):
    """Means and deviations against the statistics module, from what the fixture wrote."""
    finals = {}
    for seed in (1, 2, 3):
        for labels in ("true", "corrupt0.5", "random"):
            text = (out.parent / "runs" / f"{labels}-{seed}" / "result.json").read_text()
            finals[labels, seed] = json.loads(text)
    rows = {row["series"]: row for row in rows_of(out / "accuracy.csv")}
    check("names come back from CSV as they were", set(rows) == {first, second}, rows)
    tests = [finals["true", seed]["test_accuracy"] for seed in (1, 2, 3)]
    row = rows[first]
    check("mean, deviation and n of the table",
          abs(float(row["test_accuracy"]) - statistics.mean(tests)) < 1e-12 and
          abs(float(row["test_accuracy_sd"]) - statistics.stdev(tests)) < 1e-12 and row["test_accuracy_n"] == "3", row)
    check("difference to the paper",
          abs(float(row["test_accuracy_difference"]) - (statistics.mean(tests) - 0.5051)) < 1e-12, row)
    points = {(row["series"], float(row["corruption"])): row for row in rows_of(out / "time.csv")}
    for x, labels in ((0.5, "corrupt0.5"), (1.0, "random")):
        ratios = [finals[labels, seed]["fitted_step"] / finals["true", seed]["fitted_step"] for seed in (1, 2, 3)
                  if finals[labels, seed]["fitted_step"]]
        point = points["MLP", x]
        check(f"relative time at {x}", abs(float(point["relative_time"]) - statistics.mean(ratios)) < 1e-12 and
              float(point["n"]) == len(ratios), (point, ratios))
    check("true labels take their own time", float(points["MLP", 0.0]["relative_time"]) == 1)
    check("what was not trained has no value", points["not trained", 0.0]["relative_time"] == "", points)
    papers = [row for row in rows_of(out / "error.csv") if row["source"] == "paper"]
    check("the paper's point", [(row["corruption"], row["test_error"]) for row in papers] == [("0", "0.4949")], papers)


def compile_tex(out, name, packages):
    """A table with what its first lines ask for: pdflatex takes it, and it is not wider than an article's text."""
    if not shutil.which("pdflatex"):
        print(f"SKIP: PDFLATEX IS ABSENT, {name}.tex WAS NOT COMPILED (apt-get install texlive-latex-recommended)")
        return
    folder = out.parent / f"tex-{name}"
    folder.mkdir()
    body = (out / f"{name}.tex").read_text(encoding="utf-8").replace("\u6f22\u5b57", "")
    packages += "".join(rf"\usepackage{{{name}}}" for name in ("longtable", "pdflscape") if f"{{{name}}}" in body)
    (folder / "t.tex").write_text(f"\\documentclass{{article}}{packages}\\begin{{document}}\n{body}\\end{{document}}\n")
    answer = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=folder, timeout=250,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
    check(f"{name}.tex: pdflatex takes it", answer.returncode == 0, answer.stdout[-2000:])
    return "Overfull" in answer.stdout


def check_tex(out):
    text = (out / "accuracy.tex").read_text(encoding="utf-8")
    body = text[text.index("\\begin{table}"):]
    check("LaTeX: special characters are escaped",
          r"50\% \$a\_b\# \{c\} \textasciitilde{}\textasciicircum{}\textbackslash{}" in body and
          r"\textless{}script\textgreater{}" in body and r"\&" in body, body)
    bare = re.sub(r"\\[a-zA-Z]+|\\.", "", body)
    check("LaTeX: braces are balanced", bare.count("{") == bare.count("}"), bare)
    check("LaTeX: each row has as many cells",
          len({len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines()
               if line.endswith("\\\\") and "multicolumn" not in line}) == 1, body)
    compile_tex(out, "accuracy", r"\usepackage[T1]{fontenc}\usepackage{booktabs,textcomp}")


def check_golden(out):
    for name in ("error", "loss"):
        golden = SOURCE / "tests/golden" / f"report-{name}.svg"
        made = (out / f"{name}.svg").read_text(encoding="utf-8")
        if os.environ.get("SHATTER_GOLDEN") == "write":
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(made, encoding="utf-8")
        check(f"{name}.svg is as it was (SHATTER_GOLDEN=write makes it anew; look at it first)",
              golden.exists() and golden.read_text(encoding="utf-8") == made, made[:2000])


def check_pictures(folder):
    tools = folder / "empty"
    tools.mkdir()
    out, said = report(folder, env={**os.environ, "PATH": str(tools)})
    check("without rsvg-convert it says what to install, once", said.count("librsvg2-bin") == 1, said)
    check("and writes everything else", (out / "loss.svg").exists() and not (out / "loss.pdf").exists())
    if shutil.which("rsvg-convert") is None:
        print("SKIP: PDF and PNG, rsvg-convert is absent")
        return
    out, said = report(folder / "with")
    check("PDF", (out / "loss.pdf").read_bytes().startswith(b"%PDF"))
    check("PNG", (out / "loss.png").read_bytes().startswith(b"\x89PNG"))
    check("no file is left half done", not [p for p in out.iterdir() if ".tmp" in p.name], list(out.iterdir()))


def check_plain(folder):
    out, _ = report(folder)
    check_page("page", out / "index.html",
               ["not measured yet", "not fitted", "shatter train --model mlp-1x512", "memorises labels that mean nothing",
                "a processor", "n = 3", "the paper's values",
                # Six runs are shown by two sets.
                "9 of 18 runs of the plan are complete"])
    check_svg(out)
    check_golden(out)
    check_numbers(out, "true", "random")
    for name in ("accuracy", "untrained"):
        check(f"{name}.tex fits on the page", not compile_tex(out, name, r"\usepackage{booktabs}"))
    markdown = (out / "untrained.md").read_text(encoding="utf-8")
    check("a row without runs says so", "not measured yet" in markdown, markdown)


def check_scaled(folder):
    note = "Only 30 epochs of a few images."
    out, _ = report(folder, scale="small")
    shown = check_page("scaled page", out / "index.html", ["Scaled down", note])
    check("the note stands in every figure and table", shown.count(note) >= 6, shown.count(note))
    for path in [*out.glob("*.svg"), *out.glob("*.md"), *out.glob("*.tex")]:
        check(f"{path.name} has the note", "Only 30 epochs" in path.read_text(encoding="utf-8"))
    check("no difference is formed", rows_of(out / "accuracy.csv")[0]["test_accuracy_difference"] == "")
    check("no point of the paper's stands beside those of fewer images",
          not [row for row in rows_of(out / "error.csv") if row["source"] == "paper"] and
          "left out" in (out / "error.svg").read_text(encoding="utf-8"))
    means = {}
    for labels in ("true", "random"):
        tests = [json.loads((out.parent / "runssmall" / f"{labels}-{seed}" / "result.json").read_text())["test_accuracy"]
                 for seed in (1, 2, 3)]
        means[labels] = 100 * statistics.mean(tests)
    told = (f"Both rows fitted their training set; test accuracy {means['true']:.1f} % with true labels, "
            f"{means['random']:.1f} % with random labels")
    check("the table's title tells what came out", told in shown, (told, shown[:3000]))


def check_changed(folder):
    """Options above the page: every output says which, nothing is held against the paper, the command has them."""
    out, _ = report(folder, settings=["--train-size=2000"])
    note = "Changed: train-size 2000."
    page = folder / "my page.yaml"
    shown = check_page("changed page", out / "index.html", [note, f"shatter run '{page}' --train-size=2000"])
    check("the change stands in every figure and table", shown.count(note) >= 6, shown.count(note))
    check("it is not called scaled down", "Scaled down" not in shown)
    for path in [*out.glob("*.svg"), *out.glob("*.md"), *out.glob("*.tex")]:
        check(f"{path.name} has the change", note[:-1] in path.read_text(encoding="utf-8"))
    for path in out.glob("*.csv"):
        check(f"{path.name} has the change", all(row["variant"] == "changed: train-size 2000" for row in rows_of(path)
                                                 if row.get("source") != "paper"), path.read_text()[:500])
    check("no difference to the paper is formed", rows_of(out / "accuracy.csv")[0]["test_accuracy_difference"] == "")
    same, _ = report(folder / "with", settings=["--epochs=30"])
    check("an option that says what the page says changes nothing",
          "Changed" not in (same / "index.html").read_text(encoding="utf-8"))


LENGTHS = """
title: Curves of different lengths
options: {data: cifar10, epochs: 40, model: mlp-1x512}
series:
  - {name: "[1] soon"}
  - {name: "*late", labels: random}
figures:
  loss: {x: steps, y: train_loss}
tables:
  ends: {columns: [train_accuracy, test_accuracy], paper: [{series: "*late", train_accuracy: 1}]}
  best: {columns: [test_accuracy, best_test_accuracy]}
"""


def check_lengths(folder):
    """The slowest line is the one that needs most steps, not the one with the highest mean, and each line's end is told;
    names that begin as an argument of LaTeX's would; nothing is told twice."""
    page = folder / "page.yaml"
    page.write_text(LENGTHS)
    runs = [write_run(folder / "soon", epochs=40, losses=[2.2, 2.0, 1.5, 1.0, 0.0123]),
            write_run(folder / "late", epochs=40, labels="random", losses=[0.9] + [0.2] * 34 + [0.05] * 5)]
    out = folder / "out"
    draw(out, page, [""], runs)
    text = (out / "loss.svg").read_text(encoding="utf-8")
    check("slowest is what needs most steps, and where lines end",
          "Both reach a training loss below 0.1, last *late; they end between 0.012 ([1] soon) and 0.050 (*late)" in text,
          text[:900])
    rows = rows_of(out / "best.csv")
    check("the best test accuracy stands in its column and not in brackets too",
          all(row["test_accuracy_best"] == "" and row["best_test_accuracy"] != "" for row in rows), rows)
    check("a table that nothing is compared with tells what came out",
          "1 of 2 rows fitted" in (out / "best.tex").read_text() or "None of 2 rows" in (out / "best.tex").read_text(),
          (out / "best.tex").read_text())
    text = (out / "ends.tex").read_text(encoding="utf-8")
    check("LaTeX: a name is no argument of the line before it",
          "[1] soon" in text and not re.search(r"(\\\\|rule)\s*[\[*]", text), text)


def check_seeds(folder):
    """Seeds that end in different epochs: the line ends at the mean of their ends, as the table has it; of a run that goes
    on nothing is made up."""
    page = folder / "page.yaml"
    page.write_text("title: Seeds\noptions: {data: cifar10, epochs: 40, model: mlp-1x512}\ngrid: {seed: [1, 2]}\n"
                    "figures:\n  loss: {x: epochs, y: train_loss}\n")
    for name, complete, wanted in (("ended", True, 0.15), ("going-on", False, 0.2)):
        runs = [write_run(folder / f"{name}-1", epochs=40, seed=1, losses=[2, 0.1], complete=complete),
                write_run(folder / f"{name}-2", epochs=40, seed=2, losses=[2, 1, 0.4, 0.2])]
        out = folder / name
        draw(out, page, [""], runs)
        rows = rows_of(out / "loss.csv")
        check(f"{name}: the end of a line over seeds", abs(float(rows[-1]["train_loss"]) - wanted) < 1e-12 and
              ("stands on" in (out / "index.html").read_text()) == complete, rows)


def check_ratio(folder):
    """How much longer random labels take is said beside a run that differs in nothing else."""
    def verdict(name, **true_options):
        runs = [write_run(folder / f"{name}-true", rate=0.30, **true_options),
                write_run(folder / f"{name}-random", rate=0.20, labels="random")]
        return subprocess.run([BUILD / "tests/driver_report", folder / f"{name}.html", *runs], stdout=subprocess.PIPE,
                              text=True, timeout=250).stdout
    alike = verdict("alike")
    check("the ratio is told", "times as long" in alike, alike)
    for name, options in (("decay", {"weight_decay": 0.0005}), ("seed", {"seed": 7}), ("rate", {"learning_rate": 0.1})):
        other = verdict(name, **options)
        check(f"no ratio to a run with another {name}", "fitted in" in other and "times as long" not in other, other)


def check_converter(folder):
    """A converter that fails takes nothing else with it."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "rsvg-convert").write_text('#!/bin/sh\ncase "$*" in *loss*|*learning*) exit 1;; esac\n'
                                        'for word; do case $word in --output=*) : >"${word#--output=}";; esac; done\n')
    (tools / "rsvg-convert").chmod(0o755)
    out, said = report(folder, code=70, env={**os.environ, "PATH": f"{tools}:/bin"})
    files = {path.name for path in out.iterdir()}
    check("a converter that fails: everything else is there",
          {"index.html", "loss.svg", "time.svg", "accuracy.tex", "untrained.md"} <= files, files)
    check("and a sentence tells how many files are missing", "4 files of PDF or PNG could not be made" in said, said)


def check_hostile(folder):
    out, _ = report(folder, title=HOSTILE, first=HOSTILE, second=LONG)
    check_page("hostile page", out / "index.html", [HOSTILE, LONG.strip()])
    check_svg(out)
    check_numbers(out, HOSTILE, LONG)
    check_tex(out)
    table = (out / "accuracy.md").read_text(encoding="utf-8").splitlines()
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table if line.startswith("|")}
    check("Markdown: each row has as many cells", len(cells) == 1, table)
    check("Markdown: no markup from names", not re.search(r"(?<!\\)<", "\n".join(table)), table)


def check_dynamics(folder):
    runs = [write_run(folder / "true", epochs=20), write_run(folder / "half", epochs=20, labels="corrupt:0.5",
                                                            dynamics=True)]
    out = folder / "report.html"
    answer = subprocess.run([BUILD / "tests/driver_report", out, *runs], stdout=subprocess.PIPE, text=True, timeout=250)
    check("report of runs", answer.returncode == 0, answer)
    check_page("report of runs", out, ["What is learned when: 50 % random labels", "memorised in the end",
                                      "wrong: true label", "2,500", "against corrupted ones"])


def make_store(folder):
    """Two networks on two data sets, three seeds each; one with many values of an option."""
    for data in ("cifar10", "mnist"):
        for model in ("mlp-1x512", "alexnet"):
            for labels, rate, test in (("true", 0.4, 0.5), ("random", 0.2, 0.1)):
                for decay in (0.001 * i for i in range(12 if model == "alexnet" else 1)):
                    for seed in (1, 2, 3):
                        place = folder / f"{model}-{data}-{labels}-{decay:g}-{seed}"
                        write_run(place, model=model, data=data, labels=labels, seed=seed, epochs=20, weight_decay=decay,
                                  rate=rate + 0.02 * seed, test=test + 0.01 * seed, env={"identity": place.name})
    return 2 * 2 * 13 * 3


def check_store(folder):
    """A whole store: by data set and model, a row for runs that differ in their seed alone, no more lines than can be
    told apart."""
    count = make_store(folder / "store")
    out = folder / "out"
    answer = subprocess.run([BUILD / "shatter", "report", "--store", folder / "store", "-o", out, "--format",
                             "html,csv,tex"], stdout=subprocess.PIPE, text=True, timeout=250)
    check("a store's report", answer.returncode == 0 and f"Report on {count} runs" in answer.stdout, answer)
    check_page("a store", out / "index.html", [
        f"{count} runs", "alexnet on cifar10", "mlp-1x512 on mnist", "14 of 24 lines are left out",
        "random labels (3 seeds)", "Runs that differ in their seed alone share a row", f"The commands of {count} runs"])
    rows = list(csv.DictReader(open(out / "runs.csv", newline="", encoding="utf-8")))
    check("a row for several seeds", len(rows) == count // 3 and {row["test_accuracy_n"] for row in rows} == {"3"}, rows)
    groups = [row["series"].split(":")[0] for row in rows]
    check("in groups by data set and model", list(dict.fromkeys(groups)) == sorted(
        set(groups), key=lambda group: group.split(" on ")[::-1]) and groups == sorted(
        groups, key=list(dict.fromkeys(groups)).index), groups)
    first = [row for row in rows if row["series"] == "mlp-1x512 on mnist: true data (3 seeds)"]
    seeds = [json.loads((folder / "store" / f"mlp-1x512-mnist-true-0-{seed}" / "result.json").read_text())
             for seed in (1, 2, 3)]
    tests = [seed["test_accuracy"] for seed in seeds]
    check("mean and deviation", len(first) == 1 and
          abs(float(first[0]["test_accuracy"]) - statistics.mean(tests)) < 1e-12 and
          abs(float(first[0]["test_accuracy_sd"]) - statistics.stdev(tests)) < 1e-12, first)
    lines = {row["series"] for row in csv.DictReader(open(out / "train_loss-1.csv", newline="", encoding="utf-8"))}
    check("no more lines than can be told apart", len(lines) == 10, lines)
    tex = (out / "runs.tex").read_text(encoding="utf-8")
    check("LaTeX: over several pages, groups headed once", "\\begin{longtable}" in tex and
          tex.count("\\textit{alexnet on cifar10}") == 1 and "alexnet on cifar10:" not in tex, tex[:600])
    check("and within them", not compile_tex(out, "runs", r"\usepackage{booktabs}"))


def check_verdict(folder):
    """The sentences speak of all seeds."""
    out, _ = report(folder)
    tests = [json.loads((folder / "runs" / f"random-{seed}" / "result.json").read_text())["test_accuracy"]
             for seed in (1, 2, 3)]
    check_page("the verdict of several seeds", out / "index.html", [
        f"test accuracy {100 * statistics.mean(tests):.2f} \u00b1 {100 * statistics.stdev(tests):.2f} %",
        "of several seeds mean \u00b1 standard deviation"])


def report_store(folder):
    """Writes the page of the folder's store; what the program said."""
    return subprocess.run([BUILD / "shatter", "report", "--store", folder / "store", "-o", folder / "out.html"],
                          stdout=subprocess.PIPE, text=True, timeout=250)


def check_settings(folder):
    """A setting that differs among the runs of a network is told of every one of them."""
    for place, options in (("a", {"weight_decay": 0}), ("b", {"weight_decay": 0.25, "labels": "random"}),
                           ("c", {"weight_decay": 0.25, "labels": "corrupt:0.5"})):
        write_run(folder / "store" / place, env={"identity": place}, **options)
    answer = report_store(folder)
    for wanted in ("true data, weight-decay 0 ", "random labels, weight-decay 0.25 ",
                   "50 % random labels, weight-decay 0.25 "):
        check(f"says {wanted}", wanted in answer.stdout, answer)
    shutil.rmtree(folder / "store" / "a")
    answer = report_store(folder)
    check("what is the same in all is not told", answer.returncode == 0 and
          "weight-decay" not in answer.stdout, answer)


def check_order(folder):
    """What tells runs of one name apart comes before what tells kinds apart: figures cut long names. How long a run may
    take, and a seed that a setting stands for, are not told."""
    for place, options in (("a", {"augment": "crop", "epochs": 40}),
                           ("b", {"labels": "random", "momentum": 0.5, "stop_when_fitted": True}),
                           ("c", {"labels": "random", "momentum": 0.75, "seed": 2})):
        write_run(folder / "store" / place, env={"identity": place}, **options)
    answer = report_store(folder)
    for wanted in ("true data, momentum 0.9 (default), augment crop ", "random labels, momentum 0.5, augment none ",
                   "random labels, momentum 0.75, augment none "):
        check(f"says {wanted}", wanted in answer.stdout, answer)
    check("no more than that", not re.search("seed|stop-when|, epochs", answer.stdout), answer)


def check_long_verdict(folder):
    """Many settings in the names leave room for what follows from the runs."""
    for i in range(6):
        write_run(folder / "store" / f"{i}", env={"identity": f"{i}"}, labels="random" if i else "true", rate=0.4,
                  momentum=0.125 * (i + 1), dropout=0.0625 * (i + 1), learning_rate=0.03125 * (i + 1),
                  learning_rate_decay=0.96875 - 0.03125 * i, weight_decay=0.015625 * i, batch=100 + i,
                  augment=f"crop:{i + 1},flip,rotate:15,brightness,contrast,saturation,hue")
    answer = report_store(folder)
    check("the verdict ends", "is no evidence of learning" in answer.stdout.split("\n")[0], answer)


PAIRS = """
title: Networks that memorise
options: {data: cifar10, epochs: 30}
grid:
  model: [mlp-1x512, mlp-3x512]
  labels: ["true", random]
tables:
  end: {title: Ends, columns: [test_accuracy]}
"""


def check_shared_verdict(folder):
    """Networks that all show the same have one verdict; when one of them does not, each has its own."""
    page = folder / "pairs.yaml"
    page.write_text(PAIRS, encoding="utf-8")
    def runs(name, slow):
        return [write_run(folder / name / f"{model}-{labels}", model=model, labels=labels, test=test, rate=0.05 if
                          slow and (model, labels) == ("mlp-3x512", "random") else 0.3) for model, right in
                (("mlp-1x512", 0.5), ("mlp-3x512", 0.6)) for labels, test in (("true", right), ("random", 0.1))]
    draw(folder / "alike", page, [""], runs("fast", False))
    least, most = (100 * json.loads((folder / "fast" / f"{model}-true" / "result.json").read_text())["test_accuracy"]
                   for model in ("mlp-1x512", "mlp-3x512"))
    shown = check_page("one verdict", folder / "alike" / "index.html", [
        "Each of these 2 networks, trained the same way, memorises labels that mean nothing",
        f"explains the {least:.1f} to {most:.1f} % on new examples", "mlp-3x512 on cifar10: true data fitted in"])
    check("it is said once", shown.count("no evidence of learning") == 1, shown[:3000])
    draw(folder / "unlike", page, [""], runs("slow", True))
    shown = check_page("two verdicts", folder / "unlike" / "index.html", [
        "random labels were not fitted in this time does not show"])
    check("nothing is said of both", "Each of these" not in shown, shown[:3000])
    runs_fast = runs("exception", False)
    page.write_text(PAIRS.replace("grid:", "grid:\n  weight-decay: [0, 0.25]"), encoding="utf-8")
    slow = write_run(folder / "exception" / "slow", model="mlp-1x512", labels="random", weight_decay=0.25, rate=0.05)
    draw(folder / "exceptional", page, [""], [*runs_fast, slow])
    shown = check_page("an exception", folder / "exceptional" / "index.html", [
        "random labels, weight-decay 0.25 not fitted after 30 epochs"])
    check("an exception is not passed over", "Each of these" not in shown, shown[:3000])


def check_shared_seeds(folder):
    """One network on two data sets is not called two, and what a spread is gets said; equal numbers are said once."""
    page = folder / "seeds.yaml"
    page.write_text(PAIRS.replace("data: cifar10, ", "model: mlp-1x512, ").replace(
        "model: [mlp-1x512, mlp-3x512]", "data: [cifar10, mnist]\n  seed: [1, 2]"), encoding="utf-8")
    runs = [write_run(folder / f"{data}-{labels}-{seed}", data=data, labels=labels, seed=seed, test=test, rate=0.3)
            for data in ("cifar10", "mnist") for labels, test in (("true", 0.5), ("random", 0.1)) for seed in (1, 2)]
    draw(folder / "out", page, [""], runs)
    right = 100 * json.loads((folder / "mnist-true-1" / "result.json").read_text())["test_accuracy"]
    check_page("one network", folder / "out" / "index.html", [
        "On each data set the same network, trained the same way, memorises",
        f"explains the {right:.1f} % on new examples (of several seeds mean \u00b1 standard deviation)"])


def fill(folder, place):
    """Fills one place of a page from a result; gives the exit code, what was said and the page."""
    page = folder / "page.md"
    (folder / "result.json").write_text(json.dumps({"error": 0.01234, "none": None, "text": "7",
                                                   "solutions": [{"norm": 1}, {"norm": 221.34567, "n": -6000000}]}))
    page.write_text(f"first\n| 1.2 | {place} | more |\nlast\n", encoding="utf-8")
    answer = subprocess.run([BUILD / "shatter", "report", "--update", page, "--values", folder], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=250)
    return answer.returncode, answer.stderr, page.read_text(encoding="utf-8")


def check_values(folder):
    for key, form, wanted in (("error", "percent", "1.23"), ("error", "percent1", "1.2"), ("error", "1", "0.01"),
                              ("solutions.1.norm", "4", "221.3"), ("solutions.1.n", "2", "-6,000,000"),
                              ("solutions.0.norm", "3", "1")):
        head = f"<!-- value: result.json {key} {form} -->"
        code, said, text = fill(folder, f"{head}old<!-- end -->")
        check(f"value of {key} as {form}",
              code == 0 and text == f"first\n| 1.2 | {head}{wanted}<!-- end --> | more |\nlast\n", (said, text))
    for place, wanted in (("<!-- value: result.json none 3 -->?<!-- end -->", "page.md:2"),
                          ("<!-- value: result.json text 3 -->?<!-- end -->", "no number"),
                          ("<!-- value: result.json solutions.2.norm 3 -->?<!-- end -->", "no number"),
                          ("<!-- value: result.json error %s -->?<!-- end -->", "no format"),
                          ("<!-- value: result.json error -->?<!-- end -->", "page.md:2: write"),
                          ("<!-- value: result.json error 3 -->?", "page.md:2: no <!-- end -->"),
                          ("<!-- value: other.json error 3 -->?<!-- end -->", "other.json")):
        code, said, text = fill(folder, place)
        check(f"refused: {place}", code != 0 and wanted in said and place in text, (code, said, text))


def main():
    with tempfile.TemporaryDirectory() as name:
        for part in (check_plain, check_scaled, check_changed, check_lengths, check_seeds, check_ratio, check_converter,
                     check_hostile, check_pictures, check_dynamics, check_store, check_verdict, check_settings,
                     check_order, check_long_verdict, check_shared_verdict, check_shared_seeds, check_values):
            folder = pathlib.Path(name) / part.__name__
            (folder / "with").mkdir(parents=True)
            part(folder)
    return checks_exit_code()


if __name__ == "__main__":
    sys.exit(main())
