#!/usr/bin/env python3
"""shatter run from outside: a grid survives kills of any process at any moment with the same bytes, two of them share a
store, a full disk stops with a sentence, failures and divergence leave the rest alone, Ctrl-C goes on."""

import contextlib
import csv
import fcntl
import glob
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from checks import check, checks_exit_code, files_of, write

SHATTER = os.environ.get("SHATTER", "build/shatter")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NFS_LOCKS = os.path.join(os.path.dirname(os.path.abspath(SHATTER)), "tests", "nfs-locks.so")
KILLS = int(os.environ.get("SHATTER_TEST_KILLS", "4"))
MODEL = """name: tiny
recipe: {learning-rate: 0.05, learning-rate-decay: 0.9, momentum: 0.9, weight-decay: 1e-3}
layers:
  - conv: {filters: 6, kernel: 3, stride: 4, bias: false}
  - batchnorm: {epsilon: 0.001, decay: 0.9}
  - relu
  - dropout: {probability: 0.1}
  - linear: {units: classes}
"""
PAGE = """title: A grid for tests
options: {model: tiny.yaml, data: "shapes:100,20", device: ref, batch: 32, epochs: 8, checkpoint-seconds: 0}
grid:
  labels: [true, corrupt:0.5, random]
  seed: 1..2
figures:
  error: {title: Test error, x: corruption, y: test_error}
"""


def words(page, store, *more):
    return [SHATTER, "run", page, "--store", store, *more]


