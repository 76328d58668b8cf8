#!/usr/bin/env python3
"""shatter run --device cuda: runs of a small network train together in one process, with the bytes that each has alone;
one that diverges, one that is fitted early, one that another process trains leave the others as they are; Ctrl-C saves
all, and the same command goes on. Skips without a card; run once more on the plugin of tests/cuda_on_host."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from checks import check, checks_exit_code, files_of, write

SHATTER = os.environ.get("SHATTER", "build/shatter")
MODEL = """name: tiny
recipe: {learning-rate: 0.1, learning-rate-decay: 0.9, momentum: 0.9, weight-decay: 1e-3}
layers:
  - linear: {units: 24}
  - relu
  - dropout: {probability: 0.1}
  - linear: {units: classes}
"""
PAGE = """title: A sweep for tests
options: {model: tiny.yaml, data: "shapes:60,20", device: cuda, batch: 20, epochs: 5, checkpoint-seconds: 0}
series:
  - {name: calm}
  - {name: wild, learning-rate: 1000, weight-decay: 10}
  - {name: other pixels, pixels: random}
  - {name: decayed, weight-decay: 0.01, augment: flip}
grid:
  labels: [true, corrupt:0.5]
"""
RUNS = 8


def words(page, store, *more):
    return [SHATTER, "run", page, "--store", store, "--progress", "plain", *more]


def run(page, store, *more):
    return subprocess.run(words(page, store, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=600)


def differing(one, other):
    return [name for name in set(one) | set(other) if one.get(name) != other.get(name)]


def largest_process(said):
    """Runs that the plan says train together."""
    found = re.findall(r"up to (\d+) runs together", said)
    return max(map(int, found), default=1)


def check_bytes(page, folder):
    """Alone, two together, all together: the same bytes."""
    alone = run(page, os.path.join(folder, "alone"), "--together", "1", "--json")
    check("alone: one diverges, the rest is done", alone.returncode == 3 and json.loads(alone.stdout)["done"] == RUNS, alone)
    check("alone: the plan tells of nothing together", largest_process(alone.stderr) == 1, alone.stderr)
    whole = files_of(os.path.join(folder, "alone"))
    check("alone: there are results", len([name for name in whole if name.endswith("result.json")]) == RUNS, whole.keys())
    for more, size in ((("--together", "3"), 3), ((), RUNS)):
        store = os.path.join(folder, f"together-{size}")
        answer = run(page, store, *more, "--json")
        check(f"{size} together: the same ends", answer.returncode == 3 and json.loads(answer.stdout)["done"] == RUNS, answer)
        # Flipped images are another network's, as far as the plan knows: two runs, beside six.
        check(f"{size} together: the plan says so", largest_process(answer.stderr) == min(size, 6), answer.stderr)
        check(f"{size} together: the bytes that each has alone", files_of(store) == whole,
              differing(files_of(store), whole))
    return whole


def check_early(page, folder):
    """One that is fitted ends before the others, with the bytes that it has alone."""
    changes = ("--stop-when-fitted=true", "--fitted-at", "0.4", "--epochs", "12", "--only", "calm*|other pixels*")
    stores = [os.path.join(folder, name) for name in ("early-alone", "early")]
    answers = [run(page, store, *changes, "--together", count, "--json") for store, count in zip(stores, ("1", "0"))]
    steps = [[item["result"]["steps"] for item in json.loads(answer.stdout)["runs"] if item["state"] != "not asked for"]
             for answer in answers]
    check("runs end when they are fitted, not all at once", len(set(steps[1])) > 1 and steps[0] == steps[1], steps)
    check("ended early: the bytes that each has alone", files_of(stores[0]) == files_of(stores[1]),
          differing(files_of(stores[0]), files_of(stores[1])))


def count_begun(store):
    """Runs with a whole epoch behind them."""
    logs = [os.path.join(store, name, "metrics.jsonl") for name in (os.listdir(store) if os.path.isdir(store) else ())]
    return sum(os.path.exists(log) and os.path.getsize(log) > 0 for log in logs)


def check_interrupt(page, folder):
    """Ctrl-C saves all members; the same command goes on, to the bytes of a sweep that was never stopped."""
    changes = ("--epochs", "40", "--only", "calm*|other pixels*")
    whole = os.path.join(folder, "whole")
    store = os.path.join(folder, "interrupted")
    run(page, whole, *changes, "--together", "1")
    process = subprocess.Popen(words(page, store, *changes), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    while process.poll() is None and count_begun(store) < 4:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    _, said = process.communicate(timeout=100)
    check("Ctrl-C: exit 130, and how to go on", process.returncode == 130 and "shatter run" in said, said)
    plan = json.loads(run(page, store, *changes, "--dry-run", "--json").stdout)
    states = [item["state"] for item in plan["runs"] if item["state"] != "not asked for"]
    check("all four were saved", plan["done"] == 0 and len(states) == 4 and all("% done" in state for state in states), plan)
    again = run(page, store, *changes, "--json")
    check("the same command goes on", again.returncode == 0 and json.loads(again.stdout)["done"] == 4, again)
    check("interrupted: the bytes of a sweep that was not", files_of(store) == files_of(whole),
          differing(files_of(store), files_of(whole)))


def check_locked(page, folder, whole):
    """A member that another process trains: the others go on without it."""
    store = os.path.join(folder, "locked")
    name = next(name.split("/")[0] for name in sorted(whole) if "corrupt" in name)
    os.makedirs(os.path.join(store, name))
    with open(os.path.join(store, name, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = run(page, store, "--leave", "--json")
    states = [item["state"] for item in json.loads(answer.stdout)["runs"]]
    check("one is left to the other process", states.count("trained by another process") == 1, states)
    found = files_of(store)
    check("one left: the others have their bytes",
          {file: data for file, data in whole.items() if not file.startswith(name + "/")} == found,
          differing(found, whole))


def check_convolutions(folder):
    """Convolutions, normalisation and pools: together too, with the bytes that each run has alone."""
    page = write(os.path.join(folder, "conv.yaml"), PAGE.replace("tiny.yaml", "conv.yaml.model.yaml"))
    write(os.path.join(folder, "conv.yaml.model.yaml"), """name: tiny
