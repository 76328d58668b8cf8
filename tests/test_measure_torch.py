#!/usr/bin/python3
"""`shatter measure` against PyTorch and NumPy: a small network with strides, branches and batch normalisation is trained
on images written here, and everything that the verb says of it is computed again from its files: norms by the singular
values of whole matrices, path norm by running the squared network, noise by PyTorch's own random numbers.

Skipped (77) where PyTorch is not installed.
"""
import json
import os
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code, write

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as missing:
    print(f"SKIP: {missing}; install python3-torch to compare with PyTorch")
    sys.exit(77)

SHATTER = os.environ.get("SHATTER", "build/shatter")
TRAIN, TEST, SIDE, CLASSES = 240, 90, 12, 3
EPSILON = float(np.float32(0.001))
MODEL = """
name: branches
layers:
  - conv: {name: first, filters: 8, kernel: 3, stride: 2, bias: false}
  - batchnorm: {name: taken, scale: true, decay: 0.8}
  - relu: {name: open}
  - conv: {name: left, filters: 6, kernel: 3}
  - batchnorm: {name: alone, scale: true, decay: 0.8}
  - add: {name: sum, from: [left, alone]}
  - maxpool: {name: right, from: open, kernel: 3, stride: 2}
  - avgpool: {name: half, from: sum, kernel: 3, stride: 2}
  - concat: {name: both, from: [half, right]}
  - linear: {name: hidden, units: 16}
  - relu
  - dropout: {probability: 0.1}
  - linear: {name: out, units: classes}
"""
CHAIN = """
name: chain
layers:
  - conv: {name: first, filters: 6, kernel: 5, stride: 2}
  - relu
  - lrn: {radius: 1, bias: 2, alpha: 0.01, beta: 0.75}
  - maxpool: {kernel: 2}
  - linear: {name: out, units: classes}
"""
torch.set_num_threads(1)
torch.manual_seed(0)


# ---- data and runs

def write_idx(path, array):
    with open(path, "wb") as file:
        file.write(bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes())


def write_data(folder, rng):
    """Images of one channel: a class's own pattern under noise. Returns the splits: images [n][H][W], labels."""
    os.makedirs(folder)
    patterns = rng.integers(60, 190, (CLASSES, SIDE, SIDE))
    splits = {}
    for split, name, count in (("train", "train", TRAIN), ("test", "t10k", TEST)):
        labels = np.concatenate([np.arange(CLASSES), rng.integers(0, CLASSES, count - CLASSES)]).astype(np.uint8)
        noise = rng.normal(0, 55, (count, SIDE, SIDE))
        images = np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8)
        write_idx(f"{folder}/{name}-images-idx3-ubyte", images)
        write_idx(f"{folder}/{name}-labels-idx1-ubyte", labels)
        splits[split] = whiten(images), labels.astype(int)
    return splits


def whiten(images):
    x = images.reshape(len(images), -1) / 255
    x = (x - x.mean(1, keepdims=True)) / np.maximum(x.std(1, keepdims=True), 1 / np.sqrt(x.shape[1]))
    return torch.from_numpy(x.reshape(-1, 1, SIDE, SIDE))


def run(*words):
    answer = subprocess.run([SHATTER, *words, "--json", "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, timeout=250)
    if answer.returncode != 0:
        sys.exit(f"FAILED: {answer.stderr}{answer.stdout}")
    return json.loads(answer.stdout)


def weights_of(result):
    """Parameters and running statistics in double, by their names."""
    blob = open(result["run"] + "/weights.safetensors", "rb").read()
    end = 8 + int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:end])
    header.pop("__metadata__")
    return {name: torch.from_numpy(np.frombuffer(blob[end:][slice(*entry["data_offsets"])], "<f4")
                                   .astype(np.float64).reshape(entry["shape"])) for name, entry in header.items()}


def flat(weights):
    """All parameters, without running statistics, as one vector."""
    return torch.cat([value.flatten() for name, value in weights.items() if "running" not in name])


# ---- the networks, written a second time

def pad(x, kernel, stride, value=0.0):
    size = x.shape[2]
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    before, after = total // 2, total - total // 2
    return F.pad(x, (before, after, before, after), value=value)


