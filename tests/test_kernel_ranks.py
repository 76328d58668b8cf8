#!/usr/bin/python3
"""shatter kernel over several processes: the bits of one process, and what happens when a rank fails.

One process is checked against SciPy by test_kernel_scipy.py; equal files carry that over.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checks import check, checks_exit_code

try:
    import numpy
except ImportError:
    print("SKIP: numpy is not installed (apt-get install python3-numpy)")
    sys.exit(77)

SHATTER = os.environ.get("SHATTER", "build/shatter")
PLUGIN = "shatter-cluster-mpi.so"
# Open MPI leaves memory behind, which the leak sanitizer would count as ours.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1",
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
DIFFERENT = {"phases", "seconds", "solve_seconds", "feature_seconds", "peak_bytes", "peak_gflops", "core_share",
             "ranks", "grid"}


def run(words, environment=None):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=280,
                          env=environment or ENVIRONMENT)


def over(ranks, *words, program=SHATTER):
    return run([*MPIRUN, "-n", str(ranks), program, "kernel", "--threads", "1", *words])


def bare(result):
    """Without times, which differ from run to run."""
    kept = {key: value for key, value in result.items() if key not in DIFFERENT}
    if "solutions" in kept:
        kept["solutions"] = [bare(solution) for solution in kept["solutions"]]
    return kept


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.npy")}


def check_same_bits(folder, name, ranks, words, expect=lambda result: True):
    """The result of one process, whose own threads do not matter, and those of every number of ranks."""
    alone = run([SHATTER, "kernel", *words, "--json", "--arrays", "-o", f"{folder}/{name}-1"])
    wanted = json.loads(alone.stdout)
    check(f"{name}: as intended", expect(wanted) and wanted["ranks"] == 1 and wanted["grid"] == [1, 1], alone)
    for count, grid in ranks:
        output = f"{folder}/{name}-{count}"
        answer = over(count, *words, "--json", "--arrays", "-o", output)
        found = json.loads(answer.stdout) if answer.stdout.count("\n") == 1 else {}
        check(f"{name}: {count} ranks have the bits of one process",
              answer.returncode == alone.returncode and found.get("ranks") == count and found["grid"] == grid
              and bare(found) == bare(wanted) and files(output) == files(f"{folder}/{name}-1") and files(output),
              (answer, wanted))


def save(folder, name, array):
    path = os.path.join(folder, name + ".npy")
    numpy.save(path, array)
    return path


def arrays(folder, n, test):
    """Six tile rows at n = 1,300: with four columns held back, two rounds. Targets that a linear kernel can meet."""
    random = numpy.random.default_rng(5)
    x, z = random.random((n, 9)).astype(numpy.float32), random.random((test, 9)).astype(numpy.float32)
    weights = random.standard_normal((9, 2))
    return ["--inputs", save(folder, "x", x), "--targets", save(folder, "y", x.astype(float) @ weights),
            "--test-inputs", save(folder, "z", z), "--test-targets", save(folder, "t", z.astype(float) @ weights)]


def check_solutions(folder):
    words = arrays(folder, 1300, 300)
    check_same_bits(folder, "gaussian", [(2, [2, 1]), (4, [2, 2])], [*words, "--sigma", "0.5"])
    check_same_bits(folder, "linear", [(6, [3, 2])], [*words, "--kernel", "linear"],
                    lambda result: result["jitter"] > 0 and result["converged"])
    check_same_bits(folder, "polynomial", [(2, [2, 1])], [*words, "--kernel", "polynomial", "--sigma", "1"],
                    lambda result: result["converged"])
    check_same_bits(folder, "not-solved", [(4, [2, 2])], [*words, "--sigma", "20", "--iterations", "3"],
                    lambda result: not result["converged"])
    images = ["--data", "shapes", "--train-size", "300", "--test-size", "270"]
    check_same_bits(folder, "images", [(4, [2, 2])], [*images, "--labels", "random", "--sigma", "median", "--centre"])
    check_same_bits(folder, "gabor", [(2, [2, 1])], [*images, "--features", "gabor"])
    check_same_bits(folder, "streamed", [(3, [3, 1])], ["--data", "shapes", "--train-size", "270", "--test-size", "40",
                                                       "--features", "randconv:260", "--ridge", "1,10"])
    check_same_bits(folder, "fewer-than-ranks", [(4, [2, 2])], ["--data", "shapes", "--train-size", "3", "--sigma", "5",
                                                               "--test-size", "1"])
    check_same_bits(folder, "one", [(2, [2, 1])], ["--data", "shapes", "--train-size", "1", "--sigma", "5"])


def said(answer):
    """Lines of ours on standard error, without those of mpirun."""
    return [line for line in answer.stderr.splitlines() if line.startswith("shatter")]


def check_refusals(folder):
    small = ["--data", "shapes", "--train-size", "300", "--sigma", "5"]
    for name, words, code, sentence in [
            ("leave-one-out", [*small, "--leave-one-out"], 2, "--leave-one-out"),
            ("missing file", ["--inputs", "none.npy", "--targets", "none.npy"], 66, "none.npy: no such file"),
            ("too little memory", [*small, "--memory", "2M"], 71, "on each of 2 ranks"),
            ("a folder that cannot be made", [*small, "-o", "/proc/none"], 74, "/proc/none")]:
        answer = over(2, *words)
        lines = said(answer)
        check(f"{name}: refused by one rank, once", answer.returncode == code and len(lines) == 1
              and sentence in lines[0] and answer.stdout == "", answer)
    script = Path(folder) / "uneven"
    for name, words, code, sentence in [
            ("a file that one rank lacks", "--inputs none.npy --targets none.npy", 66, "none.npy: no such file"),
            ("another file on one rank", "--data shapes --train-size 299 --sigma 5", 2, "those of rank 0")]:
        script.write_text(f'#!/bin/sh\nif [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then exec {SHATTER} kernel {words} --json; fi\n'
                          f'exec {SHATTER} "$@" --json\n')
        script.chmod(0o755)
        answer = over(3, *small, program=str(script))
        lines = said(answer)
        check(f"{name}: its sentence and its exit code", answer.returncode == code and len(lines) == 1
              and lines[0].startswith("shatter kernel: rank 1 of 3: ") and sentence in lines[0]
              and json.loads(answer.stdout)["exit_code"] == code, answer)


def rank_processes(marker):
    """Process numbers of the ranks that work on `marker`, by rank."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (path / "cmdline").read_bytes().decode() and os.readlink(path / "exe").endswith("/shatter"):
                for word in (path / "environ").read_bytes().decode().split("\0"):
                    if word.startswith("OMPI_COMM_WORLD_RANK="):
                        found[int(word.split("=")[1])] = int(path.name)
        except OSError:
            pass
    return found


