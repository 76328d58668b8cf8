#!/usr/bin/env python3
"""shatter express and shatter linear as a person and a script meet them."""

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

from checks import check, checks_exit_code

SHATTER = os.environ["SHATTER"]

EXPRESS_KEYS = {
    "represented", "points", "dims", "merged", "indistinct", "units", "weights", "depth", "width", "c1", "c2",
    "precision", "direction", "gaps", "fraction", "fractions", "fraction_errors", "error_exact", "engine_points",
    "error_engine", "error_single", "target_largest", "smallest_eigenvalue", "smallest_singular", "iterations", "norm",
    "weight_largest", "weight_bound", "cancellation", "projection_rounding", "seconds_build", "seconds_check", "output"}
LINEAR_KEYS = {
    "settled", "examples", "dims", "test_examples", "test_given", "classes", "largest_eigenvalue", "smallest_eigenvalue",
    "learning_rate", "sigma", "hessian", "interpolants", "curve", "output"}


def run(*words):
    return subprocess.run([SHATTER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=250)


def check_express():
    answer = run("express", "--n", "100", "--d", "5", "--json")
    check("express --json has the documented keys", set(json.loads(answer.stdout)) == EXPRESS_KEYS, answer)
    text = run("express", "--n", "100", "--d", "5")
    check("express says so in a sentence", text.stdout.startswith("Represented: a network of depth 2 and width 100 "
                                                                  "with 205 weights"), text)
    text = run("express", "--n", "100", "--d", "5", "--fraction", "0.5").stdout
    check("a bound that there is not is no figure", "bound on |w_j| " in text and "inf" not in text, text)
    single = run("express", "--n", "20000", "--d", "5", "--precision", "fp32", "--json")
    check("what is not represented is exit code 1",
          single.returncode == 1 and json.loads(single.stdout)["represented"] is False, single)


def check_model_show(folder):
    """What express writes is shown: its input, its one output, as many parameters as it says that it has."""
    for name, words, shape in [("points", ["--n", "20", "--d", "5"], (1, 1, 5)),
                               ("deep", ["--n", "60", "--d", "7", "--depth", "10"], (1, 1, 7)),
                               ("images", ["--data", "shapes:100,10", "--depth", "4"], (28, 28, 3))]:
        net = os.path.join(folder, name)
        made = json.loads(run("express", *words, "-o", net, "--json").stdout)
        for spec in [net, os.path.join(net, "model.yaml")]:
            answer = run("model", "show", spec, "--json")
            shown = json.loads(answer.stdout)
            first, last = shown.get("layers", [{}])[0], shown.get("layers", [{}])[-1]
            check(f"model show {os.path.basename(spec)} ({name})", answer.returncode == 0 and shown["classes"] == 1
                  and shown["parameters"] == made["weights"] and last["channels"] == 1
                  and (first["height"], first["width"], first["channels"]) == shape, answer)
    refused = run("model", "show", net, "--classes", "10")
    check("what --classes says counts", refused.returncode == 2 and "each of the 10 classes" in refused.stderr, refused)
    refused = run("train", "--model", net, "--data", "shapes:100,10", "--device", "ref", "--store", folder)
    check("it is not trained on classes", refused.returncode == 2 and "the 10 classes" in refused.stderr, refused)


def check_mistakes():
    for words, code, wanted in [
            (["express", "--n", "10", "--depth", "3"], 2, "3 is not covered"),
            (["express", "--n", "10", "--data", "shapes"], 2, "one sample at a time"),
            (["express", "--points", "x.npy"], 2, "go together"),
            *((["express", "--points", "x.npy", "--targets", "y.npy", option, value], 2, f"{option} is of the images")
              for option, value in [("--labels", "random"), ("--pixels", "shuffled"), ("--train-size", "5"),
                                    ("--data-dir", "."), ("--whiten", "")]),
            (["express", "--n", "10", "--labels", "random"], 2, "--labels is of the images"),
            (["express", "--n", "10", "--train-size", "5"], 2, "--train-size is of the images"),
            (["express", "--data", "shapes", "--d", "5"], 2, "--d is of random points"),
            (["express", "--points", "x.npy", "--targets", "y.npy", "--classes", "5"], 2, "--classes is of random points"),
            (["express", "--n", "10", "--precision", "tf32"], 2, "fp64 or fp32"),
            (["express", "--n", "10", "--precision", "bf16"], 2, "fp64 or fp32"),
            (["express", "--n", "100000", "--d", "1"], 65, "are equal but have the targets"),
            (["express", "--n", "10", "--engine-points", "0"], 2, "points through the engine"),
            (["express", "--n", "10", "--precision", "fp32", "--engine-points", "0"], 2, "points through the engine"),
            (["express", "--n", "10", "--fraction", "x"], 2, "takes a number"),
            (["express", "--n", "10", "--depht", "4"], 2, "did you mean --depth"),
            (["linear", "--data", "shapes", "--train-size", "3000"], 2, "fewer examples than dimensions"),
            (["linear", "--data", "shapes", "--train-size", "50", "--learning-rate", "1"], 2, "too large"),
            (["linear", "--data", "shapes", "--sigma", "-1"], 2, "must be above 0")]:
        answer = run(*(word for word in words if word != ""))
        check(f"{' '.join(words)}: told, exit {code}",
              answer.returncode == code and wanted in answer.stderr and answer.stdout == "", answer)


def check_linear(folder):
    words = ["linear", "--data", "shapes:50,100", "--epochs", "30", "--json"]
    one, eight = run(*words, "--threads", "1"), run(*words, "--threads", "8", "-o", folder)
    check("linear --json has the documented keys", set(json.loads(one.stdout)) == LINEAR_KEYS, one)
    same = '"output": null' in one.stdout
    same = same and one.stdout.replace('"output": null', f'"output": "{folder}"') == eight.stdout
    check("the same at any number of threads", same, eight)
    check("files on request", sorted(os.listdir(folder)) == ["curve.csv", "descent.npy", "interpolants.csv",
                                                             "minimum-norm.npy"])


def write_images(folder, count, side):
    """IDX files of noise, `count` for the training and twice as many for the test."""
    for part, n in [("train", count), ("t10k", 2 * count)]:
        with open(os.path.join(folder, part + "-images-idx3-ubyte"), "wb") as file:
            levels = (pixel * 73 % 251 for pixel in range(n * side * side))
            file.write(struct.pack(">4I", 0x803, n, side, side) + bytes(levels))
        with open(os.path.join(folder, part + "-labels-idx1-ubyte"), "wb") as file:
            file.write(struct.pack(">2I", 0x801, n) + bytes(i % 10 for i in range(n)))


def check_cut_test_set(folder):
    """d = 64: 20 examples leave room for 22 test examples of 40."""
    write_images(folder, 20, 8)
    words = ["linear", "--data", folder, "--epochs", "1"]
    result, text = json.loads(run(*words, "--json").stdout), run(*words).stdout
    check("a test set that is cut is explained", (result["test_examples"], result["test_given"]) == (22, 40)
          and "22 test examples" in text and "Of 40 test examples" in text, (result, text))


def check_unsettled():
    """Descent of three epochs is no interpolant: marked, and left out of the comparison of Hessians."""
    words = ["linear", "--data", "shapes", "--train-size", "50", "--test-size", "20", "--epochs", "3"]
    result = json.loads(run(*words, "--json").stdout)
    settled = {row["name"]: row["settled"] for row in result["interpolants"]}
    check("unsettled descents are marked", not settled["descent from zero"] and settled["minimum norm"], settled)
    check("Hessians: three interpolants are compared", result["hessian"]["compared"] == 3
          and result["hessian"]["difference"] < 1e-6, result["hessian"])
    text = run(*words).stdout
    check("and the text says so", "(on its way)" in text and "at 3 interpolants" in text, text)


def check_interrupt():
    process = subprocess.Popen([SHATTER, "linear", "--data", "shapes:100,100", "--epochs", "1000000", "--settled", "0"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    check("Ctrl-C stops with 130 and a sentence", process.returncode == 130 and "stopped on request" in err, (out, err))


def check_shift_elsewhere(folder):
    model = os.path.join(folder, "model.yaml")
    open(model, "w").write("layers: [{linear: {units: 1}}, {shift: {units: 4}}, relu, {linear: {units: classes}}]\n")
    words = ["train", "--model", model, "--data", "shapes:200,20", "--epochs", "1", "--store", folder]
    refused = run(*words)
    check("shift is refused by the engine cpu by name",
          refused.returncode == 69 and "has no shift (layer 'shift')" in refused.stderr, refused)
    trained = run(*words, "--device", "ref")
    check("and trained by the engine ref", trained.returncode == 0, trained)


check_express()
check_mistakes()
check_interrupt()
check_unsettled()
with tempfile.TemporaryDirectory() as place:
    check_cut_test_set(place)
    check_linear(os.path.join(place, "linear"))
    check_shift_elsewhere(place)
    check_model_show(place)
sys.exit(checks_exit_code())