def conv(x, weight, stride):
    return F.conv2d(pad(x, weight.shape[2], stride), weight, None, stride)


def largest(x, kernel, stride):
    return F.max_pool2d(pad(x, kernel, stride, -float("inf")), kernel, stride)


def mean(x, kernel, stride, power=1):
    """Means of windows without padding; with power 2 the sums of squared weights 1 / positions."""
    ones = torch.ones(1, 1, kernel, kernel, dtype=torch.float64)
    count = F.conv2d(pad(torch.ones(1, 1, *x.shape[2:], dtype=torch.float64), kernel, stride), ones, None, stride)
    sums = F.conv2d(pad(x, kernel, stride), ones.repeat(x.shape[1], 1, 1, 1), None, stride, groups=x.shape[1])
    return sums / count**power


def flatten(x):
    return x.permute(0, 2, 3, 1).reshape(len(x), -1)


def channels(v):
    return v[None, :, None, None]


def scale_of(w, name):
    scale = w[name + ".scale"] / torch.sqrt(w[name + ".running_var"] + EPSILON)
    return scale, w[name + ".shift"] - w[name + ".running_mean"] * scale


def effective(w):
    """What layers compute in evaluation: the first convolution with its normalisation, the other one alone."""
    scale, shift = scale_of(w, "taken")
    own, offset = scale_of(w, "alone")
    return {"first": w["first.weight"] * scale[:, None, None, None], "first.bias": shift, "left": w["left.weight"],
            "left.bias": w["left.bias"], "alone": own, "alone.bias": offset, "hidden": w["hidden.weight"],
            "hidden.bias": w["hidden.bias"], "out": w["out.weight"], "out.bias": w["out.bias"]}


def branches(e, x, power=1):
    """The network on x; with power 2 that of squared weights."""
    opened = torch.relu(conv(x, e["first"], 2) + channels(e["first.bias"]))
    left = conv(opened, e["left"], 1) + channels(e["left.bias"])
    total = left + left * channels(e["alone"]) + channels(e["alone.bias"])
    both = torch.cat([mean(total, 3, 2, power), largest(opened, 3, 2)], 1)
    return torch.relu(flatten(both) @ e["hidden"].T + e["hidden.bias"]) @ e["out"].T + e["out.bias"]


# ---- measures

