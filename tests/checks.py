"""What the test scripts share: checks that tell what failed and go on, and the exit code that they come to."""

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
