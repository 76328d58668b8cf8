#!/usr/bin/env bash
# Installs the Debian packages of the named groups that are missing, saying which and why.
# usage: scripts/setup.sh build|test|check|coverage|bench ...
# Leaves a stamp per group in build/, so that a second run does nothing at all.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=()
stamps=()
for group in "$@"; do
  stamp=build/.setup-$group
  [ "$stamp" -nt scripts/packages.txt ] && continue
  stamps+=("$stamp")
  while read -r word package why; do
    [ "$word" = "$group" ] || continue
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' && continue
    printf 'shatter needs %-22s %s\n' "$package" "$why" >&2
    missing+=("$package")
  done < scripts/packages.txt
done
if [ "${#missing[@]}" -gt 0 ]; then
  sudo=
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
      printf 'not root and no sudo here: as root, run\n  apt-get install %s\nand call me again\n' "${missing[*]}" >&2
      exit 1
    fi
    sudo=sudo
  fi
  echo "installing ${#missing[@]} packages with apt-get" >&2
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive \
         apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    exit 1
  fi
fi
mkdir -p build
for stamp in "${stamps[@]}"; do touch "$stamp"; done
