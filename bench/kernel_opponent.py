#!/usr/bin/env python3
"""The opponent of bench/kernel.py: SciPy solves (K) A = Y, K Gaussian, and prints what it took as one JSON object.

fp64: K, cho_factor, cho_solve in double. fp32: the same in single, then refinement with K computed anew in double by
blocks, until the residual is at most --residual. Everything in place where NumPy can: K is symmetric, so that its
transpose is handed to LAPACK in LAPACK's order without a copy.

usage: bench/kernel_opponent.py X.npy Y.npy --sigma S --precision fp32|fp64 --threads N --residual R
"""

import argparse
import json
import os
import resource
import sys
import time

BLOCK = 1000  # rows of K in double at a time
REFINEMENTS = 50


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs")
    parser.add_argument("targets")
    parser.add_argument("--sigma", type=float, required=True)
    parser.add_argument("--precision", choices=["fp32", "fp64"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--residual", type=float, required=True)
    return parser.parse_args()


ARGS = parse()
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before NumPy comes
    os.environ[name] = str(ARGS.threads)
try:
    import numpy
    import scipy
    from scipy import linalg
    from threadpoolctl import threadpool_info
except ImportError as missing:
    sys.exit(f"{missing}; pip install numpy scipy threadpoolctl")


def gaussian(a, b):
    """[len(a)][len(b)], one array and no more."""
    k = a @ b.T
    k *= -2
    k += (a * a).sum(1)[:, None]
    k += (b * b).sum(1)[None]
    numpy.maximum(k, 0, out=k)
    k *= -1 / (2 * ARGS.sigma ** 2)
    return numpy.exp(k, out=k)


def left_over(x, y, a):
    """y - K a, K in double by blocks."""
    rest = y.copy()
    for first in range(0, len(x), BLOCK):
        rest[first:first + BLOCK] -= gaussian(x[first:first + BLOCK], x) @ a
    return rest


def relative(rest, y):
    return float((numpy.linalg.norm(rest, axis=0) / numpy.linalg.norm(y, axis=0)).max())


def main():
    kind = numpy.float32 if ARGS.precision == "fp32" else numpy.float64
    x, y = numpy.load(ARGS.inputs), numpy.load(ARGS.targets).astype(float)
    wide = x.astype(float)
    start = time.perf_counter()
    k = gaussian(x.astype(kind), x.astype(kind))
    gram = time.perf_counter()
    factor = linalg.cho_factor(k.T, lower=True, overwrite_a=True, check_finite=False)
    factored = time.perf_counter()
    a = linalg.cho_solve(factor, y.astype(kind), check_finite=False).astype(float)
    rest, steps = None, 0
    if kind == numpy.float32:
        rest = left_over(wide, y, a)
        while relative(rest, y) > ARGS.residual and steps < REFINEMENTS:
            a += linalg.cho_solve(factor, rest.astype(kind), check_finite=False)
            rest, steps = left_over(wide, y, a), steps + 1
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rest = left_over(wide, y, a) if rest is None else rest  # of fp64, which needs no refinement: not timed
    print(json.dumps({
        "numpy": numpy.__version__, "scipy": scipy.__version__,
        "blas": [f"{lib['internal_api']} {lib['version']} {lib.get('architecture', '')} x {lib['num_threads']}"
                 for lib in threadpool_info()],
        "gram_seconds": gram - start, "factor_seconds": factored - gram, "solve_seconds": end - factored,
        "seconds": end - start, "refinements": steps, "residual": relative(rest, y),
        "norm": float(numpy.sqrt((a * (y - rest)).sum())), "peak_bytes": peak}))


if __name__ == "__main__":
    main()
