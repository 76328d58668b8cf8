#!/usr/bin/env python3
"""shatter against PyTorch: the time of a training step, both measured in one run on one idle machine.

For each network and precision: `shatter bench`, then the opponent in each of its modes, each with its own waiting and
with OMP_WAIT_POLICY=passive, on all cores and as one run of one thread a core (whose time a step is divided by the
number of cores). The opponent's best counts. Settings that slow a library down (OPENBLAS_CORETYPE and the like) are
taken out of the environment first.

usage: bench/compare.py [--python PYTHON] [--modes default,channels_last] [--models ...] [--json FILE]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODELS = ["inception", "inception-nobn", "alexnet", "mlp-3x512", "mlp-1x512"]
HURTFUL = ("OPENBLAS_", "MKL_", "OMP_", "GOMP_", "KMP_", "DNNL_", "ONEDNN_")


def busy_share(seconds=2.0):
    """Share of all cores' time that somebody used."""
    def read():
        fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return fields[3] + fields[4], sum(fields)

    idle, total = read()
    time.sleep(seconds)
    idle2, total2 = read()
    return 1 - (idle2 - idle) / max(1, total2 - total)


def refuse_busy(force):
    """Ends the program on a busy machine, unless forced; gives the share that is busy."""
    busy = busy_share()
    if busy > 0.05 and not force:
        sys.exit(f"the machine is busy ({busy:.0%} of its cores): a loaded opponent is no opponent; wait, or --force")
    return busy


def environment(passive=False):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(HURTFUL)}
    if passive:
        kept["OMP_WAIT_POLICY"] = "passive"
    return kept


def run_json(command, env):
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return {"failed": done.stderr.strip().split("\n")[-1][:200]}
    return json.loads(done.stdout)


def time_shatter(args, model, precision):
    command = [args.shatter, "bench", "--model", model, "--precision", precision, "--threads", str(args.cores), "--json"]
    answer = run_json(command, environment())
    if "failed" in answer:
        sys.exit(f"shatter bench {model} {precision}: {answer['failed']}")
    return next(r for r in answer["results"] if r["model"] == model and r["precision"] == precision)


def opponent_command(args, model, precision, mode, threads):
    return [args.python, str(HERE / "opponent.py"), "--model", model, "--precision", precision, "--mode", mode,
            "--threads", str(threads), "--seconds", str(args.seconds)]


def time_side_by_side(args, model, precision, mode):
    """One run of one thread on each core at once: milliseconds a step of the whole machine."""
    runs = []
    for core in range(args.cores):
        command = ["taskset", "-c", str(core)] + opponent_command(args, model, precision, mode, 1)
        runs.append(subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                     text=True))
    outputs = [run.communicate()[0] for run in runs]
    if any(run.returncode != 0 for run in runs):
        return {"failed": "a side-by-side run failed"}
    answers = [json.loads(text) for text in outputs]
    rate = sum(1 / answer["step_ms"] for answer in answers)
    return {**answers[0], "step_ms": 1 / rate}


def time_opponent(args, model, precision):
    rows = []
    for mode in args.modes.split(","):
        variants = {
            "all cores": lambda m=mode: run_json(opponent_command(args, model, precision, m, args.cores),
                                                 environment()),
            "all cores, passive": lambda m=mode: run_json(opponent_command(args, model, precision, m, args.cores),
                                                          environment(passive=True)),
            "one run a core": lambda m=mode: time_side_by_side(args, model, precision, m),
        }
        for name, measure in variants.items():
            answer = measure()
            rows.append({"mode": mode, "threads": name, **{k: answer[k] for k in ("torch", "step_ms", "failed")
                                                           if k in answer}})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shatter", default=str(HERE.parent / "build" / "shatter"))
    parser.add_argument("--python", default="/usr/bin/python3", help="the Python that has the opponent's PyTorch")
    parser.add_argument("--modes", default="default,channels_last")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--force", action="store_true", help="measure on a busy machine all the same")
    parser.add_argument("--json", metavar="FILE", help="also write every figure here")
    args = parser.parse_args()
    args.cores = len(os.sched_getaffinity(0))
    busy = refuse_busy(args.force)
    results = []
    print(f"{'network':16}{'':6}{'shatter ms':>11}{'peak':>7}{'PyTorch ms':>12}{'ratio':>7}  its best mode", flush=True)
    for model in args.models.split(","):
        for precision in args.precisions.split(","):
            ours = time_shatter(args, model, precision)
            rows = time_opponent(args, model, precision)
            measured = [row for row in rows if "step_ms" in row]
            if not measured:
                sys.exit(f"{model} {precision}: the opponent failed in every mode: {rows[0].get('failed')}")
            best = min(measured, key=lambda row: row["step_ms"])
            results.append({"model": model, "precision": precision, "shatter": ours, "opponent": rows,
                            "ratio": best["step_ms"] / ours["step_ms"]})
            print(f"{model:16}{precision:6}{ours['step_ms']:11.2f}{ours['share_of_peak']:7.0%}{best['step_ms']:12.2f}"
                  f"{results[-1]['ratio']:7.2f}  {best['mode']}, {best['threads']}, torch {best['torch']}", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps({"busy": busy, "cores": args.cores, "results": results}, indent=1))


if __name__ == "__main__":
    main()
