#!/usr/bin/python3
"""A folder of NumPy arrays as a data set: arrays that numpy.save wrote go through training as they are, and what cannot
be meant is refused with a sentence."""

import json
import os
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code, write

try:
    import numpy
except ImportError:
    print("SKIP: NumPy is not installed")
    sys.exit(77)

SHATTER = os.environ.get("SHATTER", "build/shatter")
MODEL = "layers:\n  - linear: {units: classes}\n"
SIDE, CHANNELS, CLASSES = 6, 3, 4
NAMES = ("x_train", "y_train", "x_test", "y_test")


def run(*words):
    return subprocess.run([SHATTER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)


def make(seed=1, channels=CHANNELS, label=numpy.int64):
    random = numpy.random.RandomState(seed)
    shape = (SIDE, SIDE) if channels is None else (SIDE, SIDE, channels)
    images = [random.randint(0, 256, size=(n, *shape)).astype(numpy.uint8) for n in (40, 20)]
    labels = [(numpy.arange(n) % CLASSES).astype(label) for n in (40, 20)]
    return [images[0], labels[0], images[1], labels[1]]


def save(folder, arrays, names=NAMES):
    os.makedirs(folder, exist_ok=True)
    for name, array in zip(names, arrays):
        numpy.save(f"{folder}/{name}.npy", array)
    return folder


def whiten(images):
    x = images.astype(numpy.float64).reshape(len(images), -1) / 255
    deviation = numpy.maximum(x.std(axis=1, keepdims=True), 1 / numpy.sqrt(x.shape[1]))
    return (x - x.mean(axis=1, keepdims=True)) / deviation


def read_weights(folder):
    with open(folder + "/weights.safetensors", "rb") as file:
        raw = file.read()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])

    def array(name):
        begin, end = header[name]["data_offsets"]
        return numpy.frombuffer(raw[8 + size + begin:8 + size + end], "<f4").reshape(header[name]["shape"])
    return {name: array(name) for name in header if name != "__metadata__"}


def check_training(root):
    """The logits of a linear model are those of the arrays: pixels, channels, order and labels are as they were."""
    arrays = make()
    folder = save(root + "/own", arrays)
    answer = run("train", "--model", write(root + "/linear.yaml", MODEL), "--data", folder, "--device", "ref", "--epochs",
                 "2", "--batch", "8", "--save", "all", "--store", root + "/store", "--json", "--quiet")
    result = json.loads(answer.stdout)
    check("it trains", answer.returncode == 0 and result["train_examples"] == 40, answer)
    weights = read_weights(result["run"])
    kernel = next(w for w in weights.values() if w.ndim == 2).astype(numpy.float64)
    bias = next(w for w in weights.values() if w.ndim == 1).astype(numpy.float64)
    for split, images, labels in (("train", *arrays[:2]), ("test", *arrays[2:])):
        logits = whiten(images) @ kernel.T + bias
        told = numpy.load(f"{result['run']}/logits-{split}.npy")
        check(f"{split}: logits are those of the arrays", numpy.abs(told - logits).max() < 1e-4,
              numpy.abs(told - logits).max())
        losses = numpy.log(numpy.exp(logits).sum(axis=1)) - logits[numpy.arange(len(labels)), labels]
        told = numpy.load(f"{result['run']}/losses-{split}.npy")
        check(f"{split}: losses are those of the labels", numpy.abs(told - losses).max() < 1e-4)


def check_kinds(root):
    """Grey images, columns of labels and other names and types are the same data set."""
    def fingerprint(name, arrays, names=NAMES):
        answer = run("data", "check", save(f"{root}/{name}", arrays, names), "--json")
        return json.loads(answer.stdout).get("fingerprint") if answer.returncode == 0 else answer.stderr
    grey = make(channels=None)
    known = fingerprint("grey", grey)
    check("a fingerprint", known is not None and len(known) == 64, known)
    for label in (numpy.uint8, ">i2", numpy.uint64):
        check(f"labels as {label}", fingerprint(f"kind-{str(label)[-8:-2]}", make(channels=None, label=label)) == known)
    column = [grey[0], grey[1].reshape(-1, 1), grey[2], grey[3].reshape(-1, 1)]
    check("a column of labels", fingerprint("column", column) == known)
    check("one channel", fingerprint("channel", [grey[0][..., None], grey[1], grey[2][..., None], grey[3]]) == known)
    names = ("train-images", "train-labels", "test-images", "test-labels")
    check("names of IDX files", fingerprint("names", grey, names) == known)
    check("other images are another set", fingerprint("other", make(seed=2, channels=None)) != known)


def check_refusals(root):
    def refused(name, words, **changes):
        arrays = dict(zip(NAMES, make()))
        arrays.update(changes)
        folder = save(f"{root}/bad-{name}", [a for a in arrays.values() if a is not None],
                      [n for n in arrays if arrays[n] is not None])
        answer = run("data", "check", folder)
        check(f"{name} is refused", answer.returncode in (1, 66) and words in answer.stdout + answer.stderr,
              (answer.returncode, answer.stdout, answer.stderr))
        return folder
    x, y, _, _ = make()
    refused("missing", "there is no x_test.npy", x_test=None)
    refused("real", "(x * 255).round().astype(numpy.uint8)", x_train=x / 255)
    refused("channels-first", "x.transpose(0, 2, 3, 1)", x_train=numpy.zeros((40, 3, 32, 32), numpy.uint8))
    refused("fortran", "numpy.ascontiguousarray", x_train=numpy.asfortranarray(x))
    refused("flat", "expected images", x_train=x.reshape(40, -1))
    refused("empty", "expected images", x_train=x[:0])
    refused("count", "one an image", y_train=y[:-1])
    refused("fractions", "whole numbers", y_train=y.astype(numpy.float32))
    refused("one-hot", "one an image", y_train=numpy.eye(CLASSES, dtype=numpy.uint8)[y])
    refused("negative", "label -1 of example 3", y_train=numpy.where(numpy.arange(40) == 3, -1, y))
    refused("new-class", "number the classes from 0 on", y_test=numpy.full(20, CLASSES))
    refused("sizes", "do the files belong together", x_test=numpy.zeros((20, SIDE + 1, SIDE, CHANNELS), numpy.uint8))
    twice = refused("objects", "NPY header", x_train=numpy.array([None] * 40, dtype=object))
    save(twice, make())
    numpy.save(twice + "/train_images.npy", x)
    answer = run("data", "check", twice)
    check("two files for one role", answer.returncode == 1 and "keep one of them" in answer.stdout, answer)
    cut = save(root + "/cut", make())
    os.truncate(cut + "/x_train.npy", 1000)
    answer = run("data", "check", cut)
    check("a file cut off", answer.returncode == 1 and "x_train.npy" in answer.stdout, answer)


def main():
    with tempfile.TemporaryDirectory() as root:
        check_training(root)
        check_kinds(root)
        check_refusals(root)
    sys.exit(checks_exit_code())


if __name__ == "__main__":
    main()
