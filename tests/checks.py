"""What the test scripts share: checks that tell what failed and go on, and the exit code that they come to."""

import os

# Of a run's files: timings, and what is written anew by every session.
NOT_COMPARED = {"timing.jsonl", "env.json", "lock"}
FAILURES = []  # names of the checks that failed


def check(name, good, shown=""):
    """Prints whether a check passed; when not, also `shown`, what was met instead."""
    print(f"{'ok' if good else 'FAILED'}: {name}", flush=True)
    if not good:
        FAILURES.append(name)
        print(shown, flush=True)


def checks_exit_code(good=0):
    """The exit code: 1 when a check failed, else `good`."""
    print(f"{len(FAILURES)} failed", flush=True)
    return 1 if FAILURES else good


def write(path, text):
    """Writes a text file; returns its path."""
    with open(path, "w") as file:
        file.write(text)
    return path


def files_of(store):
    """The bytes of every file of every run that a repeated run is to give again. (A run that diverged keeps a checkpoint
    of the last time that one was due.)"""
    found = {}
    for name in sorted(os.listdir(store)):
        folder = os.path.join(store, name)
        if os.path.exists(os.path.join(folder, "config.yaml")):
            files = set(os.listdir(folder)) - NOT_COMPARED
            if "weights.safetensors" not in files:
                files = {file for file in files if not file.startswith("checkpoint-")}
            for file in files:
                with open(os.path.join(folder, file), "rb") as stream:
                    found[name + "/" + file] = stream.read()
    return found
