#!/usr/bin/python3
"""shatter kernel against SciPy's Cholesky in double: predictions, norms, leave-one-out; and as a script meets it.

One thread for both, so that neither waits for a core that somebody else has. With SHATTER_SLOW=1 also 8,000 examples.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from checks import check, checks_exit_code

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy comes
try:
    import numpy
    from scipy import linalg
    from scipy.sparse.linalg import eigsh
except ImportError:
    print("SKIP: numpy and scipy are not installed (apt-get install python3-scipy)")
    sys.exit(77)

SHATTER = os.environ.get("SHATTER", "build/shatter")


def run(*words):
    return subprocess.run([SHATTER, "kernel", *words, "--threads", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=280)


def squares(x, z):
    return numpy.maximum((x * x).sum(1)[:, None] + (z * z).sum(1)[None] - 2 * x @ z.T, 0)


def make_arrays(folder, n):
    random = numpy.random.default_rng(1)
    x = random.random((n, 40)).astype(numpy.float32)
    z = random.random((500, 40)).astype(numpy.float32)
    y = numpy.stack([numpy.sin(4 * x[:, 0]) + x[:, 1], random.standard_normal(n)], 1)
    t = numpy.stack([numpy.sin(4 * z[:, 0]) + z[:, 1], numpy.zeros(500)], 1)
    for name, array in [("x", x), ("y", y), ("z", z), ("t", t)]:
        numpy.save(os.path.join(folder, name + ".npy"), array)
    return x.astype(float), y, z.astype(float), t


def array_words(folder):
    return [word for flag, name in [("inputs", "x"), ("targets", "y"), ("test-inputs", "z"), ("test-targets", "t")]
            for word in ("--" + flag, os.path.join(folder, name + ".npy"))]


def check_against_scipy(folder):
    x, y, z, t = make_arrays(folder, 2000)
    for kernel, words, function in [
            ("gaussian", ["--sigma", "0.8"], lambda a, b: numpy.exp(-squares(a, b) / (2 * 0.8 ** 2))),
            ("laplacian", ["--sigma", "2"], lambda a, b: numpy.exp(-numpy.sqrt(squares(a, b)) / 2)),
            ("polynomial", ["--sigma", "3", "--degree", "4", "--ridge", "0.01"],
             lambda a, b: (a @ b.T / 9 + 1) ** 4)]:
        output = os.path.join(folder, kernel)
        answer = run(*array_words(folder), "--kernel", kernel, *words, "-o", output, "--arrays", "--json",
                     "--leave-one-out", "--tolerance", "1e-11", "--iterations", "500")
        result = json.loads(answer.stdout)
        k = function(x, x) + (0.01 if "--ridge" in words else 0) * numpy.eye(len(x))
        factor = linalg.cho_factor(k, lower=True)
        a = linalg.cho_solve(factor, y)
        wanted = function(z, x) @ a
        found = numpy.load(os.path.join(output, "predictions.npy"))
        off = abs(found - wanted).max() / abs(wanted).max()
        check(f"{kernel}: predictions as SciPy's", result["converged"] and off < 1e-6, (off, result))
        ridge = 0.01 if "--ridge" in words else 0
        norm = numpy.sqrt((a * (y - ridge * a)).sum())
        check(f"{kernel}: norm to 1e-6", abs(result["norm"] / norm - 1) < 1e-6, (norm, result["norm"]))
        check(f"{kernel}: test error", abs(result["error"] - numpy.sqrt(((wanted - t) ** 2).mean())) < 1e-6, result)
        left_out = a / linalg.lapack.dpotri(factor[0], lower=True)[0].diagonal()[:, None]
        loo = numpy.sqrt((left_out ** 2).mean())
        good = result["loo_error"] is None or abs(result["loo_error"] / loo - 1) < 1e-3
        check(f"{kernel}: leave-one-out as the inverse says", good, (loo, result["loo_error"]))
        largest = eigsh(k, 1, return_eigenvectors=False)[0]
        check(f"{kernel}: largest eigenvalue", abs(result["largest_eigenvalue"] / largest - 1) < 1e-3,
              (largest, result))
        check(f"{kernel}: progress is taken away", sorted(os.listdir(output)) == [
            "coefficients.npy", "predictions.npy", "result.json"], os.listdir(output))


def check_large(folder):
    """The same at 8,000 examples: 32 columns of tiles, and 64 times the arithmetic."""
    x, y, z, _ = make_arrays(folder, 8000)
    output = os.path.join(folder, "large")
    result = json.loads(run(*array_words(folder), "--sigma", "0.8", "-o", output, "--arrays", "--json").stdout)
    a = linalg.cho_solve(linalg.cho_factor(numpy.exp(-squares(x, x) / (2 * 0.8 ** 2)), lower=True, overwrite_a=True), y)
    wanted = numpy.exp(-squares(z, x) / (2 * 0.8 ** 2)) @ a
    off = abs(numpy.load(os.path.join(output, "predictions.npy")) - wanted).max() / abs(wanted).max()
    check("8,000 examples: predictions as SciPy's", result["converged"] and off < 1e-6, (off, result))
    norm = numpy.sqrt((a * y).sum())
    check("8,000 examples: norm to 1e-6", abs(result["norm"] / norm - 1) < 1e-6, (norm, result["norm"]))


def check_path_table(words):
    """A path of ridges is one table: the numbers of the JSON, the best marked, and what is wrong with the best."""
    solutions = json.loads(run(*words, "--leave-one-out", "--json").stdout)["solutions"]
    lines = run(*words, "--leave-one-out").stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("ridge"))
    rows = lines[start + 1:start + 4]
    check("a path of ridges is one table", [row.split()[0] for row in rows] == ["0", "1", "10"]
          and all(f"{100 * solution[key]:.2f} %" in row for row, solution in zip(rows, solutions)
                  for key in ["train_error", "test_error", "corrupted_test_error", "loo_error"]), lines)
    for key, what in [("test_error", "test"), ("loo_error", "leave-one-out")]:
        best = min(solutions, key=lambda solution: solution[key])
        row = rows[solutions.index(best)]
        check(f"the smallest {what} error is marked and named", f"{100 * best[key]:.2f} % *" in row
              and any(f"* Smallest {what} error: ridge {best['ridge']:g}." in line for line in lines), lines)
    check("two marks, and choosing by the test set is called optimistic",
          sum(row.count("*") for row in rows) == 2 and "optimistic" in "\n".join(lines), lines)
    text = run(*words).stdout
    check("without leave-one-out it is recommended", "--leave-one-out gives" in text and "leave-one-out error" not in text,
          text)


def check_labels():
    words = ["--data", "shapes:600,200", "--sigma", "median"]
    for labels in ["true", "random", "corrupt:0.5"]:
        result = json.loads(run(*words, "--labels", labels, "--json").stdout)
        check(f"{labels} labels are interpolated", result["train_error"] == 0 and result["converged"], result)
        corrupted = result["corrupted_test_error"]
        check(f"{labels}: error against corrupted test labels", (corrupted is None) == (labels == "true"), result)
    first = run(*words, "--pixels", "shuffled", "--json").stdout
    result, plain = json.loads(first), json.loads(run(*words, "--json").stdout)
    check("a kernel of distances does not see one permutation of the pixels",
          abs(result["norm"] / plain["norm"] - 1) < 1e-6 and result["error"] == plain["error"], (result, plain))
    path = json.loads(run(*words, "--ridge", "0,0.1,10", "--json").stdout)
    norms = [solution["norm"] for solution in path["solutions"]]
    check_path_table([*words, "--labels", "corrupt:0.3", "--ridge", "0,1,10"])
    check("a path of ridges: the norm falls", norms == sorted(norms, reverse=True) and len(norms) == 3, path)


def check_busy():
    """More threads than cores wait for one another: as on a busy machine, which is told beside the shares of the peak."""
    words = ["--data", "shapes:3000,10", "--sigma", "5", "--spectrum", "0"]
    many = str(8 * len(os.sched_getaffinity(0)))
    answer = subprocess.run([SHATTER, "kernel", *words, "--threads", many], stdout=subprocess.PIPE, text=True, check=False)
    check("a busy machine is told", "The machine was busy" in answer.stdout, answer)
    result = json.loads(run("--data", "shapes:300,10", "--sigma", "5", "--json").stdout)
    shares = [phase["share_of_peak"] - phase["gflops"] / result["peak_gflops"] for phase in result["phases"]
              if phase["gflops"] is not None]
    check("shares are of the peak, and there is a core's share", max(map(abs, shares)) < 1e-12
          and 0 < result["core_share"] <= 1, result)


def check_mistakes(folder):
    bad = os.path.join(folder, "bad.npy")
    numpy.save(bad, numpy.array([[1.0, 2], [numpy.nan, 4]]))
    numpy.save(os.path.join(folder, "two.npy"), numpy.array([1.0, 2]))
    two, large, near = (os.path.join(folder, name + ".npy") for name in ["two", "large", "near"])
    numpy.save(large, numpy.array([[1.0, 1e39], [2, 3]]))
    numpy.save(near, numpy.array([[1000000.0, 1.01], [1000000.01, 1.01]]))
    for words, code, wanted in [
            (["--kernel", "gausian"], 2, "gaussian"), (["--sigma", "-1"], 2, "sigma"), (["--simga", "1"], 2, "--sigma"),
            (["--ridge", "x"], 2, "ridge"), (["--features", "gabr"], 2, "gabor"), (["--arrays"], 2, "-o"),
            (["--sigma", "1", "--gamma", "1"], 2, "one of them"), (["--inputs", bad], 2, "pairs"),
            (["--inputs", bad, "--targets", two], 65, "value 0 of example 1"),
            (["--inputs", two, "--targets", os.path.join(folder, "t.npy")], 65, "as many targets"),
            (["--inputs", large, "--targets", two], 65, "value 1 of example 0 is 1e+39"),
            (["--inputs", near, "--targets", two, "--ridge", "1", "--sigma", "1"], 0, "makes examples 0 and 1 equal"),
            (["--data", "mnits"], 66, "mnist"), (["--memory", "5"], 71, "would fit"),
            (["--kernel", "linear", "--sigma", "5"], 2, "--sigma is the width"),
            (["--features", "randconv:10", "--gamma", "1"], 2, "--gamma is the width"),
            (["--degree", "4"], 2, "--degree is of the polynomial kernel"),
            (["--data", "shapes:20,5", "--kernel", "polynomial", "--degree", "4294967299"], 2, "degree 4294967295"),
            (["--checkpoint-seconds", "5"], 2, "give -o FOLDER too"),
            (["--kernel", "laplacian", "--offset", "1"], 2, "--offset is of the polynomial kernel"),
            (["--search-size", "100"], 2, "--search-size is of a search"),
            # What is for images and would be ignored beside arrays is refused by its name.
            *((["--inputs", near, "--targets", two, "--ridge", "1", option, value], 2, f"{option} is of the images")
              for option, value in [("--data", "shapes"), ("--labels", "random"), ("--pixels", "shuffled"),
                                    ("--train-size", "1"), ("--test-size", "1"), ("--data-dir", folder)])]:
        answer = run(*words)
        check(" ".join(words) + ": told", answer.returncode == code and wanted in answer.stderr, answer)


def check_unsolved(folder):
    """Five features, 200 examples, no ridge: no solution; never worse than the function 0, and said so."""
    random = numpy.random.default_rng(0)
    x, y = random.random((200, 5)).astype(numpy.float32), random.standard_normal((200, 2))
    for name, array in [("few-x", x), ("few-y", y)]:
        numpy.save(os.path.join(folder, name + ".npy"), array)
    words = ["--inputs", os.path.join(folder, "few-x.npy"), "--targets", os.path.join(folder, "few-y.npy"), "--kernel",
             "linear"]
    answer = run(*words, "--json")
    result = json.loads(answer.stdout)
    rest = y - x @ numpy.linalg.lstsq(x.astype(float), y, rcond=None)[0]
    least = (numpy.linalg.norm(rest, axis=0) / numpy.linalg.norm(y, axis=0)).max()
    check("no solution: exit 1, an iterate not worse than 0",
          answer.returncode == 1 and not result["converged"] and least - 1e-9 < result["residual"] <= 1,
          (least, answer))
    check("no solution: no smallest eigenvalue, no condition",
          result["smallest_eigenvalue"] is None and result["condition"] is None, result)
    text = run(*words).stdout
    check("no solution: the first line says it", "NOT SOLVED" in text.splitlines()[0], text)
    for more in [[], ["--iterations", "3"]]:
        text = run(*words, *more).stdout
        check(f"no solution, {more}: what helps and what does not", "A ridge above 0 makes the system solvable" in text
              and "may do" not in text and "help with those alone" in text and len(text.split("Not solved")) == 2, text)
    text = run(*words, "--kernel", "gaussian", "--sigma", "30", "--ridge", "1e-14", "--iterations", "2").stdout
    check("not solved with a ridge: a larger one is named", "larger ridge" in text and "ridge above 0" not in text, text)
    classes = ["--data", "shapes:1000,10", "--kernel", "linear", "--features", "gabor", "--iterations", "1"]
    text, norms = run(*classes).stdout, json.loads(run(*classes, "--json").stdout)["norms"]
    check("a norm that is not known is told as none, not as nan", "nan" not in text and "plus and minus one -" in text
          and norms["centred"] is None and norms["plus_minus_one"] is None and norms["one_hot"] > 0, (text, norms))
    many = json.loads(run("--data", "shapes:100,10", "--sigma", "5", "--iterations", "4294967297", "--spectrum",
                          "4294967296", "--json").stdout)
    check("counts beyond 32 bits are large ones", many["converged"] and many["largest_eigenvalue"] is not None, many)
    answer = run(*words, "--ridge", "1")
    check("with a ridge: solved, exit 0", answer.returncode == 0 and "NOT SOLVED" not in answer.stdout, answer)


def check_ill_conditioned(folder):
    """Condition 1e8 and more, ridge 0: what SciPy solves in double converges here as well."""
    random = numpy.random.default_rng(0)
    x = random.random((400, 3)).astype(numpy.float32)
    y = random.standard_normal((400, 1))
    for name, array in [("ill-x", x), ("ill-y", y)]:
        numpy.save(os.path.join(folder, name + ".npy"), array)
    for sigma in ["0.15", "0.2", "0.22"]:
        answer = run("--inputs", os.path.join(folder, "ill-x.npy"), "--targets", os.path.join(folder, "ill-y.npy"),
                     "--sigma", sigma, "--iterations", "2000", "--json")
        result = json.loads(answer.stdout)
        k = numpy.exp(-squares(x.astype(float), x.astype(float)) / (2 * float(sigma) ** 2))
        condition = numpy.linalg.cond(k)
        check(f"sigma {sigma}, condition {condition:.1e}: converges", answer.returncode == 0 and result["converged"]
              and result["residual"] < 1e-6, answer)


def check_interrupts(folder):
    """Ctrl-C, then SIGKILL, then to the end: the same bits as in one go."""
    random = numpy.random.default_rng(2)
    x, y = random.random((3500, 800)).astype(numpy.float32), random.standard_normal((3500, 3))
    for name, array in [("long-x", x), ("long-y", y)]:
        numpy.save(os.path.join(folder, name + ".npy"), array)
    words = ["--inputs", os.path.join(folder, "long-x.npy"), "--targets", os.path.join(folder, "long-y.npy"), "--sigma",
             "4", "--checkpoint-seconds", "0", "--arrays", "--spectrum", "0", "--json", "--threads", "1", "-o"]
    parts, whole = os.path.join(folder, "parts"), os.path.join(folder, "whole")
    for number, code in [(signal.SIGINT, 130), (signal.SIGKILL, -9)]:
        process = subprocess.Popen([SHATTER, "kernel", *words, parts], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        columns = columns_in(parts)
        while process.poll() is None and columns_in(parts) < min(columns + 3, 12):
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate()
        check(f"signal {int(number)} ends with {code}", process.returncode == code, process.returncode)
        check("some columns are saved", columns_in(parts) > 0)
    check("the end is reached", run(*words, parts).returncode == 0)
    check("in one go", run(*words, whole).returncode == 0)
    parts, whole = (open(os.path.join(path, "coefficients.npy"), "rb").read() for path in [parts, whole])
    check("coefficients: the same bits", parts == whole)


def columns_in(folder):
    try:
        with open(os.path.join(folder, "progress.json")) as file:
            return json.load(file)["columns"]
    except FileNotFoundError:
        return 0


def main():
    with tempfile.TemporaryDirectory() as folder:
        check_against_scipy(folder)
        if os.environ.get("SHATTER_SLOW") == "1":
            check_large(folder)
        check_labels()
        check_busy()
        check_mistakes(folder)
        check_unsolved(folder)
        check_ill_conditioned(folder)
        check_interrupts(folder)
    return checks_exit_code()


if __name__ == "__main__":
    sys.exit(main())