recipe: {learning-rate: 0.1, learning-rate-decay: 0.9, momentum: 0.9, weight-decay: 1e-3}
layers:
  - conv: {filters: 4, kernel: 4, stride: 4}
  - batchnorm: {decay: 0.9}
  - relu
  - maxpool: {kernel: 2, stride: 2}
  - linear: {units: classes}
""")
    stores = [os.path.join(folder, name) for name in ("conv-alone", "conv")]
    some = ("--only", "calm*|other pixels*", "--epochs", "1", "--json")
    answers = [run(page, store, "--together", count, *some) for store, count in zip(stores, ("1", "0"))]
    check("convolutions: all runs are done", [answer.returncode for answer in answers] == [0, 0] and
          all(json.loads(answer.stdout)["done"] == 4 for answer in answers), answers)
    check("convolutions: the plan says so", [largest_process(answer.stderr) for answer in answers] == [1, 4], answers)
    check("convolutions: the bytes that each has alone", files_of(stores[0]) == files_of(stores[1]),
          differing(files_of(stores[0]), files_of(stores[1])))


def has_card():
    with tempfile.TemporaryDirectory() as folder:
        write(os.path.join(folder, "tiny.yaml"), MODEL)
        answer = run(write(os.path.join(folder, "page.yaml"), PAGE), os.path.join(folder, "store"), "--dry-run")
    if answer.returncode != 0:
        print("SKIP:", answer.stderr.strip().split("\n")[-1])
    return answer.returncode == 0


def main():
    if not has_card():
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        write(os.path.join(folder, "tiny.yaml"), MODEL)
        page = write(os.path.join(folder, "page.yaml"), PAGE)
        whole = check_bytes(page, folder)
        check_early(page, folder)
        check_interrupt(page, folder)
        check_locked(page, folder, whole)
        check_convolutions(folder)
    sys.exit(checks_exit_code())


main()
