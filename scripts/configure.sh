#!/usr/bin/env bash
# Configures a CMake preset into its folder and says something only when that fails.
# usage: scripts/configure.sh PRESET FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$2"
if ! cmake --preset "$1" >"$2/configure.log" 2>&1; then
  cat "$2/configure.log" >&2
  exit 1
fi