def run(page, store, *more, **how):
    return subprocess.run(words(page, store, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=200, **how)


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if parent == pid:
                found.append(int(entry))
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def results_of(store):
    """Runs that are finished: name and the bytes of their result."""
    return {name: data for name, data in files_of(store).items() if name.endswith("result.json")}


def check_kills(page, folder, whole, seconds):
    """SIGKILL of the scheduler, of its children, or of both, at moments spread over the time that the grid takes."""
    dice = random.Random(1)
    kills = 0
    lost = []
    broken = []
    while kills < KILLS:
        store = tempfile.mkdtemp(dir=folder)  # another each time: a grid may end before it was killed
        code = None
        before = {}
        while code != 0:
            process = subprocess.Popen(words(page, store, "--jobs", "2", "--quiet", "--json"),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                code = process.wait(dice.random() * seconds)
            except subprocess.TimeoutExpired:
                victims = children_of(process.pid)
                which = dice.choice(["scheduler", "child", "all"])
                kills += 1
                if which == "child" and victims:
                    kill(dice.choice(victims))
                    code = process.wait(200)
                    said = process.stderr.read()
                    # Killed while steps were timed, it stops the plan; a figure's converter costs its file.
                    check("a killed child is a failed run, and the rest goes on",
                          code in (0, 1) or (code == 70 and ("tried out" in said or "could not be made" in said)), said)
                else:
                    kill(process.pid)
                    if which == "all":
                        for victim in victims:
                            kill(victim)
                    code = process.wait(200)
            after = results_of(store)
            lost += [name for name, data in before.items() if after.get(name) != data]
            before = after
            listing = subprocess.run([SHATTER, "runs", "--store", store, "--json"], stdout=subprocess.PIPE, text=True)
            if listing.returncode != 0:
                broken.append(listing)
        check(f"after {kills} kills: the bytes of the undisturbed grid", files_of(store) == whole,
              set(files_of(store)) ^ set(whole))
    check("the store opened after every kill", not broken, broken)
    check("nothing that was finished was lost or changed", not lost, lost)


def check_index(store, page):
    os.unlink(os.path.join(store, "index.sqlite"))
    again = json.loads(run(page, store, "--json", "--quiet").stdout)
    check("without its index a store is the same", again["found"] == 6 and again["done"] == 6, again)


def check_two(page, folder, whole):
    """Two schedulers that begin at once: each run is trained by one of them, and both end with all results."""
    store = os.path.join(folder, "two")
    both = [subprocess.Popen(words(page, store, "--jobs", "2", "--json", "--quiet"), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=200) for process in both]
    check("two at once on one store both end well", all(process.returncode == 0 for process in both), answers)
    check("both have all results", all(json.loads(out)["done"] == 6 for out, _ in answers), answers)
    check("two at once: the bytes of one alone", files_of(store) == whole, set(files_of(store)) ^ set(whole))


def check_interrupt(page, folder, whole):
    store = os.path.join(folder, "interrupted")
    process = subprocess.Popen(words(page, store, "--jobs", "2", "--epochs", "2000", "--progress", "plain"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while len(children_of(process.pid)) < 2 or len([n for n in os.listdir(store) if n.startswith("tiny")]) < 2:
        time.sleep(0.05)
    while not any(os.path.exists(log) and os.path.getsize(log) > 0 for log in
                  [os.path.join(store, name, "metrics.jsonl") for name in os.listdir(store)]):
        time.sleep(0.05)  # until an epoch is done
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    _, said = process.communicate(timeout=60)
    check("Ctrl-C: exit 130, and how to go on",
          process.returncode == 130 and "shatter run" in said and "--epochs=2000" in said, said)
    plan = json.loads(run(page, store, "--epochs", "2000", "--dry-run", "--json", "--quiet").stdout)
    begun = [item for item in plan["runs"] if "% done" in item["state"]]
    check("the runs at work were saved", plan["done"] == 0 and len(begun) >= 1, plan)
    # One that stopped in its first epoch goes on from its checkpoint, too, while the plan counts whole epochs.
    told = re.search(r"0 of 6 runs, and of (\d) more the part that is done", said)
    check("and they are told of", told is not None and int(told.group(1)) >= len(begun), [said, begun])


def check_outcomes(folder):
    """Divergence is a result like others; a damaged result is none."""
    page = write(os.path.join(folder, "mixed.yaml"), PAGE.replace("grid:", """series:
  - {name: wild, learning-rate: 1000, weight-decay: 10, epochs: 3}
  - {name: calm, epochs: 3}
grid:"""))
    store = os.path.join(folder, "mixed")
    answer = run(page, store, "--json", "--quiet")
    told = json.loads(answer.stdout)
    states = {item["series"]: item["state"] for item in told["runs"]}
    check("divergence is an outcome, exit 3, the rest is done",
          answer.returncode == 3 and told["done"] == 12 and states["wild, random labels"] == "diverged" and states["calm, random labels"] != "diverged",
          answer)
    write(os.path.join(folder, "mixed", [n for n in os.listdir(store) if "random" in n][0], "result.json"), "{")
    again = json.loads(run(page, store, "--json", "--quiet").stdout)
    check("a run whose result was damaged is trained again", again["done"] == 12 and again["found"] == 11, again)


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def check_full_disk(page, folder, whole):
    """Files that cannot grow, as on a full disk; then a real one where we may make one."""
    store = os.path.join(folder, "limited")
    answer = run(page, store, "--quiet", preexec_fn=limit_files)
    check("a disk that takes no more: exit 74 and a sentence that says how to go on",
          answer.returncode == 74 and "shatter run" in answer.stderr and answer.stdout == "", answer)
    answer = run(page, store, "--quiet")
    check("with space again it goes on to the same bytes", answer.returncode == 0 and files_of(store) == whole, answer)
    disk = os.path.join(folder, "disk")
    os.makedirs(disk)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], stderr=subprocess.PIPE)
    if mounted.returncode != 0:
        print("SKIP: no small disk: mounting needs root")
        return
    try:
        answer = run(page, os.path.join(disk, "small"), "--quiet")
        check("too little space is told beforehand", answer.returncode == 74 and "free" in answer.stderr, answer)
    finally:
        subprocess.run(["umount", disk], check=False)


def check_slurm(page, folder, whole):
    """The job script with stand-ins for Slurm's commands: tasks share the runs; one that is told that its time is up is
    queued again."""
    store = os.path.join(folder, "cluster")
    report = os.path.join(folder, "cluster report")
    script = write(os.path.join(folder, "job.sh"), run(page, store, "--slurm", "--quiet", "--report", report).stdout)
    tools = os.path.join(folder, "tools")
    os.makedirs(tools)
    # Options, then the command.
    write(os.path.join(tools, "srun"), f'#!/bin/sh\nwhile [ "${{1#--}}" != "$1" ]; do\n'
                                       f'  echo "$1" >>{folder}/asked\n  shift\ndone\nexec "$@"\n')
    write(os.path.join(tools, "scontrol"), f'#!/bin/sh\necho "$@" >>{folder}/queued\n')
    for name in os.listdir(tools):
        os.chmod(os.path.join(tools, name), 0o755)
    how = dict(os.environ, PATH=tools + ":" + os.environ["PATH"], SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID="3",
               SLURM_CPUS_PER_TASK="2")
    with open(script) as file:
        text = file.read()
    check("the job script has a task for each run", "#SBATCH --array=1-6\n" in text, text)
    tasks = [subprocess.Popen(["sh", script], env=how, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
             for _ in range(3)]
    said = [task.communicate(timeout=200)[1] for task in tasks]
    check("three tasks share the runs", all(task.returncode == 0 for task in tasks) and files_of(store) == whole, said)
    check("the report goes where it was asked for", os.path.exists(os.path.join(report, "index.html")), text)
    with open(os.path.join(folder, "asked")) as file:
        asked = file.read()
    check("srun is told of the cores of a task", "--cpus-per-task=2\n" in asked, asked)
    long = write(os.path.join(folder, "long.sh"),
                 run(page, os.path.join(folder, "late"), "--slurm", "--quiet", "--epochs", "2000").stdout)
    task = subprocess.Popen(["sh", long], env=how, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (at_work := [pid for pid in children_of(task.pid) if children_of(pid)]):
        time.sleep(0.05)
    time.sleep(1)
    os.kill(at_work[0], signal.SIGUSR1)
    said = task.communicate(timeout=60)[1]
    with open(os.path.join(folder, "queued")) as file:
        queued = file.read()
    check("before its time is up a task saves, ends with 75 and is queued again",
          task.returncode == 75 and queued == "requeue 7_3\n", (task.returncode, queued, said))


def check_changes(page, store):
    """Options above the page: told in every output, the report beside that of the page and not in its place."""
    own = json.loads(run(page, store, "--json", "--quiet").stdout)
    with open(os.path.join(own["report"], "index.html"), "rb") as file:
        before = file.read()
    told = json.loads(run(page, store, "--epochs", "2", "--json", "--quiet").stdout)
    with open(os.path.join(own["report"], "index.html"), "rb") as file:
        after = file.read()
    check("what was changed is told", told["changed"] == "epochs 2" and own["changed"] is None and
          told["command"].startswith(f"shatter run {page} ") and " --epochs=2" in told["command"], told)
    check("its report is another", told["report"] != own["report"] and before == after and
          os.path.exists(os.path.join(told["report"], "index.html")), told["report"])
    answer = run(page, store, "--epochs", "2", "--progress", "none")
    check("and on the screen", "Changed: epochs 2\n" in answer.stdout and "Changed: epochs 2\n" in answer.stderr, answer)


@contextlib.contextmanager
def held(store, folder, name):
    """A copy of the store in which a run has lost its result and is locked by us; gives the copy and the lock's path."""
    copy = os.path.join(folder, name)
    shutil.copytree(store, copy)
    lock = os.path.join(copy, [n for n in sorted(os.listdir(copy)) if n.startswith("tiny")][0], "lock")
    os.unlink(os.path.join(os.path.dirname(lock), "result.json"))
    with open(lock, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield copy, lock


def meet(page, store, wanted, *more):
    """Starts `run`, with locks as on NFS, and returns it when it has said `wanted`."""
    process = subprocess.Popen(words(page, store, "--progress", "plain", *more), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=dict(os.environ, LD_PRELOAD=NFS_LOCKS))
    said = ""
    for line in process.stderr:
        said += line
        if wanted in line:
            break
    check(f"a run that another process has: {wanted}", wanted in said, said)
    return process


def finish(process):
    try:
        out, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        out, said = process.communicate()
    return process.returncode, out, said


def check_locks(page, store, folder):
    with held(store, folder, "awaited") as (copy, _):
        process = meet(page, copy, "its result is awaited")
    code, out, said = finish(process)
    check("when the other is gone, its run is done", code == 0 and "trained by another" not in out, (code, out, said))
    with held(store, folder, "puzzling") as (copy, lock):
        process = meet(page, copy, "its result is awaited")
        os.unlink(lock)
        os.mkdir(lock)
        code, out, said = finish(process)
    check("a lock that cannot be asked for fails its run with a sentence",
          code == 1 and "whether it still does cannot be told" in out, (code, out, said))
    with held(store, folder, "left") as (copy, _):
        code, _, said = finish(meet(page, copy, "left to it", "--leave"))
    check("runs that are left to others are no failure", code == 0 and "awaited" not in said, (code, said))


def check_converter(page, store, folder):
    tools = os.path.join(folder, "broken")
    os.makedirs(tools)
    write(os.path.join(tools, "rsvg-convert"), "#!/bin/sh\nexit 1\n")
    os.chmod(os.path.join(tools, "rsvg-convert"), 0o755)
    how = dict(os.environ, PATH=tools + ":" + os.environ["PATH"])
    answer = run(page, store, "--quiet", env=how)
    check("a converter that fails does not hide the summary: exit 70 and a sentence",
          answer.returncode == 70 and "random labels, seed 2" in answer.stdout and "could not be made" in answer.stderr, answer)
    answer = run(page, store, "--quiet", "--json", env=how)
    check("nor the answer for scripts", answer.returncode == 70 and json.loads(answer.stdout)["done"] == 6, answer)
    answer = subprocess.run([SHATTER, "report", "--store", store, "--format", "html,pdf", "-o",
                             os.path.join(folder, "runs report")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=how)
    check("nor what there is to say of runs", answer.returncode == 70 and "Report on" in answer.stdout, answer)


def update(page, store, *more, **how):
    return subprocess.run([SHATTER, "report", "--update", page, "--store", store, *more], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **how)


def check_update(store, folder):
    """Tables of a page of Markdown: made from the store, and never lost."""
    write(os.path.join(folder, "both.yaml"), PAGE + "tables:\n  ends: {columns: [train_accuracy, test_error]}\n")
    text = "# Page\n\n<!-- measured: both.yaml ends -->\n<!-- end -->\n\nBetween.\n\n" \
           "<!-- measured: both.yaml error -->\n<!-- end -->\n\nAfter.\n"
    page = write(os.path.join(folder, "page.md"), text)
    answer = update(page, store, cwd=folder)
    with open(page) as file:
        made = file.read()
    check("tables are made from the store",
          answer.returncode == 0 and made.startswith("# Page\n") and made.endswith("\nAfter.\n") and
          "\nBetween.\n" in made and made.count("\n| --- |") == 2, (answer, made))
    nowhere = os.path.join(folder, "nwohere")
    os.makedirs(os.path.join(folder, "empty"))
    broken = made.replace("<!-- end -->", "", 1)
    mentioned = made.replace("<!-- end -->\n\nB", "or `<!-- end -->`\n\nB", 1)
    for name, content, where, wanted in [
            ("an end that is missing", broken, store, "page.md:3: no line <!-- end --> ends this block"),
            ("an end inside a line", mentioned, store, "page.md:3: no line <!-- end --> ends this block"),
            ("a mistyped store", made, nowhere, "there is no store"),
            ("an empty store", made, os.path.join(folder, "empty"), "page.md:9: the store")]:
        write(page, content)
        answer = update(page, where, cwd=folder)
        with open(page) as file:
            after = file.read()
        check(f"{name}: told, the page as it was",
              answer.returncode != 0 and wanted in answer.stderr and after == content, (answer, after))
    check("no folder is made for a mistyped store", not os.path.exists(nowhere))
    write(page, made)
    answer = update(page, os.path.join(folder, "empty"), "--lossy", cwd=folder)
    with open(page) as file:
        after = file.read()
    check("numbers go when that is asked for", answer.returncode == 0 and "not measured yet" in after, (answer, after))
    check_rows(store, folder)


def check_rows(store, folder):
    """A row keeps its numbers, also where another one gains as many."""
    write(os.path.join(folder, "two.yaml"), PAGE.split("grid:")[0] + """sets:
  rows: {series: [{name: clean, labels: true}, {name: noise, labels: random}]}
tables:
  ends: {set: rows, columns: [train_accuracy]}
""")
    page = write(os.path.join(folder, "rows.md"), "<!-- measured: two.yaml ends -->\n<!-- end -->\n")
    stores = {}
    for labels in ["true", "random"]:
        stores[labels] = os.path.join(folder, "only " + labels)
        os.makedirs(stores[labels])
        for name in os.listdir(store):
            if name.startswith(f"tiny-shapes-100-20-{labels}-"):
                shutil.copytree(os.path.join(store, name), os.path.join(stores[labels], name))
    first = update(page, stores["random"], cwd=folder)
    with open(page) as file:
        made = file.read()
    answer = update(page, stores["true"], cwd=folder)
    with open(page) as file:
        after = file.read()
    check("a row's numbers are not lost because another's have become known",
          first.returncode == 0 and answer.returncode == 65 and "rows.md:8: " in answer.stderr and
          'has 0 of the 1 numbers of "noise" in two.yaml ends' in answer.stderr and after == made, (first, answer, after))
    answer = update(page, stores["true"], "--lossy", cwd=folder)
    check("but when that is asked for", answer.returncode == 0, answer)


def check_records(store, folder):
    """A store without weights serves pages; of a run that was computed by other means they say so."""
    page, records = os.path.join(folder, "records.md"), os.path.join(folder, "records")
    write(page, "<!-- measured: both.yaml ends -->\n<!-- end -->\n\n<!-- measured: both.yaml error -->\n<!-- end -->\n")
    update(page, store, cwd=folder)
    with open(page) as file:
        wanted = file.read()
    copy = subprocess.run([SHATTER, "runs", "export", "all", "--store", store, "--records", records, "--json"],
                          stdout=subprocess.PIPE, text=True)
    again = subprocess.run([SHATTER, "runs", "export", "all", "--store", store, "--records", records, "--json"],
                           stdout=subprocess.PIPE, text=True)
    names = sorted(name for name in os.listdir(store) if name.startswith("tiny"))
    check("records of all runs are copied, once",
          len(json.loads(copy.stdout)["files"]) == 6 and json.loads(again.stdout)["files"] == [] and
          sorted(os.listdir(records)) == names, (copy, again))
    text = "".join(open(os.path.join(records, name, file)).read() for name in names
                   for file in os.listdir(os.path.join(records, name)))
    check("without weights and without the store's path",
          not any("safetensors" in file for name in names for file in os.listdir(os.path.join(records, name))) and
          store not in text, text)
    answer = update(page, records, cwd=folder)
    with open(page) as file:
        made = file.read()
    check("a page from records is the same, and nothing is left in them",
          answer.returncode == 0 and made == wanted and sorted(os.listdir(records)) == names, (answer, made, wanted))
    for name in names:
        for file in ["config.yaml", "env.json", "result.json"]:
            path = os.path.join(records, name, file)
            with open(path) as stream:
                old = stream.read()
            new = old.replace("device: ref", "device: cpu")
            write(path, re.sub('"(identity|family)": "........', '"\\1": "00000000', new))
    answer = update(page, records, cwd=folder)
    with open(page) as file:
        made = file.read()
    check("runs of another device answer, and the page says so",
          answer.returncode == 0 and made.count("2 not fitted, on cpu |") == 3 and
          made.count("runs: 6 runs on cpu.") == 1, (answer, made))
    for name in names:
        path = os.path.join(records, name, "model.yaml")
        with open(path) as stream:
            old = stream.read()
        write(path, old.replace("filters: 6", "filters: 7"))
    answer = update(page, records, "--lossy", cwd=folder)
    with open(page) as file:
        made = file.read()
    check("runs of another model do not", answer.returncode == 0 and "on cpu" not in made and
          made.count("Not measured yet.") == 2, (answer, made))


def check_published():
    """Nothing but the repository makes its page of the paper, without the data."""
    home = {name: value for name, value in os.environ.items() if name != "SHATTER_DATA"}
    with open(os.path.join(ROOT, "docs", "paper.md")) as file:
        text = file.read()
    with tempfile.TemporaryDirectory() as folder:
        page = write(os.path.join(folder, "paper.md"), text)
        answer = update(page, os.path.join(ROOT, "docs", "results", "runs"), cwd=folder,
                        env=dict(home, HOME=os.path.join(folder, "nothing")))
        with open(page) as file:
            made = file.read()
        check("docs/paper.md is what docs/results/runs makes of it, without the data",
              answer.returncode == 0 and made == text, (answer, [line for line in made.split("\n") if line not in text]))


def member(path, name, value):
    with open(path) as file:
        content = json.load(file)
    content[name] = value
    write(path, json.dumps(content))


def check_answers(store, folder):
    """Of the runs that ask the same, the one that is nearest to the plan is shown, of several the newest."""
    write(os.path.join(folder, "one.yaml"), PAGE.split("grid:")[0] + """sets:
  rows: {series: [{name: noise, labels: random, data: ./images, augment: "flip,crop"}]}
tables:
  ends: {set: rows, columns: [train_accuracy]}
""")
    os.makedirs(os.path.join(folder, "images"))
    answers, page = os.path.join(folder, "answers"), os.path.join(folder, "answers.md")
    whole = next(run for run in glob.glob(os.path.join(store, "tiny-shapes-100-20-random-*"))
                 if "\nseed: 1\n" in open(os.path.join(run, "config.yaml")).read())
    with open(os.path.join(whole, "config.yaml")) as file:
        config = re.sub("\ndata: .*", f"\ndata: {folder}/images\naugment: crop,flip", file.read())
    check("what a run asks is written in full", "learning-rate: 0.05" in config and "device: ref" in config, config)
    # Precision and device of a run that is added, its accuracy, when it was trained; what is shown then.
    for i, (precision, device, accuracy, created, shown, means) in enumerate([
            ("bf16", "cpu", 0.11, 9, "11.00", "in bf16, on cpu"), ("bf16", "ref", 0.12, 1, "12.00", "in bf16"),
            ("fp32", "cpu", 0.13, 1, "13.00", "on cpu"), ("fp32", "ref", 0.14, 1, "14.00", ""),
            ("fp32", "ref", 0.15, 2, "15.00", ""), ("fp32", "ref", 0.16, 0, "15.00", ""),
            ("fp32", "ref", None, 9, "15.00", "")]):
        added = os.path.join(answers, f"run-{i}")
        shutil.copytree(whole, added)
        write(os.path.join(added, "config.yaml"),
              config.replace("precision: fp32", f"precision: {precision}").replace("device: ref", f"device: {device}"))
        member(os.path.join(added, "env.json"), "created", created)
        member(os.path.join(added, "result.json"), "train_accuracy", accuracy)
        if accuracy is None:
            os.unlink(os.path.join(added, "result.json"))
        write(page, "<!-- measured: one.yaml ends -->\n<!-- end -->\n")
        answer = update(page, answers, cwd=folder)
        with open(page) as file:
            row = [line for line in file if line.startswith("| noise |")]
        check(f"a run {accuracy} in {precision} on {device} of time {created}: the page shows {shown}",
              answer.returncode == 0 and len(row) == 1 and f"| noise | {shown} |" in row[0] and
              (f"fitted, {means} |" if means else "fitted |") in row[0], (answer, row))
    with open(os.path.join(folder, "one.yaml")) as file:
        planned = file.read().replace("labels: random,", "labels: random, precision: bf16, device: cpu,")
    write(os.path.join(folder, "one.yaml"), planned)
    answer = update(page, answers, cwd=folder)
    with open(page) as file:
        made = file.read()
    check("where bf16 is planned, bf16 is shown", answer.returncode == 0 and "| noise | 11.00 |" in made, (answer, made))


def check_only(folder):
    """Some runs of an experiment, chosen by the names of their lines and sets."""
    where = write(os.path.join(folder, "rows.yaml"), PAGE.split("grid:")[0] + """sets:
  first: {series: [{name: "a, plain"}, {name: "a, random", labels: random}, {name: b, seed: 2}]}
  second: {series: [{name: c, seed: 3}, {name: again, labels: random}]}
tables:
  ends: {set: first, columns: [train_accuracy]}
""")
    store = os.path.join(folder, "some")
    for only, names in [("again", {"again", "a, random"}), ("a, *|c", {"a, plain", "a, random", "again", "c"})]:
        told = json.loads(run(where, store, "--only", only, "--json", "--quiet").stdout)
        done = {item["series"] for item in told["runs"] if item["result"] is not None}
        states = {item["state"] for item in told["runs"] if item["result"] is None}
        check(f"--only {only!r} trains what it names",
              done == names and states == {"not asked for"} and told["distinct"] == 4 and
              told["asked"] == told["done"] == len(names - {"again"}), told)
    plan = run(where, store, "--only", "first", "--dry-run", "--jobs", "1")
    check("a set's name asks for its runs; the plan counts them", plan.returncode == 0 and
          "3 asked for, of 4, 2 of them done" in plan.stdout and plan.stdout.count("not asked for") == 0, plan)
    told = json.loads(run(where, store, "--json", "--quiet").stdout)
    check("without it the rest is trained", told["asked"] == told["done"] == 4 and told["found"] == 3, told)
    two = write(os.path.join(folder, "two.yaml"), PAGE.replace("grid:", "series: [{name: a}, {name: b, batch: 8}]\ngrid:"))
    asked = {}
    for only in ("b", "b, random*"):
        told = json.loads(run(two, os.path.join(folder, "none"), "--only", only, "--dry-run", "--json", "--quiet").stdout)
        asked[only] = [item["series"] for item in told["runs"] if item["state"] != "not asked for"]
    check("a name in tables asks for its row, one in a figure for all along its x",
          asked == {"b": ["b, true labels"] * 2 + ["b, corrupt:0.5 labels"] * 2 + ["b, random labels"] * 2,
                    "b, random*": ["b, random labels"] * 2}, asked)
    answer = run(where, store, "--only", "a, randon")
    check("a name that is not there: exit 2 and the nearest", answer.returncode == 2 and
          'did you mean "a, random"' in answer.stderr and '"again"' in answer.stderr, answer)


def check_networks(folder):
    """Steps are timed for all that makes them longer."""
    page = write(os.path.join(folder, "networks.yaml"), """title: t
options: {model: tiny.yaml, data: "shapes:100,20", device: ref, batch: 32, epochs: 1}
grid:
  data: ["shapes:100,20", "shapes:50,20"]
  augment: [none, flip]
  dropout: [default, 0.5]
  labels: [true, random]
""")
    answer = run(page, os.path.join(folder, "untouched"), "--dry-run", "--jobs", "1")
    check("data, augmentation and dropout each have their step", answer.stdout.count(": a step takes") == 8, answer)


def plan_of(page, store, core):
    """The plan as people and as scripts see it, timed on one core."""
    pinned = {"preexec_fn": lambda: os.sched_setaffinity(0, {core})}
    return (run(page, store, "--dry-run", **pinned).stdout,
            json.loads(run(page, store, "--dry-run", "--json", **pinned).stdout))


def check_busy(page, folder):
    """Others at work on the same core: the plan tells, and its estimate is not that many times as long."""
    store = os.path.join(folder, "busy")
    core = min(os.sched_getaffinity(0))
    _, before = plan_of(page, store, core)
    others = [subprocess.Popen([sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"])
              for _ in range(7)]
    text, after = plan_of(page, store, core)
    for other in others:
        other.kill()
        other.wait()
    shown = (text, before["core_share"], after["core_share"], before["seconds_estimated"], after["seconds_estimated"])
    check("a busy core: the plan tells", "this machine is busy: " in text and 0 < after["core_share"] < 0.4, shown)
    check("and estimates from processor time", after["seconds_estimated"] < 2 * before["seconds_estimated"], shown)


def check_many(store, folder):
    """Ten thousand runs are filtered, sorted and compared in less than a second of the processor's time."""
    many = os.path.join(folder, "many")
    os.makedirs(many)
    runs = [os.path.join(store, name) for name in os.listdir(store) if name.startswith("tiny")]
    for i in range(10000):
        copy = os.path.join(many, f"copy-{i:05d}")
        os.mkdir(copy)
        for file in ["config.yaml", "result.json", "metrics.jsonl", "env.json", "timing.jsonl"]:
            os.link(os.path.join(runs[i % len(runs)], file), os.path.join(copy, file))
    ask = [SHATTER, "runs", "--store", many, "--filter", "labels=random,seed=2", "--sort", "test"]
    subprocess.run(ask, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # makes the index
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    listed = subprocess.run([*ask, "--json"], stdout=subprocess.PIPE, text=True)
    middle = resource.getrusage(resource.RUSAGE_CHILDREN)
    compared = subprocess.run([SHATTER, "runs", "--store", many, "--compare", "-q"], stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = [b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in [(before, middle), (middle, after)]]
    print(f"10,000 runs: {seconds[0]:.2f} s to filter and sort, {seconds[1]:.2f} s to compare")
    found = json.loads(listed.stdout)["runs"]
    check("10,000 runs are filtered in under a second",
          abs(len(found) - 10000 / 6) <= 1 and all(r["labels"] == "random" and r["seed"] == 2 for r in found) and
          seconds[0] < 1, seconds)
    head = compared.stdout.split("\n", 1)[0].split()
    check("10,000 runs are compared in under a second",
          head[:3] == ["run", "labels", "seed"] and compared.stdout.count("\n") == 10001 and seconds[1] < 1, (head, seconds))


def check_mistakes(page, folder):
    store = os.path.join(folder, "none")
    for more, wanted in [(["--scale", "tiny"], "no scale"), (["--epohcs", "3"], "--epochs"), (["--epochs", "x"], "epochs")]:
        answer = run(page, store, *more)
        check(f"{more}: told", answer.returncode in (2, 66) and wanted in answer.stderr and answer.stdout == "", answer)
    answer = run("tabel1", store)
    check("a mistyped experiment is suggested", answer.returncode == 66 and "table1" in answer.stderr, answer)
    listing = json.loads(subprocess.run([SHATTER, "run", "--json"], stdout=subprocess.PIPE, text=True).stdout)
    check("run alone lists the shipped experiments",
          {item["name"] for item in listing["experiments"]} >= {"table1", "fig1", "fig2b", "table4", "rademacher"}, listing)


def check_signs(folder):
    """A network with two outputs is another than that with ten: it is timed, and on a card grouped, by itself."""
    page = write(os.path.join(folder, "signs.yaml"), "title: t\noptions: {model: tiny.yaml, data: 'shapes:100,50', "
                 "epochs: 1}\ngrid: {labels: [true, random, signs]}\n"
                 "tables: {t: {columns: [train_accuracy, rademacher, relative_time]}}\n")
    answer = run(page, os.path.join(folder, "signs"), "--dry-run")
    told = answer.stdout + answer.stderr
    check("two networks are timed", told.count("a step takes") == 2, answer)
    report = os.path.join(folder, "signs-report")
    answer = run(page, os.path.join(folder, "signs"), "--report", report, "--quiet")
    with open(os.path.join(report, "t.csv"), encoding="utf-8") as file:
        rows = {row["series"]: row for row in csv.DictReader(file)}
    signs = rows["signs labels"]
    check("rademacher is a column, of signs alone", rows["random labels"]["rademacher"] == "" and abs(
        float(signs["rademacher"]) - (2 * float(signs["train_accuracy"]) - 1)) < 1e-12, (answer, rows))


def main():
    with tempfile.TemporaryDirectory() as folder:
        write(os.path.join(folder, "tiny.yaml"), MODEL)
        page = write(os.path.join(folder, "grid.yaml"), PAGE)
        store = os.path.join(folder, "whole")
        began = time.monotonic()
        answer = run(page, store, "--jobs", "2", "--json", "--quiet")
        seconds = time.monotonic() - began
        told = json.loads(answer.stdout)
        check("the grid is trained", answer.returncode == 0 and told["done"] == 6 and told["found"] == 0, answer)
        whole = files_of(store)
        again = run(page, store, "--json", "--quiet")
        check("nothing is trained twice", json.loads(again.stdout)["found"] == 6 and files_of(store) == whole, again)
        alone = run(page, os.path.join(folder, "alone"), "--jobs", "1", "--threads", "2", "--json", "--quiet")
        check("one at a time with two threads: the same bytes",
              alone.returncode == 0 and files_of(os.path.join(folder, "alone")) == whole, alone)
        check_index(store, page)
        check_two(page, folder, whole)
        check_interrupt(page, folder, whole)
        check_outcomes(folder)
        check_changes(page, os.path.join(folder, "alone"))
        check_locks(page, store, folder)
        check_converter(page, store, folder)
        check_update(store, folder)
        check_records(store, folder)
        check_answers(store, folder)
        check_published()
        check_only(folder)
        check_networks(folder)
        check_signs(folder)
        check_busy(page, folder)
        check_full_disk(page, folder, whole)
        check_slurm(page, folder, whole)
        check_many(store, folder)
        check_mistakes(page, folder)
        check_kills(page, folder, whole, seconds)
    return checks_exit_code()


if __name__ == "__main__":
    sys.exit(main())
