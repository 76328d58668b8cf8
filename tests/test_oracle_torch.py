#!/usr/bin/python3
"""The five networks of the paper, built a second time in PyTorch, against what the engines compute.

Both sides start from the same weights and see the same batches (written by engine_dump). Compared are the logits, the
loss, every gradient tensor, and after three steps the weights, momentum, running statistics and logits.

The reference computes in double, as PyTorch does here: only the order of summation differs, so the limit is 1e-11 of the
tensor's norm, where double's own rounding would give 1e-14 and any difference in meaning far more than 1e-11.
For an engine in fp32 the yardstick is PyTorch itself in float: its error against double, times 10.

Skipped (77) where PyTorch is not installed.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as missing:
    print(f"SKIP: {missing}; install python3-torch to compare with PyTorch")
    sys.exit(77)

BATCH, STEPS, SIZE, CHANNELS = 8, 3, 28, 3
RATE, MOMENTUM, DECAY = (float(np.float32(v)) for v in (0.02, 0.9, 1e-3))
EPSILON, BN_DECAY = float(np.float32(0.001)), float(np.float32(0.99))
LRN_ALPHA = float(np.float32(0.001 / 9))
# The cpu engine may err so many times as much as PyTorch in the same precision does: minimal filtering alone rounds five
# times as coarsely as the direct convolutions there.
REF_LIMIT, YARDSTICKS = 1e-11, 50
TINY = 1e-3  # a tensor below this share of all gradients is measured against that share


class Net:
    """Layers that take their parameters from a list, one after the other: [n][C][H][W] activations."""

    def __init__(self, parameters, statistics, training):
        self.parameters = iter(parameters)
        self.statistics = iter(statistics)  # pairs (mean, variance), changed in place when training
        self.training = training

    @staticmethod
    def pad(x, kernel, stride, value):
        # TensorFlow's 'same': the output has ceil(size / stride) positions, the odd row or column comes after.
        size = x.shape[2]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        before, after = total // 2, total - total // 2
        return F.pad(x, (before, after, before, after), value=value)

    def conv(self, x, kernel, stride=1, bias=False):
        weight = next(self.parameters)
        assert weight.shape[2] == kernel
        return F.conv2d(self.pad(x, kernel, stride, 0.0), weight, next(self.parameters) if bias else None, stride)

    def batchnorm(self, x):
        shift = next(self.parameters)
        mean, variance = next(self.statistics)
        if self.training:
            batch_mean = x.mean((0, 2, 3))
            batch_variance = ((x - batch_mean[:, None, None]) ** 2).mean((0, 2, 3))
            with torch.no_grad():
                mean.mul_(BN_DECAY).add_((1 - BN_DECAY) * batch_mean)
                variance.mul_(BN_DECAY).add_((1 - BN_DECAY) * batch_variance)
        else:
            batch_mean, batch_variance = mean, variance
        scale = 1 / torch.sqrt(batch_variance + EPSILON)
        return (x - batch_mean[:, None, None]) * scale[:, None, None] + shift[:, None, None]

    def maxpool(self, x):
        return F.max_pool2d(self.pad(x, 3, 2, -float("inf")), 3, 2)

    @staticmethod
    def lrn(x):
        squares = F.pad(x * x, (0, 0, 0, 0, 4, 4))
        total = sum(squares[:, i:i + x.shape[1]] for i in range(9))
        return x / (1 + LRN_ALPHA * total) ** 0.75

    def linear(self, x):
        weight, bias = next(self.parameters), next(self.parameters)
        if x.dim() == 4:
            x = x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)
        return x @ weight.T + bias


def mlp(net, x, hidden):
    for _ in range(hidden):
        x = torch.relu(net.linear(x))
    return net.linear(x)


def alexnet(net, x):
    for _ in range(2):
        x = net.lrn(net.maxpool(torch.relu(net.conv(x, 5, bias=True))))
    return mlp(net, x, 2)


def inception(net, x, normalized):
    def module(y, kernel, stride=1):
        y = net.conv(y, kernel, stride, bias=not normalized)
        return torch.relu(net.batchnorm(y) if normalized else y)

    def fork(y):
        return torch.cat([module(y, 1), module(y, 3)], 1)

    def shrink(y):
        return torch.cat([module(y, 3, 2), net.maxpool(y)], 1)

    x = module(x, 3)
    for stage in (fork, fork, shrink, fork, fork, fork, fork, shrink, fork, fork):
        x = stage(x)
    return net.linear(x.mean((2, 3)))


NETWORKS = {
    "mlp-1x512": lambda net, x: mlp(net, x, 1),
    "mlp-3x512": lambda net, x: mlp(net, x, 3),
    "alexnet": alexnet,
    "inception-nobn": lambda net, x: inception(net, x, False),
    "inception": lambda net, x: inception(net, x, True),
}


def read_tensors(folder):
    """[(name, decayed, shape)] of every parameter tensor."""
    rows = [line.split() for line in (folder / "tensors.txt").read_text().splitlines()]
    return [(row[0], row[1] == "1", tuple(int(d) for d in row[2:])) for row in rows]


def split(vector, shapes):
    parts = torch.split(vector, [int(np.prod(s)) for s in shapes])
    return [part.reshape(s).clone() for part, s in zip(parts, shapes)]


def join(tensors):
    return torch.cat([t.detach().double().reshape(-1) for t in tensors]) if tensors else torch.zeros(0).double()


def oracle(name, folder, kind):
    """What PyTorch computes from the files of a dump, in the number type `kind`; doubles by file name."""

    def load(file):
        return torch.from_numpy(np.fromfile(folder / file, dtype="<f8")).to(kind)

    def images(file):
        return load(file).reshape(-1, SIZE, SIZE, CHANNELS).permute(0, 3, 1, 2)

    tensors = read_tensors(folder)
    weights = [w.requires_grad_() for w in split(load("initial"), [shape for _, _, shape in tensors])]
    count = len(np.fromfile(folder / "statistics", dtype="<f8"))
    widths = [shape[0] for n, _, shape in tensors if len(shape) == 1] if count else []
    widths = widths[:-1]  # the last vector is the linear layer's bias
    assert count == 2 * sum(widths)
    statistics = [(torch.zeros(w, dtype=kind), torch.ones(w, dtype=kind)) for w in widths]
    momentum = [torch.zeros_like(w) for w in weights]

    def logits_of(x, training, running):
        return NETWORKS[name](Net(weights, running, training), x)

    def gradients(step, running):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        logits = logits_of(images("images")[rows], True, running)
        loss = F.cross_entropy(logits, load("labels")[rows].long())
        return loss, torch.autograd.grad(loss, weights)

    out = {}
    test = images("split-images")[:BATCH]
    with torch.no_grad():
        out["first-logits"] = join([logits_of(test, False, statistics)])
    for step in range(STEPS):
        loss, grads = gradients(step, statistics)
        if step == 0:
            out["loss"], out["gradients"] = join([loss]), join(grads)
        with torch.no_grad():
            for w, g, v, (_, decayed, _) in zip(weights, grads, momentum, tensors):
                v.mul_(MOMENTUM).add_(g + (DECAY * w if decayed else 0))
                w.sub_(RATE * v)
    with torch.no_grad():
        out["last-logits"] = join([logits_of(test, False, statistics)])
    out["weights"], out["momentum"] = join(weights), join(momentum)
    out["statistics"] = join([part for pair in statistics for part in pair])
    return out


def errors(found, expected, shapes):
    """Largest error of each result: norm of the difference over the norm, tensor by tensor for what has tensors."""
    worst = {}
    for key, right in expected.items():
        whole = [(found[key], right)]
        if key in ("gradients", "weights", "momentum"):
            whole = list(zip(split(found[key], shapes), split(right, shapes)))
        floor = TINY * right.norm()
        ratios = [float((a - b).norm() / max(b.norm(), floor)) if b.numel() else 0.0 for a, b in whole]
        worst[key] = max(ratios) if all(r == r for r in ratios) else float("nan")
    return worst


def dump(name, backend, precision, folder):
    program = pathlib.Path(os.environ["SHATTER"]).parent / "tests" / "engine_dump"
    done = subprocess.run([program, name, backend, precision, folder], stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 69):
        sys.exit(f"engine_dump {name} {backend}: {done.stderr}")
    return done.returncode == 0, done.stderr.strip()


def read_dump(folder, keys):
    return {key: torch.from_numpy(np.fromfile(folder / key, dtype="<f8")) for key in keys}


def report(name, engine, found, limits):
    """Prints a line for each result and returns how many are beyond their limit (NaN is)."""
    failures = 0
    for key, error in found.items():
        passed = error <= limits[key]
        failures += not passed
        print(f"  {name:15} {engine:9} {key:13} error {error:8.1e}, limit {limits[key]:.1e}{'' if passed else '  FAILED'}")
    return failures


def check(name):
    failures = 0
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        dump(name, "ref", "fp64", folder)
        shapes = [shape for _, _, shape in read_tensors(folder)]
        exact = oracle(name, folder, torch.float64)
        found = errors(read_dump(folder, exact), exact, shapes)
        failures += report(name, "ref", found, {key: REF_LIMIT for key in exact})
        present, reason = dump(name, "cpu", "fp32", folder)
        if present:
            yardstick = errors(oracle(name, folder, torch.float32), exact, shapes)
            found = errors(read_dump(folder, exact), exact, shapes)
            failures += report(name, "cpu fp32", found, {k: max(YARDSTICKS * v, 1e-6) for k, v in yardstick.items()})
        else:
            print(f"  {name:15} SKIP cpu: {reason}")
    return failures


def main():
    torch.set_num_threads(2)
    failures = sum(check(name) for name in NETWORKS)
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
