#!/usr/bin/env python3
"""The program as a person and a script meet it: help, suggestions, exit codes, one JSON object, resume."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code

SHATTER = os.environ.get("SHATTER", "build/shatter")


def run(*words, **more):
    return subprocess.run([SHATTER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600,
                          **more)


def cut_down(bound):
    """A lower bound to three digits that is one still."""
    return f"{int(bound * 1000 + 1e-9) / 1000:.3f}"


def small(store, *words):
    return ["--model", "mlp-1x128", "--data", "shapes:400,100", "--store", store, *words]


def check_help():
    overview = run("--help")
    check("--help answers on standard output", overview.returncode == 0 and "train" in overview.stdout, overview)
    for verb in ["train", "run", "runs", "resume", "rerun", "demo", "bench", "doctor", "report", "data show", "model show",
                 "express", "linear"]:
        answer = run(*verb.split(), "--help")
        check(f"{verb} --help", answer.returncode == 0 and f"shatter {verb}" in answer.stdout, answer)


def verbs():
    return [row["verb"] for row in json.loads(run("help", "--json").stdout)["verbs"]]


def options_of(verb):
    return {row["option"]: row for row in json.loads(run(*verb.split(), "--help", "--json").stdout)["options"]}


def check_defaults():
    """A verb's help is true: its examples' data can be drawn, and the defaults are those that it uses, as --print-config
    has them; "default" there is in words."""
    compared = []
    for verb in verbs():
        options = options_of(verb)
        text = " ".join(run(*verb.split(), "--help").stdout.split())
        for shapes in re.findall(r"shapes:\d[^\s'\"]*", text):
            check(f"{verb}: {shapes} of its examples can be drawn", re.fullmatch(r"shapes:\d+,\d+", shapes), text)
        for row in options.values():
            check(f"{verb} --{row['option']}: text and object say the same", row["meaning"] in text, (row, text))
        if "print-config" not in options:
            continue
        compared.append(verb)
        used = json.loads(run(*verb.split(), "--print-config", "--json").stdout)
        told = {name: row["default"] for name, row in options.items() if name in used}
        check(f"{verb}: help has all of its options", set(told) == set(used), (told, used))
        for name, value in used.items():
            wanted = {True: "true", False: "false", "": None}.get(value, str(value))
            good = told[name] not in (None, "0") if value is None else told[name] == wanted or (
                isinstance(value, (int, float)) and told[name] is not None and float(told[name]) == value)
            check(f"{verb} --{name}: {value} is the default told", good, told[name])
    check("verbs with --print-config", set(compared) >= {"demo", "train", "kernel", "express", "linear"}, compared)
    # What no configuration tells: where a run or a page decides, and what a verb does not take.
    check("resume: the run says how many epochs", options_of("resume")["epochs"]["default"] not in ("100", None))
    defaults = options_of("run")
    check("run: the page says what is trained", all(
        defaults[name]["default"] == "as the page says" for name in ["model", "data", "epochs", "batch", "labels"]))
    check("kernel runs on cpu and cuda", "one of: cpu, cuda (default: cpu)" in options_of("kernel")["device"]["meaning"])
    check("express computes in fp64 or fp32",
          "one of: fp64, fp32 (default: fp64)" in options_of("express")["precision"]["meaning"])
    result = json.loads(run("linear", "--data", "shapes:300,1200", "--epochs", "2", "--json").stdout)
    linear = options_of("linear")
    check("linear: as many examples as its help says", (str(result["examples"]), str(result["test_examples"])) == (
        linear["train-size"]["default"], linear["test-size"]["default"]), (result["examples"], linear["test-size"]))


def check_version():
    wanted = run("version").stdout
    for words in [["--version"], ["-v"], ["-V"]]:
        answer = run(*words)
        check(f"{words[0]} prints the version", answer.returncode == 0 and answer.stdout == wanted != "", answer)
    check("--version --json", json.loads(run("--version", "--json").stdout)["version"] in wanted)
    answer = run("--verison")
    check("--verison: told without a verb that was not asked for", answer.returncode == 2
          and "did you mean --version" in answer.stderr and "shatter help:" not in answer.stderr, answer)


def check_mistakes():
    for words, wanted in [(["trian"], "train"), (["train", "--epohcs", "3"], "epochs"),
                          (["train", "--model", "inceptoin"], "inception"), (["train", "--labels", "rndom"], "random"),
                          (["train", "--batch", "0"], "batch"), (["train", "--augment", "rotat:25"], "rotate"),
                          (["train", "--augment", "flip", "--pixels", "shuffled"], "--pixels true"),
                          (["train", "--augment", "color", "--pixels", "gaussian"], "Gaussian"),
                          (["model", "show", "alexnte"], "alexnet"), (["bench", "--model", "inceptoin"], "inception")]:
        answer = run(*words)
        check(f"{' '.join(words)}: told, exit 2 or 66",
              answer.returncode in (2, 66) and wanted in answer.stderr and answer.stdout == "", answer)


def check_counts():
    for model, parameters in [("inception", 1649402), ("inception-nobn", 1649402), ("alexnet", 1387786),
                              ("mlp-3x512", 1735178), ("mlp-1x512", 1209866)]:
        answer = run("model", "show", model, "--json")
        check(f"{model} has {parameters} parameters", json.loads(answer.stdout)["parameters"] == parameters, answer)


def check_train(store):
    answer = run("train", *small(store, "--labels", "random", "--epochs", "3", "--json"))
    result = json.loads(answer.stdout)
    wanted = {"run", "weights_sha256", "train_accuracy", "test_accuracy", "train_loss", "steps", "epochs", "parameters"}
    check("train --json: one object with the documented keys", answer.returncode == 0 and wanted <= set(result), answer)
    check("four steps an epoch", result["steps"] == 12, result)
    again = json.loads(run("train", *small(store, "--labels", "random", "--epochs", "3", "--threads", "1",
                                           "--json")).stdout)
    check("a run that is done is not repeated", again["weights_sha256"] == result["weights_sha256"], again)
    listing = json.loads(run("runs", "--store", store, "--json").stdout)
    check("runs lists it", len(listing["runs"]) == 1, listing)
    shown = json.loads(run("runs", "show", "last", "--store", store, "--json").stdout)
    listed = listing["runs"][0]
    check("a run has the same keys and values wherever it is told", listed["fitted_step"] is None and all(
        listed[key] == shown[key] == result[key] for key in set(listed) & set(shown) & set(result)), (listed, shown))
    check("its identity is called identity", len(listed["identity"]) == 64 and "id" not in listed, listed)


def check_interrupt(store):
    """Ctrl-C after a while, then resume: the same weights as without."""
    words = small(store, "--epochs", "200")
    process = subprocess.Popen([SHATTER, "train", *words, "--progress", "plain"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("epoch 3") or "epoch 3/" in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    check("Ctrl-C saves and says how to go on", process.wait(60) == 130 and "shatter resume" in rest, rest)
    folder = next(word for word in rest.split() if word.startswith(store)).strip("`.")
    resumed = run("resume", folder, "--store", store, "--json")
    with tempfile.TemporaryDirectory() as other:
        whole = run("train", *small(other, "--epochs", "200", "--json"))
        check("a resumed run ends with the same weights",
              json.loads(resumed.stdout)["weights_sha256"] == json.loads(whole.stdout)["weights_sha256"],
              (resumed, whole))


def check_diverged(store):
    answer = run("train", *small(store, "--learning-rate", "1000", "--epochs", "2", "--json"))
    check("divergence is an outcome with exit 3", answer.returncode == 3 and json.loads(answer.stdout), answer)
    again = run("rerun", json.loads(answer.stdout)["run"], "--store", store)
    check("a run that diverges again has no weights to be equal", again.returncode == 0 and "SHA-256" not in again.stdout
          and "The same: it diverged in step" in again.stdout, again)


def check_outputs(store):
    """What cannot be written is told with its place and what to do."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        answer = subprocess.run([SHATTER, "model", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    check("a full disk under standard output: exit 74", answer.returncode == 74 and "full" in answer.stderr, answer)
    answer = run("data", "show", "shapes:100,10", "-o", os.path.join(store, "nowhere", "grid.png"))
    check("a grid into a folder that is not there: exit 74",
          answer.returncode == 74 and "make its folder first" in answer.stderr, answer)


