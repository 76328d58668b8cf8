#!/usr/bin/env python3
"""What a store says of its runs and does with them later: models that were edited since, processes that are gone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code, write

SHATTER = os.environ.get("SHATTER", "build/shatter")
MODEL = """name: own-net
recipe: {learning-rate: 0.05, learning-rate-decay: 0.9, momentum: 0.9, weight-decay: 1e-3}
layers:
  - linear: {units: 16}
  - relu
  - linear: {units: classes}
"""


def run(*words, **more):
    return subprocess.run([SHATTER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600,
                          **more)


def train(store, model, *words):
    return json.loads(run("train", "--model", model, "--data", "shapes:100,20", "--device", "ref", "--batch", "32",
                          "--store", store, "--json", "--quiet", *words).stdout)


def check_edited(folder):
    """A run that goes on or is repeated has the model that it began with, whatever became of the file."""
    model = write(os.path.join(folder, "own.yaml"), MODEL)
    whole = train(os.path.join(folder, "whole"), model, "--epochs", "4")
    store = os.path.join(folder, "edited")
    begun = train(store, model, "--epochs", "2")
    for what, text in [("edited", MODEL.replace("16", "24")), ("broken", "layers: ["), ("deleted", None)]:
        os.unlink(model) if text is None else write(model, text)
        again = run("rerun", begun["run"], "--store", store, "--json")
        answer = json.loads(again.stdout)
        check(f"rerun with its file {what}: the same weights, and what happened is told",
              again.returncode == 0 and answer["same_weights"] and answer["run"] == begun["run"] and
              "is not what it was when the run began" in again.stderr, again)
        copy = shutil.copytree(store, os.path.join(folder, "further " + what))
        further = run("resume", "last", "--store", copy, "--epochs", "4", "--json")
        check(f"resume with its file {what}: as if it had never stopped",
              further.returncode == 0 and json.loads(further.stdout)["weights_sha256"] == whole["weights_sha256"] and
              "is not what it was when the run began" in further.stderr, further)
    write(model, MODEL)
    again = run("rerun", begun["run"], "--store", store)
    check("with the file as it was nothing is told", again.returncode == 0 and "is not what" not in again.stderr, again)


def check_order(folder):
    """The newest run is the one that was begun last, also among those of one second."""
    model = write(os.path.join(folder, "own.yaml"), MODEL)
    store = os.path.join(folder, "order")
    made = [train(store, model, "--epochs", "1", "--seed", str(seed))["run"] for seed in range(6)]

    def listed(*words):
        return [r["run"] for r in json.loads(run("runs", "--store", store, "--json", *words).stdout)["runs"]]

    last = json.loads(run("runs", "show", "last", "--store", store, "--json").stdout)
    check("runs of one second stand newest first, and the last is the last", listed() == made[::-1] and
          listed("--sort", "model") == made[::-1] and last["run"] == made[-1], [made, listed(), last["run"]])
    for folder_of_run in made:  # as old versions wrote it
        env = os.path.join(folder_of_run, "env.json")
        with open(env, encoding="utf-8") as file:
            text = json.load(file)
        text["created"] = 1000000000
        write(env, json.dumps(text))
    indexed = listed()
    os.unlink(os.path.join(store, "index.sqlite"))
    check("runs of old versions have a fixed order", indexed == sorted(made) and listed() == indexed and
          listed("--sort", "labels") == indexed, [indexed, listed()])


def check_names(folder):
    """A model of one's own is called what its file calls it, else as the file; two of one name are told apart."""
    store = os.path.join(folder, "names")
    plain = write(os.path.join(folder, "plain.yaml"), MODEL.split("\n", 1)[1])
    elsewhere = write(os.path.join(folder, "elsewhere.yaml"), MODEL)
    other = write(os.path.join(folder, "other.yaml"), MODEL.replace("16", "24"))
    made = [train(store, model, "--epochs", "1", *words)["run"] for model, words in
            [(plain, []), (elsewhere, []), (write(os.path.join(folder, "moved.yaml"), MODEL), ["--seed", "2"])]]

    def names(*words):
        answer = json.loads(run("runs", "--store", store, "--json", *words).stdout)
        return sorted(r["model_name"] for r in answer["runs"])

    check("by the file's stem, or by what it calls itself", names() == ["own-net", "own-net", "plain"] and
          folder not in run("runs", "--store", store, "--quiet").stdout, names())
    check("found by it", names("--model", "own-net") == ["own-net"] * 2 and
          names("--filter", "model=plain") == ["plain"] and names("--model", plain) == ["plain"], names())
    page = os.path.join(folder, "names.html")
    told = run("report", made[1], made[2], "--store", store, "-o", page).stdout
    with open(page, encoding="utf-8") as file:
        head = file.read().split("</header>")[0]
    check("a report on one model that lay in two places is on one model", "own-net on shapes" in told and
          "own-net on shapes" in head and folder not in head and ", model " not in told, told)
    made.append(train(store, other, "--epochs", "1")["run"])
    apart = names("--model", "own-net")
    check("two models of one name are told apart", len(set(apart)) == 2 and
          all(name.startswith("own-net (") and len(name) == len("own-net (3f9a2c1b)") for name in apart), apart)
    check("folders are called as ever", all(os.path.basename(run_).startswith(("own-net-shapes", "plain-shapes"))
                                            for run_ in made), made)
    check("and in the index as in the folders", apart == names("--model", "own-net"), apart)


