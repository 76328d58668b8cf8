#!/usr/bin/env bash
# Runs the tests of a coverage build from zero and prints line and branch coverage of src/, a file a line; also where a
# test failed (unoptimised, the longest may run out of time), which the exit code then tells.
# usage: scripts/coverage.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
find "$build" -name '*.gcda' -delete
failed=0
ctest --test-dir "$build" -j "$(nproc)" --output-on-failure || failed=1
summary=$(mktemp)
trap 'rm -f "$summary"' EXIT
gcovr --root . --filter src/ --object-directory "$build" --json-summary "$summary" "$build"
python3 - "$summary" <<'PYTHON'
import json
import sys

summary = json.load(open(sys.argv[1]))
print(f"{'lines':>7} {'branches':>9}")
for row in sorted(summary["files"], key=lambda row: row["line_percent"] or 0):
    print(f"{row['line_percent'] or 0:6.1f}% {row['branch_percent'] or 0:8.1f}%  {row['filename']}")
print(f"{summary['line_percent']:6.1f}% {summary['branch_percent']:8.1f}%  all of src")
PYTHON
exit "$failed"