def check_doctor(store):
    answer = run("doctor", "--store", store, "--json")
    subjects = {row["subject"] for row in json.loads(answer.stdout)["findings"]}
    check("doctor looks at machine, engines, data and store",
          answer.returncode == 0 and {"machine", "processor", "cpu", "ref", "cifar10", "store"} <= subjects, answer)


def check_grid(store):
    path = os.path.join(store, "grid.png")
    answer = run("data", "show", "shapes:100,10", "-o", path)
    good = answer.returncode == 0 and open(path, "rb").read(8) == b"\x89PNG\r\n\x1a\n"
    check("data show writes a PNG", good, answer)
    varied = run("data", "show", "shapes:100,10", "--augment", "crop,flip,rotate:25,color", "-o", path, "--json")
    check("data show shows variants", varied.returncode == 0 and json.loads(varied.stdout)["count"] == 100, varied)


def check_augmented(store):
    answer = json.loads(run("train", *small(store, "--augment", "crop,flip", "--dropout", "0.2", "--epochs", "2",
                                            "--json")).stdout)
    check("under augmentation the online mean is the training accuracy",
          answer["train_accuracy"] == answer["online_train_accuracy"] and 0 <= answer["plain_train_accuracy"] <= 1, answer)
    again = json.loads(run("train", *small(store, "--augment", "flip:0.5,crop", "--dropout", "0.2", "--epochs", "2",
                                           "--json")).stdout)
    check("the same list in another order is the same run", again["identity"] == answer["identity"], again)