def check_other_data(folder):
    """A run does not go on with other data in the place of its own."""
    model = write(os.path.join(folder, "own.yaml"), MODEL)
    store = os.path.join(folder, "other data")
    begun = train(store, model, "--epochs", "2")
    path = os.path.join(begun["run"], "env.json")
    with open(path) as file:
        env = json.load(file)
    env["family"] = "0" * 64
    write(path, json.dumps(env))
    answer = run("resume", begun["run"], "--store", store, "--epochs", "4")
    check("a run whose data are others is not gone on with", answer.returncode == 65 and
          "cannot be gone on with" in answer.stderr and "shatter rerun" in answer.stderr, answer)


def outcomes(store, *words):
    return {os.path.basename(item["run"]): item["outcome"]
            for item in json.loads(run("runs", "--store", store, "--json", *words).stdout)["runs"]}


def check_interrupted(folder):
    """A run is running while a process trains it, and interrupted when that is gone, however it ended."""
    model = write(os.path.join(folder, "own.yaml"), MODEL)
    store = os.path.join(folder, "interrupted")
    for end in (signal.SIGKILL, signal.SIGINT):
        process = subprocess.Popen([SHATTER, "train", "--model", model, "--data", "shapes:100,20", "--device", "ref",
                                    "--batch", "32", "--store", store, "--epochs", "100000", "--seed", str(int(end)),
                                    "--progress", "plain"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if "epoch 3" in line:
                break
        during = outcomes(store)
        process.send_signal(end)
        process.stderr.read()
        process.wait(60)
        after = outcomes(store)
        check(f"running, and after {end.name} interrupted", list(during.values()).count("running") == 1 and set(after.values()) == {"interrupted"}, (during, after))
    check("they are found by it", len(outcomes(store, "--outcome", "interrupted")) == 2 and
          outcomes(store, "--outcome", "running") == {})
    listed = run("runs", "--store", store)
    check("and shown so", listed.stdout.count(" interrupted ") == 2, listed)
    name = next(iter(outcomes(store)))
    shown = run("runs", "show", name, "--store", store)
    answer = json.loads(run("runs", "show", name, "--store", store, "--json").stdout)
    check("one alone, too", shown.stdout.startswith("Interrupted: ") and answer["outcome"] == "interrupted",
          (shown, answer))


def main():
    with tempfile.TemporaryDirectory() as folder:
        check_edited(folder)
        check_order(folder)
        check_names(folder)
        check_other_data(folder)
        check_interrupted(folder)
    return checks_exit_code()


if __name__ == "__main__":
    sys.exit(main())
