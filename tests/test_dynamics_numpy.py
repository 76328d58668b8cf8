#!/usr/bin/python3
"""What is learned when, counted by NumPy: the data set and its labels are written here, the logits come from
`--save logits`, and the last line of metrics.jsonl must say what they say. Then the time to fit from the curve."""

import json
import os
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code

try:
    import numpy as np
except ImportError:
    print("SKIP: NumPy is not there")
    sys.exit(77)

SHATTER = os.environ.get("SHATTER", "build/shatter")


def write_cifar(folder, rng, train, test):
    """Binary batches in CIFAR-10's format: a byte of label, then 3 x 32 x 32 bytes. Returns the training labels."""
    os.makedirs(folder)
    truth = rng.integers(0, 10, train, dtype=np.uint8)
    for i, part in enumerate(np.array_split(truth, 5), 1):
        pixels = rng.integers(0, 256, (len(part), 3072), dtype=np.uint8)
        np.concatenate([part[:, None], pixels], 1).tofile(f"{folder}/data_batch_{i}.bin")
    labels = rng.integers(0, 10, (test, 1), dtype=np.uint8)
    np.concatenate([labels, rng.integers(0, 256, (test, 3072), dtype=np.uint8)], 1).tofile(f"{folder}/test_batch.bin")
    with open(f"{folder}/batches.meta.txt", "w") as names:
        names.write("".join(f"class{k}\n" for k in range(10)))
    return truth


def train(store, *words):
    answer = subprocess.run([SHATTER, "train", "--store", store, "--json", "--quiet", *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, timeout=250)
    if answer.returncode != 0:
        sys.exit(f"FAILED: {answer.stderr}")
    return json.loads(answer.stdout)


def metrics_of(result):
    with open(result["run"] + "/metrics.jsonl") as lines:
        return [json.loads(line) for line in lines]


def check_shares(result, given, truth):
    answers = np.load(result["run"] + "/logits-train.npy").argmax(1)
    corrupted = given != truth
    shares = {"memorised": np.mean(answers[corrupted] == given[corrupted]),
              "resisted": np.mean(answers[corrupted] == truth[corrupted]),
              "other": np.mean((answers[corrupted] != given[corrupted]) & (answers[corrupted] != truth[corrupted])),
              "clean_fitted": np.mean(answers[~corrupted] == given[~corrupted])}
    last = metrics_of(result)[-1]
    for key, share in shares.items():
        check(f"{key} is {share:.4f}", abs(last[key] - share) < 1e-12 and result[key] == last[key], (last, result))
    counts = (last["dynamics_corrupted"], last["dynamics_clean"])
    check("all examples were watched", counts == (corrupted.sum(), (~corrupted).sum()), counts)
    check("generalisation error is training less test accuracy",
          abs(result["generalisation_error"] - (result["train_accuracy"] - result["test_accuracy"])) < 1e-12, result)


def check_part(whole, part, given, truth):
    """A sample of 300 of each kind: within five standard errors of the whole."""
    last = metrics_of(part)[-1]
    check("600 were watched, half of them corrupted", last["dynamics_corrupted"] == 300 == last["dynamics_clean"], last)
    for key, kind in [("memorised", given != truth), ("clean_fitted", given == truth)]:
        p, n = whole[key], kind.sum()
        error = np.sqrt(p * (1 - p) / 300 * (n - 300) / (n - 1))
        check(f"{key} of the sample: {last[key]:.4f}, of all {p:.4f}, standard error {error:.4f}",
              abs(last[key] - p) <= 5 * error + 1e-9, last)
    check("the same weights", part["weights_sha256"] == whole["weights_sha256"], part)


def check_curve(result, examples, batch):
    """The step of fitting, from the curve alone: each part's number of right answers is a whole number."""
    lines = metrics_of(result)
    steps = -(-examples // batch)
    ends = np.array([(p + 1) * steps // 10 for p in range(10)])
    sizes = np.diff(np.minimum(ends * batch, examples), prepend=0)
    correct = np.array([np.array(line["curve_accuracy"]) * sizes for line in lines])
    check("right answers are whole numbers", np.allclose(correct, correct.round(), atol=1e-6), correct)
    check("the parts' mean is the epoch's", np.allclose(correct.sum(1) / examples,
                                                       [line["train_accuracy"] for line in lines], atol=1e-12))
    losses = np.array([line["curve_loss"] for line in lines])
    check("so are their losses", np.allclose((losses * sizes).sum(1) / examples,
                                             [line["train_loss"] for line in lines], rtol=1e-12))
    running = np.convolve(correct.round().ravel(), np.ones(10))[9:-9]
    at = np.flatnonzero(running / examples >= 0.99)
    step = None if len(at) == 0 else int((at[0] + 9) // 10 * steps + ends[(at[0] + 9) % 10])
    check(f"online_fitted_step is {step}", step is not None and result["online_fitted_step"] == step, result)
    check("not after the step that the evaluation says", result["online_fitted_step"] <= result["steps"], result)


def main():
    rng = np.random.default_rng(5)
    with tempfile.TemporaryDirectory() as folder:
        truth = write_cifar(f"{folder}/set", rng, 1500, 100)
        given = np.where(rng.random(1500) < 0.5, rng.integers(0, 10, 1500), truth)
        np.savetxt(f"{folder}/given.txt", given, fmt="%d")
        words = ["--data", f"{folder}/set", "--labels", f"file:{folder}/given.txt", "--model", "mlp-1x128", "--batch",
                 "64", "--epochs", "3", "--learning-rate", "0.001", "--save", "logits"]
        whole = train(f"{folder}/whole", *words, "--dynamics", "all")
        check_shares(whole, given, truth)
        part = train(f"{folder}/part", *words, "--dynamics", "600")
        check_part(whole, part, given, truth)
        fitted = train(f"{folder}/fitted", "--data", "shapes:1000,100", "--labels", "random", "--model", "mlp-1x128",
                       "--batch", "24", "--epochs", "14", "--learning-rate-decay", "1")
        check_curve(fitted, 1000, 24)
    sys.exit(checks_exit_code())


if __name__ == "__main__":
    main()
