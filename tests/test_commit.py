#!/usr/bin/env python3
"""The commit that the build writes down: found in a repository, marked where files differ from it, absent in an archive,
and not written anew without need."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code

SCRIPT = pathlib.Path(os.environ.get("SHATTER_SOURCE", ".")).resolve() / "scripts/commit.cmake"


def git(folder, *words):
    return subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", folder, *words], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def look_up(folder):
    """The text of the file, and when it was written."""
    output = folder.parent / "commit.c"
    subprocess.run(["cmake", "-D", f"OUTPUT={output}", "-D", f"SOURCE={folder}", "-P", SCRIPT], check=True)
    return output.read_text(), output.stat().st_mtime_ns


def main():
    if shutil.which("git") is None or shutil.which("cmake") is None:
        print("SKIP: git or cmake is absent")
        return 77
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "tree"
        folder.mkdir()
        git(folder, "init", "--quiet")
        (folder / "file").write_text("one\n")
        git(folder, "add", "file")
        git(folder, "commit", "--quiet", "-m", "one")
        head = git(folder, "rev-parse", "HEAD")
        clean, when = look_up(folder)
        check("the commit", f'return "{head}";' in clean, clean)
        (folder / "other").write_text("not tracked\n")
        check("nothing new, nothing written", look_up(folder) == (clean, when))
        (folder / "file").write_text("two\n")
        check("a changed file marks it", f'return "{head}-dirty";' in look_up(folder)[0])
        git(folder, "commit", "--quiet", "-a", "-m", "two")
        check("the next commit", f'return "{git(folder, "rev-parse", "HEAD")}";' in look_up(folder)[0])
        inner = folder / "archive"
        inner.mkdir()
        check("an archive unpacked inside another repository has none", "return 0;" in look_up(inner)[0])
    return checks_exit_code()


if __name__ == "__main__":
    sys.exit(main())
