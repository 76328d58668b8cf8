#!/usr/bin/env python3
"""The bundle (scripts/bundle.sh) in a root folder that holds glibc and nothing else: the program starts, trains on the
reference, and says what the cuda engine lacks. Needs patchelf, and root for chroot; without, it is skipped."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ["SHATTER_SOURCE"]
BUILD = os.path.dirname(os.environ["SHATTER"])
LIMIT = 64 << 20
GLIBC = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2"]
failures = 0


def check(what, good, answer=None):
    global failures
    print(f"{'ok  ' if good else 'FAIL'} {what}")
    if not good:
        failures += 1
        if answer is not None:
            print(f"     exit {answer.returncode}\n     {answer.stdout[:600]}\n     {answer.stderr[:600]}")


def make_root(root):
    """glibc's files where this machine has them, and a folder for temporary files."""
    lines = subprocess.run(["ldconfig", "-p"], stdout=subprocess.PIPE, text=True, check=True,
                           env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}).stdout.split("\n")
    known = {line.split()[0]: line.split()[-1] for line in lines if "x86-64" in line and "=>" in line}
    folder = os.path.join(root, "lib/x86_64-linux-gnu")
    os.makedirs(folder)
    for name in GLIBC:
        shutil.copy(known[name], folder)
    os.makedirs(os.path.join(root, "lib64"))
    shutil.copy("/lib64/ld-linux-x86-64.so.2", os.path.join(root, "lib64"))
    os.makedirs(os.path.join(root, "tmp"))


def run(root, *arguments):
    """LD_ORIGIN_PATH stands for what the loader reads from /proc, which the root folder does not have."""
    return subprocess.run([shutil.which("chroot"), root, "/bundle/shatter", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, env={"HOME": "/tmp", "LD_ORIGIN_PATH": "/bundle"})


def main():
    if shutil.which("patchelf") is None or shutil.which("chroot") is None or os.geteuid() != 0:
        print("SKIP: patchelf and root are needed (apt-get install patchelf)")
        return 77
    with tempfile.TemporaryDirectory() as root:
        bundle = os.path.join(root, "bundle")
        subprocess.run(["bash", os.path.join(SOURCE, "scripts/bundle.sh"), BUILD, bundle], check=True)
        check("the packed bundle is below 64 MiB", os.path.getsize(bundle + ".tar.gz") < LIMIT)
        os.remove(bundle + ".tar.gz")
        make_root(root)
        answer = run(root, "model", "list")
        check("the program starts", answer.returncode == 0 and "inception" in answer.stdout, answer)
        answer = run(root, "train", "--model", "mlp-1x128", "--data", "shapes:200,50", "--epochs", "1", "--device",
                     "ref", "--store", "/tmp/store", "--json")
        check("it trains on the reference", answer.returncode == 0 and json.loads(answer.stdout)["epochs"] == 1, answer)
        answer = run(root, "doctor", "--store", "/tmp/store", "--json")
        found = {row["subject"]: row for row in json.loads(answer.stdout)["findings"]}
        check("doctor says what is there and what is not",
              found["ref"]["verdict"] == "good" and found["cpu"]["verdict"] == "bad", answer)
        for plugin, subject in (("shatter-engine-cuda.so", "cuda"), ("shatter-kernel-cuda.so", "cuda-kernel")):
            if os.path.exists(os.path.join(bundle, "lib", plugin)):
                text = found[subject]["text"]
                check(f"{plugin} lacks NVIDIA's libraries and says which",
                      found[subject]["verdict"] == "note" and ("libcudnn" in text or "libcublas" in text), answer)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
