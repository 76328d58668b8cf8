#!/usr/bin/python3
"""shatter express and shatter linear against NumPy.

Theorem 1's system solved by numpy.linalg.solve, its eigenvalues and singular values, the exported models evaluated by
an interpreter of our own; the minimum-norm solution by numpy.linalg.pinv, Hessians formed and their ranks taken.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code

try:
    import numpy as np
except ImportError:
    print("SKIP: NumPy is not installed")
    sys.exit(77)

SHATTER = os.environ["SHATTER"]


def run(*words):
    answer = subprocess.run([SHATTER, *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            timeout=250)
    if answer.returncode not in (0, 1):
        print(answer.stderr)
    return json.loads(answer.stdout)


# ---- models and weights as files

def read_safetensors(path):
    blob = open(path, "rb").read()
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:8 + length])
    header.pop("__metadata__")
    kinds = {"F64": "<f8", "F32": "<f4"}
    return {name: np.frombuffer(blob[8 + length:][slice(*entry["data_offsets"])], kinds[entry["dtype"]])
            .reshape(entry["shape"]).astype(np.float64) for name, entry in header.items()}


def evaluate(folder, points):
    """The model file line by line: values of every layer, [n][channels]."""
    weights = read_safetensors(os.path.join(folder, "weights.safetensors"))
    values, last = {"input": points}, "input"
    for line in open(os.path.join(folder, "model.yaml")):
        found = re.match(r"  - (\w+)(?:: \{(.*)\})?$", line.rstrip())
        if not found:
            continue
        kind, text = found.groups()
        options = dict(re.findall(r"(\w+): (\[[^]]*\]|[^,]+)", text or ""))
        name, source = options.get("name", kind), options.get("from", last)
        inputs = [values[one.strip()] for one in source.strip("[]").split(",")]
        if kind == "linear":
            out = inputs[0] @ weights[name + ".weight"].T + weights.get(name + ".bias", 0)
        elif kind == "shift":
            out = inputs[0] - weights[name + ".shift"]
        elif kind == "relu":
            out = np.maximum(inputs[0], 0)
        elif kind == "concat":
            out = np.concatenate(inputs, axis=1)
        elif kind == "add":
            out = sum(inputs)
        else:
            raise ValueError(kind)
        values[name], last = out, name
    return values[last][:, 0]


# ---- express

def arrays(folder, n, d, seed):
    rng = np.random.default_rng(seed)
    points, targets = rng.normal(size=(n, d)), rng.normal(size=n)
    names = [os.path.join(folder, "x.npy"), os.path.join(folder, "y.npy")]
    np.save(names[0], points)
    np.save(names[1], targets)
    return points, targets, ["--points", names[0], "--targets", names[1]]


def check_system(folder, n, d, seed):
    points, targets, words = arrays(folder, n, d, seed)
    out = os.path.join(folder, "net")
    answer = run("express", *words, "-o", out, "--seed", str(seed))
    weights = read_safetensors(os.path.join(out, "weights.safetensors"))
    a, b, w = weights["project.weight"][0], weights["knots1.shift"], weights["sum1.weight"][0]
    name = f"n = {n}, d = {d}: "
    check(name + "2n + d weights", sum(v.size for v in weights.values()) == answer["weights"] == 2 * n + d, answer)
    # the engine's order of the sum: one coordinate after another
    x = np.zeros(n)
    for j in range(d):
        x = x + a[j] * points[:, j]
    order = np.argsort(x)
    x, y = x[order], targets[order]
    check(name + "knots interleave", np.all(b < x) and np.all(b[1:] > x[:-1]))
    A = np.maximum(x[:, None] - b[None, :], 0)
    check(name + "A is triangular", np.all(np.triu(A, 1) == 0))
    smallest = np.min(x - b)
    check(name + "Lemma 1's eigenvalue", abs(np.min(np.linalg.eigvals(A).real) - smallest) <= 1e-12 * smallest
          and abs(answer["smallest_eigenvalue"] - smallest) <= 1e-12 * smallest, answer)
    singular = np.linalg.svd(A, compute_uv=False)
    check(name + "smallest singular value", abs(singular[-1] - answer["smallest_singular"])
          <= 1e-6 * singular[-1] + 1e-14 * singular[0], (singular[-1], answer["smallest_singular"]))
    expected = np.linalg.solve(A, y)
    error = np.linalg.norm(w - expected) / np.linalg.norm(expected)
    check(name + "weights are numpy.linalg.solve's", error <= 1e-15 * singular[0] / singular[-1] + 1e-12, error)
    check(name + "norm", abs(answer["norm"] - np.linalg.norm(w)) <= 1e-9 * answer["norm"])
    check(name + "||w|| <= ||y|| / sigma", np.linalg.norm(w) <= np.linalg.norm(y) / answer["smallest_singular"] * 1.001)
    miss = np.max(np.abs(evaluate(out, points) - targets))
    check(name + "the files represent the sample", miss <= 1e-6, miss)


def check_deep(folder, n, d, depth, seed):
    points, targets, words = arrays(folder, n, d, seed)
    out = os.path.join(folder, "deep")
    answer = run("express", *words, "-o", out, "--depth", str(depth), "--seed", str(seed))
    miss = np.max(np.abs(evaluate(out, points) - targets))
    count = sum(v.size for v in read_safetensors(os.path.join(out, "weights.safetensors")).values())
    check(f"depth {depth}, n = {n}: the files represent the sample", miss <= 1e-6 and answer["represented"], miss)
    check(f"depth {depth}, n = {n}: weights", count == answer["weights"], answer)


# ---- linear

def write_idx(path, values):
    head = bytes([0, 0, 8, values.ndim]) + b"".join(int(s).to_bytes(4, "big") for s in values.shape)
    open(path, "wb").write(head + values.astype(np.uint8).tobytes())


def write_images(folder, n, m, side, classes, seed):
    rng = np.random.default_rng(seed)
    means = rng.integers(40, 200, (classes, side, side))
    sets = []
    for prefix, count in (("train", n), ("t10k", m)):
        labels = np.concatenate([np.arange(classes), rng.integers(0, classes, count)])[:count]
        images = np.clip(means[labels] + rng.normal(0, 60, (count, side, side)), 0, 255).astype(np.uint8)
        write_idx(os.path.join(folder, f"{prefix}-images-idx3-ubyte"), images)
        write_idx(os.path.join(folder, f"{prefix}-labels-idx1-ubyte"), labels)
        x = images.reshape(count, -1) / 255.0
        x = (x - x.mean(1, keepdims=True)) / np.maximum(x.std(1, keepdims=True), 1 / np.sqrt(side * side))
        sets.append((x, labels))
    return sets


def find(answer, name):
    return next(row for row in answer["interpolants"] if row["name"].startswith(name))


def check_linear(folder, n, m, side, classes, seed):
    (x, labels), (z, test_labels) = write_images(folder, n, m, side, classes, seed)
    out = os.path.join(folder, "linear")
    answer = run("linear", "--data", folder, "--train-size", "0", "--test-size", "0", "-o", out, "--epochs", "200000",
                 "--settled", "1e-8")
    d, y = side * side, np.eye(classes)[labels]
    used = answer["test_examples"]
    name = f"linear, n = {n}, d = {d}: "
    expected = (np.linalg.pinv(x) @ y).T
    close = lambda a, b, to: np.linalg.norm(a - b) <= to * np.linalg.norm(b)
    # images reach the program through float (2^-24), and its files are float; X is that much off, times its condition
    condition = np.linalg.cond(x)
    to = 3e-7 * condition
    check(name + "closed form is the pseudo-inverse's", close(np.load(out + "/minimum-norm.npy"), expected, to),
          np.linalg.norm(np.load(out + "/minimum-norm.npy") - expected) / np.linalg.norm(expected))
    check(name + "descent reaches it", answer["settled"] and close(np.load(out + "/descent.npy"), expected, to), answer)
    check(name + "descent stays in the span", answer["curve"][-1]["null_share"] < 1e-12)
    check(name + "random weights keep their part and end at W* plus it", answer["curve"][-1]["random_drift"] < 1e-12
          and answer["curve"][-1]["random_distance"] < 1e-6)
    values = np.linalg.eigvalsh(x @ x.T)
    check(name + "eigenvalues", abs(answer["largest_eigenvalue"] / values[-1] - 1) < 1e-5
          and abs(answer["smallest_eigenvalue"] / values[0] - 1) < to, (values[0], values[-1], answer))
    hessian = answer["hessian"]
    check(name + "rank of the Hessian", hessian["rank"] == np.linalg.matrix_rank(x.T @ x / n)
          and hessian["zeros"] == d - n, hessian)
    curvature = lambda w: [(x.T * (1 - np.tanh(x @ w[k] - y[:, k]) ** 2)) @ x / n for k in range(classes)]
    here, there = curvature(expected), curvature(0 * expected)
    control = max(np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(here, there))
    check(name + "the Hessian at zero differs as much as ours says", abs(hessian["control"] - control) < 1e-6, control)
    check(name + "at interpolants it does not", hessian["difference"] < 1e-12 and hessian["null_curvature"] < 1e-13)
    row = find(answer, "minimum norm")
    error = np.mean(np.argmax(z[:used] @ expected.T, 1) != test_labels[:used])
    check(name + "test error and norm", abs(row["test_error"] - error) <= 1 / used
          and abs(row["norm"] / np.linalg.norm(expected) - 1) < to, (row, error))
    gamma = 1 / (2 * answer["sigma"] ** 2)
    kernel = lambda a, b: np.exp(-gamma * np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T, 0))
    alpha = np.linalg.solve(kernel(x, x), y)
    row = find(answer, "Gaussian kernel, centres at the examples")
    error = np.mean(np.argmax(kernel(z[:used], x) @ alpha, 1) != test_labels[:used])
    norm = np.sqrt(np.trace(y.T @ alpha))
    check(name + "kernel at the examples", abs(row["norm"] / norm - 1) < 1e-4
          and abs(row["test_error"] - error) <= 1 / used, (row, norm, error))
    forced, random = find(answer, "random labels forced"), find(answer, "Gaussian kernel, centres at random")
    check(name + "what does not generalise fits, and is longer", forced["residual"] < 1e-6 and random["residual"] < 1e-6
          and forced["norm_ratio"] > 1 and random["norm_ratio"] > 1
          and forced["test_error"] > find(answer, "minimum norm")["test_error"], (forced, random))


with tempfile.TemporaryDirectory() as folder:
    for seed, (n, d) in enumerate([(1, 1), (2, 3), (50, 1), (200, 10), (500, 40)], 1):
        check_system(folder, n, d, seed)
    for seed, (n, d, depth) in enumerate([(10, 2, 4), (10, 2, 13), (300, 6, 5), (300, 6, 40)], 1):
        check_deep(folder, n, d, depth, seed)
    for seed, (n, m, side, classes) in enumerate([(12, 40, 9, 3), (30, 300, 12, 5)], 1):
        check_linear(folder, n, m, side, classes, seed)
sys.exit(checks_exit_code())
