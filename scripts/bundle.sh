#!/usr/bin/env bash
# Makes a folder that runs where Debian's libraries are not installed: the program, libshatter, what runs on a card and its
# tests, and every library that they need but glibc's and NVIDIA's. Those come with the card's machine: the driver, and
# cuDNN 9 and cuBLAS in a folder that the loader knows or LD_LIBRARY_PATH names (docs/cuda.md). The cpu engine stays here.
# usage: scripts/bundle.sh BUILD OUT        writes OUT/ and OUT.tar.gz
set -euo pipefail
build=$(realpath "$1")
out=$2
[ -x "$build/shatter" ] || { echo "$build/shatter is not built; make" >&2; exit 1; }
rm -rf "$out" "$out.tar.gz"
mkdir -p "$out/lib" "$out/tests"
binaries=("$build/shatter")
for test in test_cuda_engine test_cuda_group test_cuda_kernel test_cuda_networks; do
  if [ -x "$build/tests/$test" ]; then binaries+=("$build/tests/$test"); fi
done
plugins=()
for plugin in shatter-engine-cuda.so shatter-kernel-cuda.so; do
  if [ -f "$build/$plugin" ]; then plugins+=("$build/$plugin"); fi
done

# Lines of ldd: NAME => PATH (ADDRESS). Of glibc's own, none; a libc of another machine goes with its own loader.
glibc='^(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|nsl|anl|mvec|nss_.*))\.so'
nvidia='^lib(cuda|cudart|cudnn.*|cublas.*|nv.*)\.so'
ldd "${binaries[@]}" "${plugins[@]}" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u |
  while read -r name path; do
    [[ $name =~ $glibc || $name =~ $nvidia ]] || install -m 644 "$path" "$out/lib/$name"
  done
install -m 755 "$build/shatter" "$out/shatter"
for test in "${binaries[@]:1}"; do install -m 755 "$test" "$out/tests/"; done
for plugin in "${plugins[@]}"; do install -m 644 "$plugin" "$out/lib/"; done
chmod u+w "$out"/lib/*
strip --strip-unneeded "$out/shatter" "$out"/lib/*.so* $(find "$out/tests" -type f)

# RPATH, not RUNPATH: it also serves the libraries that a library needs.
patchelf --force-rpath --set-rpath '$ORIGIN/lib' "$out/shatter"
for test in $(find "$out/tests" -type f); do patchelf --force-rpath --set-rpath '$ORIGIN/../lib' "$test"; done
for plugin in "${plugins[@]}"; do
  patchelf --force-rpath --set-rpath '$ORIGIN:/usr/local/cuda/lib64' "$out/lib/$(basename "$plugin")"
done
tar -C "$(dirname "$out")" -czf "$out.tar.gz" "$(basename "$out")"
printf '%s: %s, packed %s\n' "$out" "$(du -sh "$out" | cut -f1)" "$(du -h "$out.tar.gz" | cut -f1)" >&2
