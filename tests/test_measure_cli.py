#!/usr/bin/python3
"""`shatter measure` for people: the table, what it says of runs that cannot be measured (records alone, diverged, not
complete, damaged), of another precision or device than a run was trained with, and JSON where a measure is missing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from checks import check, checks_exit_code, write

SHATTER = os.environ.get("SHATTER", "build/shatter")
SOURCE = os.environ.get("SHATTER_SOURCE", ".")
MODEL = "layers:\n  - linear: {units: 48}\n  - relu\n  - linear: {units: classes}\n"


def run(*words):
    return subprocess.run([SHATTER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=250)


def train(store, *words):
    answer = run("train", "--store", store, "--json", "--quiet", "--data", "shapes:200,50", "--batch", "25",
                 "--threads", "1", *words)
    return json.loads(answer.stdout)


def refused(name, code, words, *call):
    answer = run("measure", *call)
    check(name, answer.returncode == code and words in answer.stderr and answer.stdout == "",
          (answer.returncode, answer.stdout, answer.stderr))


def reject(constant):
    raise ValueError(constant)


def check_answers(store, true, random):
    both = run("measure", true, random, "--store", store, "--layers", "--against", random)
    for words in ("true labels", "random labels", "second / first", "Lipschitz bound", "bound: PAC-Bayes",
                  "noise was tried on 200 of them", "linear1", "Against"):
        check(f"the table says \"{words}\"", words in both.stdout, both)
    told = run("measure", true, random, "--store", store, "--json", "--no-sharpness", "--quiet")
    runs = json.loads(told.stdout, parse_constant=reject)["runs"]
    check("one object a run", [r["labels"] for r in runs] == ["true", "random"] and told.stderr == "", told)
    check("what was not measured is null", runs[0]["sharpness"] is None and runs[0]["pac_bayes_bound"] is None, runs[0])
    check("what was is not", runs[0]["lipschitz"] > 0 and len(runs[0]["layers"]) == 2, runs[0])
    same = run("measure", true, "--against", true, "--store", store, "--no-sharpness", "--json")
    check("no run differs from itself", json.loads(same.stdout)["difference"]["loss_max"] == 0, same)


def check_other_arithmetic(folder, store, model):
    bf16 = train(store, "--model", model, "--epochs", "1", "--precision", "bf16")
    if "run" not in bf16:
        print(f"SKIP: bf16: {bf16}")
        return
    refused("a device that lacks the precision", 2, "does not compute in bf16", bf16["run"], "--store", store,
            "--device", "ref")
    answer = run("measure", bf16["run"], "--store", store, "--device", "ref", "--precision", "fp32", "--no-sharpness")
    check("another precision can be asked for", answer.returncode == 0, answer)


def check_incomplete(store, model):
    process = subprocess.Popen([SHATTER, "train", "--store", store, "--data", "shapes:200,50", "--model", model,
                                "--epochs", "1000000", "--quiet", "--threads", "1"], stderr=subprocess.PIPE)
    deadline = time.time() + 60
    while time.time() < deadline and "metrics.jsonl" not in "".join(" ".join(names) for _, _, names in os.walk(store)):
        time.sleep(0.05)
    refused("a run that goes on", 69, "is being trained", "last", "--store", store)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    refused("a run that was stopped", 69, "shatter resume", "last", "--store", store)


def check_stopped(store, true):
    process = subprocess.Popen([SHATTER, "measure", true, "--store", store, "--device", "ref", "--threads", "1",
                                "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)  # of some seconds
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    # Where it had not yet begun to listen, it ends by the signal itself.
    good = process.returncode == 130 and json.loads(out)["status"] == "STOPPED"
    check("Ctrl-C ends it", good or process.returncode == -signal.SIGINT, (process.returncode, out, errors))


def check_changed(folder, store, model):
    labels = write(folder + "/labels.txt", "".join(f"{i % 10}\n" for i in range(200)))
    own = train(store, "--model", model, "--epochs", "40", "--labels", f"file:{labels}", "--stop-when-fitted")
    before = run("measure", own["run"], "--store", store, "--no-sharpness", "--json")
    check("the data are as they were", before.stderr == "" and own["train_accuracy"] > 0.9, (before, own))
    write(labels, "".join(f"{(i + 1) % 10}\n" for i in range(200)))
    after = run("measure", own["run"], "--store", store, "--no-sharpness", "--json")
    check("other labels are noticed", "are not what they were" in after.stderr and after.returncode == 0, after)
    quiet = run("measure", own["run"], "--store", store, "--no-sharpness", "--json", "--quiet")
    check("quietly", quiet.stderr == "", quiet)


def check_unmeasurable(folder, store, model, true):
    refused("no such run", 66, "no run", "nothing", "--store", store)
    refused("records alone", 66, "a copy of records alone", "last", "--store", SOURCE + "/docs/results/runs")
    diverged = train(store, "--model", model, "--epochs", "5", "--learning-rate", "1000", "--momentum", "0.99")
    refused("a run that diverged", 66, "diverged: it has no weights", diverged["run"], "--store", store)
    refused("the second of two", 66, "diverged", true, diverged["run"], "--store", store)
    refused("the one to compare with", 66, "diverged", true, "--against", diverged["run"], "--store", store)
    other = train(store, "--model", write(folder + "/other.yaml", MODEL.replace("48", "24")), "--epochs", "1")
    refused("another model", 2, "other models", true, "--against", other["run"], "--store", store)
    signs = train(store, "--model", model, "--epochs", "1", "--labels", "signs")
    refused("the model with two outputs", 2, "with labels of as many classes", true, "--against", signs["run"], "--store",
            store)
    weights = other["run"] + "/weights.safetensors"
    shutil.copy(true + "/weights.safetensors", weights)
    refused("another model's weights", 65, "these are not weights of the model", other["run"], "--store", store)
    os.truncate(weights, 1000)
    refused("weights cut off", 65, "weights.safetensors", other["run"], "--store", store)
    write(other["run"] + "/result.json", "{")
    refused("a damaged run", 65, "result.json", other["run"], "--store", store)
    check_incomplete(folder + "/unfinished", model)
    check_stopped(store, true)


def check_replaced(store, model, true):
    """What was replaced tells the run from the one that it is held against."""
    replaced = train(store, "--model", model, "--epochs", "12", "--replace", "3")["run"]
    beside = run("measure", true, replaced, "--store", store, "--no-sharpness")
    head = beside.stdout.partition("\n")[0].split("  ")
    check("a replaced example is in the table's head", [word.strip() for word in head if word.strip()] == [
        "true labels", "true labels and example 3 replaced", "second / first"], beside)


def main():
    with tempfile.TemporaryDirectory() as folder:
        store, model = folder + "/store", write(folder + "/own.yaml", MODEL)
        true, random = (train(store, "--model", model, "--epochs", "12", "--labels", labels)["run"]
                        for labels in ("true", "random"))
        check_unmeasurable(folder, store, model, true)
        check_other_arithmetic(folder, store, model)
        check_changed(folder, store, model)
        check_replaced(store, model, true)
        os.remove(model)  # the runs have kept it
        check_answers(store, true, random)
    sys.exit(checks_exit_code())


if __name__ == "__main__":
    main()