def check_signs(store):
    """Signs of a fair coin are fitted, which no network can carry over to the signs of other images."""
    words = ["train", "--model", "mlp-1x128", "--data", "shapes:400,2000", "--labels", "signs", "--epochs", "25", "--store",
             store]
    answer = json.loads(run(*words, "--json").stdout)
    check("rademacher is 2 x training accuracy - 1, nearly 1",
          answer["rademacher"] == 2 * answer["train_accuracy"] - 1 and answer["rademacher"] > 0.9, answer)
    with open(answer["run"] + "/result.json", encoding="utf-8") as file:
        check("result.json has it too", json.load(file)["rademacher"] == answer["rademacher"], answer)
    # 4 standard deviations of 2,000 fair coins
    check("on other signs it is right half of the time", abs(answer["test_accuracy"] - 0.5) < 2 / 2000 ** 0.5, answer)
    told = run(*words)
    check("people are told", "with random signs for labels" in told.stdout and
          f"Empirical Rademacher complexity at least {cut_down(answer['rademacher'])} by" in told.stdout, told)
    listed = json.loads(run("runs", "show", "last", "--store", store, "--json").stdout)
    check("runs show has it", listed["rademacher"] == answer["rademacher"], listed)
    for verb in (["kernel", "--data", "shapes:200,100"], ["linear", "--data", "shapes:200,100"],
                 ["express", "--data", "shapes:200,100"], ["data", "show", "shapes:100,10", "-o", store + "/signs.png"]):
        other = run(*verb, "--labels", "signs", "--json")
        check(f"{verb[0]} takes signs", other.returncode == 0 and json.loads(other.stdout), other)
    check("linear has two classes",
          json.loads(run("linear", "--data", "shapes:200,100", "--labels", "signs", "--json").stdout)["classes"] == 2)


def main():
    with tempfile.TemporaryDirectory() as store:
        check_help()
        check_defaults()
        check_version()
        check_mistakes()
        check_counts()
        check_train(store)
        check_interrupt(os.path.join(store, "interrupted"))
        check_diverged(store)
        check_grid(store)
        check_outputs(store)
        check_doctor(store)
        check_augmented(store)
        check_signs(os.path.join(store, "signs"))
    return checks_exit_code()


if __name__ == "__main__":
    sys.exit(main())
