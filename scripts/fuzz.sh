#!/usr/bin/env bash
# Runs every fuzz target of a sanitizer build for a short time from its committed seeds.
# usage: scripts/fuzz.sh BUILD [SECONDS for each target, 10]
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
seconds=${2:-10}
passed=0
for target in "$build"/tests/fuzz_*; do
  [ -x "$target" ] || continue
  name=$(basename "$target")
  corpus=$(mktemp -d)
  seeds=(tests/corpus/"${name#fuzz_}")
  [ -d "${seeds[0]}" ] || seeds=()
  if ! "$target" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=5 -max_len=65536 -print_final_stats=1 \
       "$corpus" "${seeds[@]}" >"$corpus.log" 2>&1; then
    tail -n 40 "$corpus.log"
    echo "$name: failed"
    exit 1
  fi
  printf '%s: %s runs, no fault\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$corpus.log")"
  rm -rf "$corpus" "$corpus.log"
  passed=$((passed + 1))
done
echo "$passed fuzz targets passed"