def await_ranks(marker, count):
    for _ in range(600):
        found = rank_processes(marker)
        if len(found) == count:
            return found
        time.sleep(0.1)
    return found


def interrupt(folder, name, send):
    """Starts long work over 3 ranks, ends it, and returns what was left."""
    output = f"{folder}/{name}"
    words = [*MPIRUN, "-n", "3", SHATTER, "kernel", "--data", "shapes", "--train-size", "9000", "--sigma", "5",
             "--threads", "1", "--progress", "plain", "-o", output]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as launcher:
        ranks = await_ranks(output, 3)
        time.sleep(2)
        send(launcher, ranks)
        out, err = launcher.communicate(timeout=120)
    time.sleep(0.5)
    return launcher.returncode, out, err, rank_processes(output), os.path.exists(f"{output}/result.json")


def check_ends(folder):
    for name, send, code, sentence in [
            ("kill", lambda _, ranks: os.kill(ranks[1], signal.SIGKILL), 137, ""),
            ("stop", lambda _, ranks: os.kill(ranks[2], signal.SIGTERM), 143, "rank 2 of 3: stopped"),
            ("ctrl-c", lambda launcher, _: launcher.send_signal(signal.SIGINT), None, "")]:
        returned, out, err, left, written = interrupt(folder, name, send)
        check(f"{name}: all ranks end, nothing is written", (returned == code or (code is None and returned != 0))
              and not left and not written and out == "" and sentence in err, (returned, out, err, left, written))
        print(f"    exit code {returned}")


def check_without_plugin(folder):
    """Processes that a launcher started must not run one beside another."""
    program = shutil.copy(SHATTER, folder)
    for library in Path(SHATTER).resolve().parent.glob("libshatter.so*"):
        shutil.copy(library, folder)
    environment = {key: value for key, value in ENVIRONMENT.items() if key != "SHATTER_PLUGINS"}
    environment["LD_LIBRARY_PATH"] = folder
    for name, size, rank in [("Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
                             ("PMI", "PMI_SIZE", "PMI_RANK"), ("Slurm", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID")]:
        answers = [run([program, "kernel", "--data", "shapes", "--train-size", "10", "--sigma", "5"],
                       {**environment, size: "2", rank: str(number)}) for number in range(2)]
        check(f"{name} without the plugin: a sentence, once", [answer.returncode for answer in answers] == [69, 69]
              and "started as 2 processes" in answers[0].stderr and PLUGIN in answers[0].stderr
              and answers[1].stderr == answers[0].stdout == answers[1].stdout == "", answers)


def main():
    with tempfile.TemporaryDirectory() as folder:
        check_without_plugin(folder)
        if not (Path(SHATTER).resolve().parent / PLUGIN).exists() or shutil.which("mpirun") is None:
            print("SKIP: Open MPI is not installed (apt-get install libopenmpi-dev), so nothing is checked over ranks")
            return checks_exit_code(77)
        answer = run([SHATTER, "kernel", "--data", "shapes", "--train-size", "10", "--sigma", "5"],
                     {**ENVIRONMENT, "PMI_SIZE": "2", "PMI_RANK": "0"})
        check("a launcher that MPI does not know: a sentence", answer.returncode == 69
              and "MPI sees 1" in answer.stderr and answer.stdout == "", answer)
        check_refusals(folder)
        check_solutions(folder)
        check_ends(folder)
    return checks_exit_code()


if __name__ == "__main__":
    sys.exit(main())
