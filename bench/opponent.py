#!/usr/bin/env python3
"""The opponent: PyTorch training the paper's networks, timed.

One process measures one network, precision and mode and prints one JSON object:
  {"torch": version, "model": ..., "precision": ..., "mode": ..., "threads": ..., "step_ms": median}

A step is what shatter's step is: gather 128 images of 28x28x3 bytes, whiten each, forward, backward, SGD with momentum.
Modes: default, channels_last, compile, compile_channels_last; on a card also graph_channels_last and
compile_graph_channels_last, which capture the whole step as a CUDA graph (compile alone: mode="reduce-overhead", whose
graphs PyTorch makes itself). bf16 uses torch.autocast; tf32 allows it in convolutions and products, fp32 does not.
On a card the images lie in its memory, and times are of windows of steps with one wait at the end.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

BATCH = 128


class Conv(nn.Module):
    """Convolution with TensorFlow's 'same' padding, then (optionally) batch normalisation without scale, then ReLU."""

    def __init__(self, inputs, filters, kernel, stride, norm):
        super().__init__()
        # 3x3 stride 2 on an even size pads 0 before and 1 after.
        self.pad = (0, 1, 0, 1) if stride == 2 else None
        padding = 0 if stride == 2 else kernel // 2
        self.conv = nn.Conv2d(inputs, filters, kernel, stride, padding, bias=not norm)
        self.norm = nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01) if norm else None
        if norm:
            self.norm.weight.requires_grad_(False)

    def forward(self, x):
        x = self.conv(F.pad(x, self.pad) if self.pad else x)
        return F.relu(self.norm(x) if self.norm else x, inplace=True)


class Inception(nn.Module):
    def __init__(self, inputs, a, b, norm):
        super().__init__()
        self.a = Conv(inputs, a, 1, 1, norm)
        self.b = Conv(inputs, b, 3, 1, norm)

    def forward(self, x):
        return torch.cat([self.a(x), self.b(x)], 1)


class Downsample(nn.Module):
    def __init__(self, inputs, filters, norm):
        super().__init__()
        self.conv = Conv(inputs, filters, 3, 2, norm)

    def forward(self, x):
        pooled = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2)
        return torch.cat([self.conv(x), pooled], 1)


def small_inception(norm):
    return nn.Sequential(
        Conv(3, 96, 3, 1, norm), Inception(96, 32, 32, norm), Inception(64, 32, 48, norm), Downsample(80, 80, norm),
        Inception(160, 112, 48, norm), Inception(160, 96, 64, norm), Inception(160, 80, 80, norm),
        Inception(160, 48, 96, norm), Downsample(144, 96, norm), Inception(240, 176, 160, norm),
        Inception(336, 176, 160, norm), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(336, 10))


class PoolNorm(nn.Module):
    """Max-pool 3x3 stride 2 'same', then local response normalisation over 9 channels."""

    def forward(self, x):
        size = x.shape[-1]
        pad = (0, 1, 0, 1) if size % 2 == 0 else (1, 1, 1, 1)
        x = F.max_pool2d(F.pad(x, pad, value=float("-inf")), 3, 2)
        return F.local_response_norm(x, 9, alpha=1e-3, beta=0.75, k=1.0)


def alexnet():
    return nn.Sequential(
        Conv(3, 64, 5, 1, False), PoolNorm(), Conv(64, 64, 5, 1, False), PoolNorm(), nn.Flatten(),
        nn.Linear(3136, 384), nn.ReLU(inplace=True), nn.Linear(384, 192), nn.ReLU(inplace=True), nn.Linear(192, 10))


def mlp(depth):
    layers, inputs = [nn.Flatten()], 2352
    for _ in range(depth):
        layers += [nn.Linear(inputs, 512), nn.ReLU(inplace=True)]
        inputs = 512
    return nn.Sequential(*layers, nn.Linear(inputs, 10))


MODELS = {
    "inception": (lambda: small_inception(True), 1649402, 0.1),
    "inception-nobn": (lambda: small_inception(False), 1649402, 0.01),
    "alexnet": (alexnet, 1387786, 0.01),
    "mlp-3x512": (lambda: mlp(3), 1735178, 0.01),
    "mlp-1x512": (lambda: mlp(1), 1209866, 0.01),
}


def whiten(images):
    """[n][3][28][28] bytes -> per-image whitened floats."""
    x = images.float() / 255
    flat = x.flatten(1)
    mean = flat.mean(1)
    deviation = flat.std(1, unbiased=False).clamp_min(flat.shape[1] ** -0.5)
    return (x - mean[:, None, None, None]) / deviation[:, None, None, None]


def make_network(args):
    build, parameters, rate = MODELS[args.model]
    net = build().to(args.device)
    count = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert count == parameters, f"{args.model}: {count} parameters, expected {parameters}"
    if "channels_last" in args.mode:
        net = net.to(memory_format=torch.channels_last)
    trained = [p for p in net.parameters() if p.requires_grad]
    fused = {"fused": True} if args.device == "cuda" else {}
    optimizer = torch.optim.SGD(trained, lr=rate, momentum=0.9, **fused)
    if args.mode.startswith("compile_graph"):
        return torch.compile(net), optimizer
    if args.mode.startswith("compile"):
        return torch.compile(net, **({"mode": "reduce-overhead"} if args.device == "cuda" else {})), optimizer
    return net, optimizer


def make_step(args):
    """step(number): one training step on a batch that the number draws."""
    forward, optimizer = make_network(args)
    last = "channels_last" in args.mode
    images = torch.randint(0, 256, (4096, 3, 28, 28), dtype=torch.uint8).to(args.device)
    labels = torch.randint(0, 10, (4096,)).to(args.device)
    orders = torch.stack([torch.randperm(4096)[:BATCH] for _ in range(64)]).to(args.device)
    chosen = orders[0].clone()  # the same memory on every step, for a captured graph

    def work():
        x, y = whiten(images[chosen]), labels[chosen]
        if last:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            logits = forward(x)
        loss = F.cross_entropy(logits.float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    run = captured(work) if "graph" in args.mode else work

    def step(number):
        chosen.copy_(orders[number % len(orders)])
        run()

    return step


def captured(work):
    """The step as one CUDA graph, captured after some steps on a stream of its own, as PyTorch's manual has it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(11):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def time_steps(args, step):
    """Times of a step in seconds; on a card, of windows of steps with a wait at the end of each."""
    window = 32 if args.device == "cuda" else 1
    wait = torch.cuda.synchronize if args.device == "cuda" else lambda: None
    number = 0
    for number in range(3 * window):
        step(number)
    wait()
    times, end = [], time.perf_counter() + args.seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(window):
            number += 1
            step(number)
        wait()
        times.append((time.perf_counter() - start) / window)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
    parser.add_argument("--mode", default="default",
                        choices=["default", "channels_last", "compile", "compile_channels_last", "graph_channels_last",
                                 "compile_graph_channels_last"])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    if args.device == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.precision == "tf32"
    times = time_steps(args, make_step(args))
    print(json.dumps({"torch": torch.__version__, "model": args.model, "precision": args.precision, "mode": args.mode,
                      "threads": args.threads, "step_ms": round(1000 * statistics.median(times), 4),
                      "steps": len(times)}))


if __name__ == "__main__":
    main()
