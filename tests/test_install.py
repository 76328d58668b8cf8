#!/usr/bin/env python3
"""make install into a temporary prefix, which is then moved: the program runs from another folder and finds its plugins,
models and experiments; a program of one's own is built against the library."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code

SOURCE = os.environ["SHATTER_SOURCE"]
BUILD = os.path.dirname(os.environ["SHATTER"])
# As in a new shell: nothing says where the build is.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("SHATTER_PLUGINS", "LD_LIBRARY_PATH")}
PROGRAM = """#include <shatter/model.h>
#include <stdio.h>
int main(void) { return puts(sht_model_names()[0]) < 0; }
"""


def run(words, **more):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300,
                          **{"env": ENVIRONMENT, **more})


def install(prefix, destination):
    """What `make install` runs, with the folder of this build for build/."""
    told = run(["make", "-n", "-C", SOURCE, "install", f"PREFIX={prefix}", f"DESTDIR={destination}"])
    commands = re.findall(r"^(.*cmake --install )build (.*)$", told.stdout, re.M)
    check("make install is one command", len(commands) == 1, told)
    return run(["sh", "-c", f"{commands[0][0]}{BUILD} {commands[0][1]}"])


def check_default():
    told = run(["make", "-n", "-C", SOURCE, "install"])
    check("the default prefix is /usr/local", '--prefix "/usr/local"' in told.stdout, told)


def check_program(place, prefix):
    program = os.path.join(prefix, "bin", "shatter")
    answer = run([program, "train", "--model", "mlp-1x128", "--data", "shapes:200,50", "--epochs", "1", "--json"], cwd=place)
    check("it trains on the cpu engine, a plugin", answer.returncode == 0 and json.loads(answer.stdout)["epochs"] == 1, answer)
    check("in the folder it was called from", os.path.isdir(os.path.join(place, "shatter-runs")), os.listdir(place))
    answer = run([program, "demo", "--train-size", "200", "--test-size", "50", "--epochs", "1", "--json"], cwd=place)
    check("the demo runs", answer.returncode == 0, answer)
    answer = run([program, "run", "--list", "--json"], cwd=place)
    check("experiments are found", answer.returncode == 0 and "fig1" in answer.stdout, answer)
    answer = run([program, "doctor", "--json"], cwd=place)
    plugins = {row["subject"]: row for row in json.loads(answer.stdout)["findings"]}
    check("doctor finds the engine", plugins["cpu"]["verdict"] == "good", answer)


def check_files(prefix):
    for path, word in [("share/man/man1/shatter.1", ".TH SHATTER"), ("share/bash-completion/completions/shatter", "complete"),
                       ("share/shatter/models/inception.yaml", "layers"), ("share/shatter/experiments/fig1.yaml", "sets"),
                       ("include/shatter/model.h", "sht_model_names")]:
        path = os.path.join(prefix, path)
        check(path[len(prefix) + 1:], os.path.exists(path) and word in open(path, encoding="utf-8").read())


def check_library(place, prefix):
    source = os.path.join(place, "mine.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write(PROGRAM)
    folder = next(os.path.join(root, "pkgconfig") for root, folders, _ in os.walk(prefix) if "pkgconfig" in folders)
    flags = run(["pkg-config", "--cflags", "--libs", "shatter"], env={**ENVIRONMENT, "PKG_CONFIG_PATH": folder})
    built = run(["cc", source, "-o", os.path.join(place, "mine"), *flags.stdout.split()])
    answer = run([os.path.join(place, "mine")], env={**ENVIRONMENT, "LD_LIBRARY_PATH": os.path.dirname(folder)})
    check("a program of one's own", answer.stdout == "alexnet\n", (flags, built, answer))


def main():
    with tempfile.TemporaryDirectory() as place:
        answer = install("/opt/shatter", os.path.join(place, "stage"))
        check("make install", answer.returncode == 0, answer)
        prefix = os.path.join(place, "elsewhere")
        shutil.move(os.path.join(place, "stage/opt/shatter"), prefix)
        work = os.path.join(place, "work")
        os.mkdir(work)
        check_default()
        check_program(work, prefix)
        check_files(prefix)
        check_library(work, prefix)
    return checks_exit_code()


if __name__ == "__main__":
    sys.exit(main())