SIZES = {"first": (1, SIDE, 2), "left": (8, SIDE // 2, 1)}  # input channels, side, stride


def matrix_of(name, weight, sizes):
    """Columns: the convolution of each image that is 1 in one place."""
    if weight.dim() == 2:
        return weight
    if weight.dim() == 1:
        return torch.diag(weight.repeat((SIDE // 2)**2))
    inputs, side, stride = sizes[name]
    basis = torch.eye(inputs * side * side, dtype=torch.float64).reshape(-1, inputs, side, side)
    return conv(basis, weight, stride).reshape(len(basis), -1).T


def close(name, found, wanted, limit=1e-6):
    check(f"{name} is {wanted:.6g}", found is not None and abs(found - wanted) <= limit * max(abs(wanted), 1e-12), found)


def check_layers(m, now, before, sizes):
    """Returns ||A|| of each layer and Bartlett's sum."""
    norms, total = {}, 0
    names = [layer["name"] for layer in m["layers"]]
    check("layers that have weights", names == [k for k in now if "bias" not in k], names)
    for layer in m["layers"]:
        name = layer["name"]
        a, a0 = matrix_of(name, now[name], sizes), matrix_of(name, before[name], sizes)
        norms[name] = torch.linalg.matrix_norm(a, 2).item()
        rows = (a - a0).norm(dim=1).sum().item()
        close(f"{name}: ||A||", layer["spectral"], norms[name])
        close(f"{name}: ||A0||", layer["initial_spectral"], torch.linalg.matrix_norm(a0, 2).item())
        close(f"{name}: ||W||", layer["norm"], now[name].norm().item())
        close(f"{name}: ||W - W0||", layer["distance"], (now[name] - before[name]).norm().item())
        close(f"{name}: ||(A - A0)'||_2,1", layer["two_one"], rows)
        total += (rows / norms[name])**(2 / 3)
    return norms, total**1.5


def bound_of(norms):
    """The rules of the manual on the graph: windows of 3 with stride 2 on 6 pixels hold a pixel twice at most."""
    opened = norms["first"]
    total = opened * norms["left"] * (1 + norms["alone"])
    # windows on 6 pixels begin at 0, 2, 4; the last has two pixels: 1/3 + 1/2 at pixel 4
    both = np.hypot(total * (1 / 3 + 1 / 2), opened * 2)
    return both * norms["hidden"] * norms["out"]


def check_answers(m, result, splits):
    logits = np.load(result["run"] + "/logits-train.npy").astype(np.float64)
    images, labels = splits["train"]
    own = logits[np.arange(TRAIN), labels]
    logits[np.arange(TRAIN), labels] = -np.inf
    margins = np.sort(own - logits.max(1))
    for percent in (5, 10, 50):
        close(f"margin at {percent} %", m[f"margin_{percent}"], margins[-(-TRAIN * percent // 100) - 1], 1e-5)
    close("||X||", m["data_norm"], images.norm().item())
    for split in ("train", "test"):
        close(f"accuracy, {split}", m[f"{split}_accuracy"], result[f"{split}_accuracy"])


def check_bounds(m):
    close("spectral bound", m["spectral_bound"], m["spectral_complexity"] * m["data_norm"] / m["margin_10"] / TRAIN)
    close("KL", m["divergence"], m["distance"]**2 / (2 * m["sharpness"]**2))
    # 185 deviations: 2^-20 to 2^3 in eighths of an octave
    root = np.sqrt((m["divergence"] + np.log(2 * np.sqrt(TRAIN) / 0.05) + np.log(185)) / (2 * TRAIN))
    error = m["pac_bayes_bound"] - root
    answers = error * 10 * TRAIN  # of 10 draws
    check("what is left of the PAC-Bayes bound is a share of answers", abs(answers - round(answers)) < 1e-6, answers)
    return error


def noisy_accuracy(weights, split, deviation, relative):
    """Mean over 40 draws of the network with noise on all parameters."""
    images, labels = split
    total = 0
    for _ in range(40):
        noisy = {name: value if "running" in name else
                 value + deviation * (value.abs() if relative else 1) * torch.randn_like(value)
                 for name, value in weights.items()}
        total += (branches(effective(noisy), images).argmax(1).numpy() == labels).mean()
    return total / 40


def check_noise(m, weights, split, allowed_error):
    clean = m["train_accuracy"]
    for key, relative in (("sharpness", False), ("relative_sharpness", True)):
        found = m[key]
        check(f"{key} is on the grid", abs(8 * np.log2(found) - round(8 * np.log2(found))) < 1e-9, found)
        below, above = (noisy_accuracy(weights, split, found * f, relative) for f in (1 / 1.4, 1.4))
        check(f"{key} {found:.4g}: accuracy {below:.3f} below it, {above:.3f} above, {clean - .1:.3f} asked",
              below >= clean - 0.1 > above)
    error = 1 - noisy_accuracy(weights, split, m["sharpness"], False)
    check(f"the bound's training error {allowed_error:.3f} is that of noise, {error:.3f}",
          1 - clean <= allowed_error <= 1 - clean + 0.1 + 1e-9 and abs(error - allowed_error) < 0.04)


def check_branches(folder, splits, words):
    result = run("train", *words, "--epochs", "12", "--save", "all")
    untrained = run("train", *words, "--epochs", "1", "--learning-rate", "0")
    m = run("measure", result["run"], "--store", folder + "/store", "--threads", "1")["runs"][0]
    weights, initial = weights_of(result), weights_of(untrained)
    for name in initial:  # statistics before training
        initial[name] = initial[name] * 0 + (name.endswith("var")) if "running" in name else initial[name]
    now, before = effective(weights), effective(initial)
    logits = branches(now, splits["train"][0]).numpy()
    check("both sides compute the same network",
          np.abs(logits - np.load(result["run"] + "/logits-train.npy")).max() < 1e-3)
    check("it has learned", m["train_accuracy"] > 0.9 and m["margin_10"] > 0, m)
    check("it is no chain", m["chain"] is False)
    close("||w||", m["norm"], flat(weights).norm().item())
    close("||w - w0||", m["distance"], (flat(weights) - flat(initial)).norm().item())
    norms, total = check_layers(m, now, before, SIZES)
    close("Lipschitz bound", m["lipschitz"], bound_of(norms))
    close("spectral complexity", m["spectral_complexity"], bound_of(norms) * total)
    ones = torch.ones(1, 1, SIDE, SIDE, dtype=torch.float64)
    squares = {name: value**2 for name, value in now.items()}
    close("path norm", m["path_norm"], branches(squares, ones, 2).sum().sqrt().item())
    check_answers(m, result, splits)
    check_noise(m, weights, splits["train"], check_bounds(m))
    again = run("measure", result["run"], "--store", folder + "/store", "--threads", "3")["runs"][0]
    check("the same with 3 threads", again == m, again)
    part = run("measure", result["run"], "--store", folder + "/store", "--sharpness-examples", "100")["runs"][0]
    check("noise on a part", part["sharpness_examples"] == 100 and 1 / 1.4 < part["sharpness"] / m["sharpness"] < 1.4)
    return result


def check_chain(folder, words):
    """A network to which the theorem applies; local response normalisation by its own bound."""
    result = run("train", *words, "--epochs", "2")
    untrained = run("train", *words, "--epochs", "1", "--learning-rate", "0")
    m = run("measure", result["run"], "--store", folder + "/store", "--no-sharpness")["runs"][0]
    check("it is a chain", m["chain"] is True)
    check("no noise was tried", m["sharpness"] is m["relative_sharpness"] is m["pac_bayes_bound"] is None, m)
    pairs = [{"first": w["first.weight"], "first.bias": w["first.bias"], "out": w["out.weight"]}
             for w in (weights_of(result), weights_of(untrained))]
    norms, total = check_layers(m, *pairs, {"first": (1, SIDE, 2)})
    # 2^-.75 (1 + sqrt(3) * largest of 2 b t (1 + t)^-(b + 1))
    t = np.linspace(0, 20, 2000001)
    response = 2**-0.75 * (1 + np.sqrt(3) * (1.5 * t * (1 + t)**-1.75).max())
    close("Lipschitz bound", m["lipschitz"], norms["first"] * response * norms["out"], 1e-5)
    close("spectral complexity", m["spectral_complexity"], norms["first"] * response * norms["out"] * total, 1e-5)


def check_difference(folder, result, words):
    other = run("train", *words, "--epochs", "12", "--save", "all", "--seed", "2")
    told = run("measure", result["run"], "--against", other["run"], "--store", folder + "/store", "--no-sharpness")
    d = told["difference"]
    one, two = (np.load(r["run"] + "/logits-test.npy") for r in (result, other))
    own, others = (np.load(r["run"] + "/losses-test.npy").astype(np.float64) for r in (result, other))
    losses = np.abs(own - others)
    close("share of other answers", d["disagreement"], (one.argmax(1) != two.argmax(1)).mean())
    close("mean of |loss - loss'|", d["loss_mean"], losses.mean(), 1e-5)
    close("largest |loss - loss'|", d["loss_max"], losses.max(), 1e-5)
    close("||w - w'||", d["distance"], (flat(weights_of(result)) - flat(weights_of(other))).norm().item())
    check("test accuracies", (d["test_accuracy"], d["other_test_accuracy"]) ==
          (result["test_accuracy"], other["test_accuracy"]), d)
    check("test examples", d["test_examples"] == TEST, d)


def main():
    with tempfile.TemporaryDirectory() as folder:
        splits = write_data(folder + "/set", np.random.default_rng(3))
        common = ["--store", folder + "/store", "--data", folder + "/set", "--batch", "24", "--learning-rate", "0.03",
                  "--threads", "1"]
        words = [*common, "--model", write(folder + "/branches.yaml", MODEL)]
        result = check_branches(folder, splits, words)
        check_difference(folder, result, words)
        check_chain(folder, [*common, "--model", write(folder + "/chain.yaml", CHAIN)])
    sys.exit(checks_exit_code())


if __name__ == "__main__":
    main()
