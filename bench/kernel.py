#!/usr/bin/env python3
"""shatter kernel against SciPy: time and memory of an exact kernel machine, both measured in one run on one idle machine.

MNIST's first images (from $SHATTER_DATA/mnist), levels 0 to 255, Gaussian kernel, sigma 5 * 255, one-hot targets, no
ridge: Gram matrix, factorisation and solution. Each solver is a process of its own, which tells its peak of resident
memory. SciPy's fp64 Cholesky, and its fp32 one refined to the same residual as shatter's, in double. Settings that slow
a library down (OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE and the like) are taken out of the environment first, and which
kernels OpenBLAS chose is printed. The same problem was solved only if the norms of the solutions agree, which is checked.

usage: bench/kernel.py [--python PYTHON] [--examples 20000] [--json FILE]
"""

import argparse
import gzip
import json
import os
import sys
import tempfile
from pathlib import Path

from compare import HERE, environment, refuse_busy, run_json

SIGMA, RESIDUAL, CLASSES = 5 * 255, 1e-10, 10


def read_idx(path):
    import numpy
    data = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    dims = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * data[3]).reshape(dims)


def write_problem(folder, examples):
    import numpy
    source = Path(os.environ.get("SHATTER_DATA", "")) / "mnist"
    found = {name: next(source.glob(f"train-{name}*"), None) for name in ("images", "labels")}
    if None in found.values():
        sys.exit("MNIST is not here: shatter data fetch mnist, and set SHATTER_DATA to the folder that holds it")
    x, y = read_idx(found["images"])[:examples], read_idx(found["labels"])[:examples]
    numpy.save(folder / "x.npy", x.reshape(len(x), -1).astype(numpy.float32))
    numpy.save(folder / "y.npy", numpy.eye(CLASSES)[y])
    return len(x)


def run_shatter(args, folder):
    answer = run_json([args.shatter, "kernel", "--inputs", str(folder / "x.npy"), "--targets", str(folder / "y.npy"),
                       "--sigma", str(SIGMA), "--spectrum", "0", "--tolerance", str(RESIDUAL), "--threads",
                       str(args.cores), "--quiet", "--json"], environment())
    if "failed" in answer:
        sys.exit(f"shatter kernel: {answer['failed']}")
    phases = {phase["phase"]: phase for phase in answer["phases"]}
    return {"gram_seconds": phases["gram"]["seconds"], "factor_seconds": phases["factorisation"]["seconds"],
            "solve_seconds": phases["solution"]["seconds"], "seconds": answer["seconds"],
            "refinements": answer["iterations"], "residual": answer["residual"], "norm": answer["norm"],
            "peak_bytes": answer["peak_bytes"], "share_of_peak": phases["factorisation"]["share_of_peak"],
            "arithmetic": answer["arithmetic"], "jitter": answer["jitter"]}


def run_scipy(args, folder, precision):
    answer = run_json([args.python, str(HERE / "kernel_opponent.py"), str(folder / "x.npy"), str(folder / "y.npy"),
                       "--sigma", str(SIGMA), "--precision", precision, "--threads", str(args.cores), "--residual",
                       str(RESIDUAL)], environment())
    if "failed" in answer:
        sys.exit(f"SciPy {precision}: {answer['failed']}")
    return answer


def show(name, row, ours):
    print(f"{name:14}{row['gram_seconds']:9.2f}{row['factor_seconds']:9.2f}{row['solve_seconds']:9.2f}"
          f"{row['seconds']:9.2f}{row['seconds'] / ours['seconds']:8.2f}{row['factor_seconds'] / ours['factor_seconds']:9.2f}"
          f"{row['peak_bytes'] / 2 ** 30:9.2f}{row['residual']:11.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shatter", default=str(HERE.parent / "build" / "shatter"))
    parser.add_argument("--python", default=sys.executable, help="the Python that has the opponent's NumPy and SciPy")
    parser.add_argument("--examples", type=int, default=20000)
    parser.add_argument("--precisions", default="fp32,fp64")
    parser.add_argument("--force", action="store_true", help="measure on a busy machine all the same")
    parser.add_argument("--json", metavar="FILE", help="also write every figure here")
    args = parser.parse_args()
    args.cores = len(os.sched_getaffinity(0))
    busy = refuse_busy(args.force)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_problem(folder, args.examples)
        print(f"{count} examples, {args.cores} threads; seconds, ratios to shatter, GiB at the peak")
        print(f"{'':14}{'gram':>9}{'factor':>9}{'solution':>9}{'all':>9}{'ratio':>8}{'factor':>9}{'memory':>9}{'residual':>11}")
        ours = run_shatter(args, folder)
        show("shatter", ours, ours)
        rows = {}
        for precision in args.precisions.split(","):
            rows[precision] = run_scipy(args, folder, precision)
            show(f"SciPy {precision}", rows[precision], ours)
            if not abs(rows[precision]["norm"] / ours["norm"] - 1) < 1e-6:
                sys.exit(f"norms {rows[precision]['norm']} and {ours['norm']} differ: not the same problem")
        print(f"shatter: {ours['arithmetic']}, factorisation at {ours['share_of_peak']:.0%} of the fp32 peak, "
              f"{ours['refinements']} products in double, jitter {ours['jitter']:g}")
        for precision, row in rows.items():
            print(f"SciPy {precision}: SciPy {row['scipy']}, NumPy {row['numpy']}; {'; '.join(row['blas'])}; "
                  f"{row['refinements']} refinements")
    if args.json:
        Path(args.json).write_text(json.dumps({"busy": busy, "cores": args.cores, "examples": count, "shatter": ours,
                                               "scipy": rows}, indent=1))


if __name__ == "__main__":
    main()
