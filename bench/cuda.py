#!/usr/bin/env python3
"""First contact with a card: is the cuda engine right there, and how fast beside PyTorch? One command, in under
`--minutes`, with everything in a folder: doctor's report, the tests' output, and rates.json, which is written anew after
every figure, so that what was measured stays when time runs out.

In this order: doctor; the tests of layers, of runs that train together and of kernel machines; the rates of the networks
in bf16, tf32 and fp32, and in bf16 with bias and ReLU in the launch of a convolution (SHATTER_CUDA_FUSE=1); sweeps of
up to 32 runs of the smallest network together and of 8 of Inception; the opponents (bench/opponent.py, where a PyTorch
with CUDA is found); then the shipped networks against the reference, which take the processor longest. Something else instead do --sanitize and --kernels: the tests under
compute-sanitizer, and the time of every kernel of some steps as Nsight Compute reads it.

--machines solves kernel machines, one after the other, small ones first: errors beside the processor's and the paper's,
times beside their targets, what the solves with the factor take. Each leaves its result in DIR/machines: the same
command goes on with those that are missing, so that a call may end before all are done. --only NAME,... does some. The
sets are looked for where `shatter` looks (SHATTER_DATA).

The libraries of NVIDIA are looked for beside PyTorch and in /usr/local/cuda; see docs/cuda.md for how to get here.

usage: bench/cuda.py --out DIR [--bundle DIR] [--python PYTHON] [--minutes 8] [--sanitize | --kernels]
       bench/cuda.py --out DIR [--bundle DIR] [--minutes 8] --machines [--only NAME,...]
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODELS = ["inception", "alexnet", "mlp-3x512", "mlp-1x512", "inception-nobn"]
BIASED = ["alexnet", "inception-nobn"]  # convolutions with a bias or ReLU of their own
# Cheapest first: compiling takes a minute for the large networks.
MODES = [("bf16", "graph_channels_last"), ("bf16", "channels_last"), ("tf32", "default"),
         ("bf16", "compile_graph_channels_last"), ("bf16", "compile_channels_last")]
# Runs at once, and microseconds that a run's step of it takes an H200 to move its bytes, where that is what it waits for:
# weights, momentum, gradients and the copy that layers read, written and read again, are 38 MB of 4.3 TB/s.
SWEEPS = {"mlp-1x512": (1, 2, 4, 8, 16, 32), "inception": (1, 2, 4, 8)}
SWEEP_FLOORS_US = {"mlp-1x512": 9}
SANITIZERS = ["memcheck", "racecheck", "initcheck"]
# Name, options, seconds that are the target, the processor's test errors and the paper's in percent, one a ridge; None:
# not known. Those of the processor stand in docs/results.md and docs/kernels.md; the paper does not tell its ridge.
MNIST, CIFAR = ["--data", "mnist"], ["--data", "cifar10"]
GAUSSIAN_RIDGES = "0,0.003,0.01,0.03"
MACHINES = [
    ("mnist-pixels-10000", [*MNIST, "--sigma", "5", "--train-size", "10000"], None, [2.52], None),
    ("mnist-gabor-10000", [*MNIST, "--features", "gabor", "--train-size", "10000"], None, [0.85], None),
    ("cifar10-pixels-10000", [*CIFAR, "--gamma", "0.008", "--train-size", "10000"], None, [53.30], None),
    ("cifar10-randconv-500",
     [*CIFAR, "--features", "randconv:500", "--train-size", "4000", "--ridge", "0,1,10,100"], None,
     [53.88, 37.54, 35.69, 40.04], None),
    ("cifar10-randconv-gaussian-500",
     [*CIFAR, "--features", "randconv:500", "--kernel", "gaussian", "--train-size", "4000", "--ridge", GAUSSIAN_RIDGES],
     None, [34.92, 34.65, 34.44, 34.24], None),
    ("mnist-pixels", [*MNIST, "--sigma", "5"], 10, [1.22], [1.2]),
    ("mnist-gabor", [*MNIST, "--features", "gabor", "--tolerance", "1e-8"], None, [0.43], [0.6]),
    ("cifar10-pixels", [*CIFAR, "--gamma", "0.006"], None, None, [46]),
    ("cifar10-randconv-8000", [*CIFAR, "--features", "randconv:8000", "--ridge", "0,10,100,1000"], None, None, None),
    ("cifar10-randconv-32000", [*CIFAR, "--features", "randconv:32000", "--ridge", "0,100,1000,10000"], 300, None,
     [17, 15, 15, 15]),
    ("cifar10-randconv-gaussian-32000",
     [*CIFAR, "--features", "randconv:32000", "--kernel", "gaussian", "--sigma", "83.3", "--ridge", GAUSSIAN_RIDGES],
     300, [16.87, 16.21, 16.29, 17.28], [17, 15, 15, 15]),
    ("cifar10-randconv-mirror-gaussian-16000",
     [*CIFAR, "--features", "randconv-mirror:16000", "--kernel", "gaussian", "--sigma", "52.2", "--ridge",
      "0,0.003,0.03,0.1"], None, [16.12, 14.93, 16.63, 19.34], None),
]


class Kit:
    def __init__(self, args):
        self.args = args
        self.out = Path(args.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + 60 * args.minutes
        self.record = {"shatter": [], "fused": [], "sweep": [], "opponent": [], "tests": [], "machines": [], "left_out": []}
        self.env = {**os.environ, "LD_LIBRARY_PATH": ":".join(library_folders(args.python))}
        bundle = Path(args.bundle)
        self.program = bundle / "shatter"
        self.tests = bundle / "tests"
        plugins = bundle / "lib" if (bundle / "lib").is_dir() else bundle
        self.env["SHATTER_PLUGINS"] = str(plugins)

    def left(self):
        return self.end - time.monotonic()

    def save(self):
        name = "machines.json" if self.args.machines else "rates.json"
        (self.out / name).write_text(json.dumps(self.record, indent=1))

    def run(self, name, command, limit, env=None, good=(0,)):
        """Runs it with its output in a file of that name; the text, or None when it failed or time ran out."""
        limit = min(limit, self.left())
        if limit < 5:
            self.record["left_out"].append(name)
            self.save()
            return None
        began = time.monotonic()
        log = self.out / f"{name}.txt"
        with open(log, "w", encoding="utf-8") as errors:
            try:
                done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=errors, text=True,
                                      timeout=limit, check=False, env={**self.env, **(env or {})})
                text, code = done.stdout, done.returncode
            except subprocess.TimeoutExpired as late:
                text, code = late.stdout or "", -1
                text = text if isinstance(text, str) else text.decode(errors="replace")
        with open(log, "a", encoding="utf-8") as file:
            file.write(text)
        seconds = time.monotonic() - began
        print(f"{name:44} {'ok' if code == 0 else f'exit {code}' if code > 0 else 'too slow'} {seconds:6.1f} s",
              flush=True)
        if code != 0:
            print("   " + " ".join(log.read_text(errors="replace").split())[-300:], flush=True)
        return text if code in good else None


def library_folders(python):
    """Where NVIDIA's libraries lie: the wheels beside PyTorch, then the toolkit's, then what is set already."""
    ask = "import site, sys; print('\\n'.join(site.getsitepackages() + [site.getusersitepackages()]))"
    done = subprocess.run([python, "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    folders = [f for site in done.stdout.split("\n") if site for f in sorted(glob.glob(site + "/nvidia/*/lib"))]
    folders += [f for f in ("/usr/local/cuda/lib64",) if os.path.isdir(f)]
    return folders + [f for f in os.environ.get("LD_LIBRARY_PATH", "").split(":") if f]


def check(kit, subject):
    text = kit.run("doctor", [kit.program, "doctor", "--store", kit.out / "store", "--json"], 60)
    if text is None:  # exit 1 where the cpu engine is not carried; the answer is in the file all the same
        text = (kit.out / "doctor.txt").read_text()
    for row in json.loads(text[text.index("{"):text.rindex("}") + 1])["findings"]:
        if row["subject"] == subject:
            kit.record[subject] = row
            print(f"   {row['verdict']}: {row['text']}", flush=True)
            return row["verdict"] == "good"
    return False


def test(kit, program, *names, limit=150, env=None, prefix=()):
    name = "_".join([program, *names, *(Path(p).name for p in prefix[:1]), *(p for p in prefix if p in SANITIZERS)])
    text = kit.run(name, [*prefix, kit.tests / program, *names], limit, env)
    kit.record["tests"].append({"test": name, "passed": text is not None})
    kit.save()


def rate(kit, model, precision, fused=False):
    """fused: with bias and ReLU in the launch of their convolution."""
    text = kit.run(f"rate_{model}_{precision}{'_fused' if fused else ''}",
                   [kit.program, "bench", "--device", "cuda", "--model", model, "--precision", precision, "--seconds", "2",
                    "--force", "--json"], 60, {"SHATTER_CUDA_FUSE": "1"} if fused else None)
    if text is not None:
        kit.record["fused" if fused else "shatter"] += json.loads(text)["results"]
        kit.save()


def sweep(kit, model, precision):
    """The same network as a group of runs: microseconds for a step of each."""
    for runs in SWEEPS[model]:
        text = kit.run(f"sweep_{model}_{precision}_{runs}",
                       [kit.program, "bench", "--device", "cuda", "--model", model, "--precision", precision,
                        "--together", str(runs), "--seconds", "2", "--force", "--json"], 60)
        if text is not None:
            kit.record["sweep"] += json.loads(text)["results"]
            kit.save()


def sweep_table(kit, model):
    """Run-steps per second: of a small network alone they are the launches', together the memory's, whose floor stands
    beside."""
    floor = SWEEP_FLOORS_US.get(model)
    rows = [row for row in kit.record["sweep"] if row["model"] == model]
    print(f"\n{model:16}{'':6}{'runs':>5}{'run-steps/s':>13}{'µs each':>9}{'of one':>8}"
          f"{f'   floor of an H200: {floor} µs' if floor else ''}")
    for row in rows:
        each = 1e3 * row["step_ms"] / row["together"]
        alone = next((1e3 * r["step_ms"] for r in rows
                      if r["together"] == 1 and r["precision"] == row["precision"]), None)
        print(f"{'':16}{row['precision']:6}{row['together']:5}{1e6 / each:13.0f}{each:9.1f}"
              f"{f'{alone / each:7.1f}x' if alone else ''}")
    for rival in kit.record["opponent"]:
        if rival["model"] == model:
            print(f"{'':16}{rival['precision']:6}{'1':>5}{1e3 / rival['step_ms']:13.0f}{1e3 * rival['step_ms']:9.1f}"
                  f"        PyTorch, {rival['mode']}")


def oppose(kit, model, precision, mode):
    text = kit.run(f"opponent_{model}_{precision}_{mode}",
                   [kit.args.python, HERE / "opponent.py", "--device", "cuda", "--model", model, "--precision", precision,
                    "--mode", mode, "--threads", "8", "--seconds", "2"], 120)
    if text is not None:
        kit.record["opponent"].append(json.loads(text.strip().split("\n")[-1]))
        kit.save()


def table(kit):
    print(f"\n{'network':16}{'':6}{'shatter ms':>11}{'fused':>11}{'images/s':>11}{'PyTorch ms':>12}{'ratio':>7}  "
          "its best mode")
    for row in kit.record["shatter"]:
        rivals = [o for o in kit.record["opponent"] if o["model"] == row["model"]
                  and (o["precision"] == row["precision"] or row["precision"] == "fp32" and o["precision"] == "tf32")]
        best = min(rivals, key=lambda o: o["step_ms"], default=None)
        beside = f"{best['step_ms']:12.3f}{best['step_ms'] / row['step_ms']:7.2f}  {best['mode']}, {best['precision']}" \
            if best else ""
        fused = next((f"{a['step_ms']:11.3f}" for a in kit.record["fused"]
                      if (a["model"], a["precision"]) == (row["model"], row["precision"])), f"{'':11}")
        print(f"{row['model']:16}{row['precision']:6}{row['step_ms']:11.3f}{fused}{row['images_per_second']:11.0f}{beside}")


def measure(kit):
    test(kit, "test_cuda_engine", limit=240)
    test(kit, "test_cuda_group", limit=120)
    test(kit, "test_cuda_kernel", limit=60)
    for precision in ("bf16", "tf32", "fp32"):
        for model in MODELS:
            rate(kit, model, precision)
    for model in BIASED:
        rate(kit, model, "bf16", fused=True)
    for precision in ("bf16", "tf32"):
        sweep(kit, "mlp-1x512", precision)
    sweep(kit, "inception", "bf16")
    for precision, mode in MODES:
        for model in MODELS[:4]:
            if "compile" not in mode or model in ("inception", "mlp-3x512", "alexnet"):
                oppose(kit, model, precision, mode)
    for model in ("mlp-1x512", "mlp-3x512", "alexnet", "inception-small", "inception", "wrn-28-1", "resnet18",
                  "inception-nobn"):
        test(kit, "test_cuda_networks", model, limit=90)
    table(kit)
    for model in SWEEPS:
        sweep_table(kit, model)


def sanitize(kit):
    """Kernel by kernel, without a captured graph: what the tools see best."""
    tests = ("test_cuda_engine", "test_cuda_group")
    for tool in SANITIZERS:
        for program in tests:
            test(kit, program, limit=60 * kit.args.minutes / len(SANITIZERS) / len(tests),
                 env={"SHATTER_CUDA_GRAPH": "0"}, prefix=("compute-sanitizer", "--tool", tool, "--error-exitcode", "9"))


def kernels(kit):
    """Milliseconds of every kernel of 2,000 launches, as CSV."""
    for model in ("inception", "alexnet", "mlp-3x512"):
        kit.run(f"kernels_{model}",
                ["ncu", "--metrics", "gpu__time_duration.sum", "--csv", "--launch-skip", "1000", "--launch-count", "1000",
                 kit.program, "bench", "--device", "cuda", "--model", model, "--precision", "bf16", "--seconds", "1",
                 "--force"], 150, {"SHATTER_CUDA_GRAPH": "0"})


def solve(kit, name, options, limit):
    """The result of a machine; None when time ran out or it failed. Exit code 1, not solved, is a result too."""
    file = kit.out / "machines" / f"{name}.json"
    if not file.exists():
        text = kit.run(f"machine_{name}", [kit.program, "kernel", "--device", "cuda", *options, "--spectrum", "0",
                                           "--quiet", "--json"], limit, good=(0, 1))
        if text is None or not text.strip().startswith("{"):
            return None
        file.write_text(text)
    return json.loads(file.read_text())


def show_machine(name, result, target, processor, paper):
    phases = {}
    for row in result.get("solutions", [result]):
        for phase in row["phases"]:
            phases[phase["phase"]] = phases.get(phase["phase"], 0) + phase["seconds"]
    beside = f" (target: under {target})" if target else ""
    print(f"\n{name}: {result['seconds']:.1f} s{beside}; " + ", ".join(
        f"{phase} {seconds:.2f}" for phase, seconds in [("features", result["feature_seconds"]), *phases.items()]))
    for i, row in enumerate(result.get("solutions", [result])):
        errors = [f"{whose} {values[i]:.2f}" for whose, values in (("cpu", processor), ("paper", paper)) if values]
        solve_ms = 1e3 * row["solve_seconds"] / max(row["solves"], 1)
        print(f"   ridge {row['ridge']:<5g} error {100 * row['error']:.2f} % ({', '.join(errors) or 'none beside it'}), "
              f"residual {row['residual']:.1e}{'' if row['converged'] else ' NOT SOLVED'}, jitter {row['jitter']:.1g}, "
              f"{row['iterations']} products, {row['solves']} solves of {solve_ms:.1f} ms", flush=True)


def machines(kit):
    (kit.out / "machines").mkdir(exist_ok=True)
    for name, options, target, processor, paper in MACHINES:
        if not kit.args.only or name in kit.args.only.split(","):
            result = solve(kit, name, options, 540)
            if result is not None:
                show_machine(name, result, target, processor, paper)
                kit.record["machines"].append({"machine": name, "target_seconds": target, "cpu_errors": processor,
                                               "paper_errors": paper, **result})
            elif f"machine_{name}" not in kit.record["left_out"]:
                kit.record["tests"].append({"test": f"machine_{name}", "passed": False})
            kit.save()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder for results")
    parser.add_argument("--bundle", default=str(HERE.parent / "build"), help="bundle, or build folder")
    parser.add_argument("--python", default="python3", help="the Python that has the opponent's PyTorch")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--kernels", action="store_true")
    parser.add_argument("--machines", action="store_true")
    parser.add_argument("--only", help="machines, by name: " + ", ".join(name for name, *_ in MACHINES))
    kit = Kit(parser.parse_args())
    if not check(kit, "cuda-kernel" if kit.args.machines else "cuda"):
        sys.exit("the plugin does not start here: see above and doctor.txt")
    asked = [task for task in (sanitize, kernels, machines) if getattr(kit.args, task.__name__)]
    (asked or [measure])[0](kit)
    failed = [t["test"] for t in kit.record["tests"] if not t["passed"]]
    print(f"\nfailed: {', '.join(failed) or 'none'}; left out for want of time: "
          f"{', '.join(kit.record['left_out']) or 'none'}; everything is in {kit.out}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
