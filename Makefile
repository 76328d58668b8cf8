# The front door. Each target installs what it needs, builds, and does its job; a second run does no set-up work.
.PHONY: all demo test setup format tidy asan fuzz bench clean help
all: build/shatter            ## build the program as build/shatter

build/.setup-%: scripts/packages.txt
	@bash scripts/setup.sh $*

build/build.ninja: build/.setup-build CMakeLists.txt CMakePresets.json
	@cmake --preset release >build/configure.log 2>&1 || (cat build/configure.log; false)

.PHONY: build/shatter
build/shatter: build/build.ninja
	@cmake --build --preset release --target shatter-program

demo: build/shatter           ## true against random labels and random pixels, in under a minute
	@build/shatter demo

test: build/.setup-test build/build.ninja  ## build and run all tests
	@cmake --build --preset release
	@ctest --test-dir build -j $(shell nproc) --output-on-failure

# These train whole networks or compute them in double and take many minutes under a sanitizer; test_engine_compare runs the same code
# there on small ones.
WHOLE_NETWORKS = test_cpu_dense|test_engine_networks|test_engine_gradients|test_oracle_torch|test_cli|test_run

asan: build/.setup-build build/.setup-test ## the tests under address, undefined-behaviour and leak sanitizers
	@cmake --preset asan >/dev/null && cmake --build --preset asan
	@ctest --test-dir build-asan -j $(shell nproc) --output-on-failure -E '$(WHOLE_NETWORKS)'

fuzz: asan                    ## every fuzz target for a short time
	@bash scripts/fuzz.sh build-asan

format:                       ## lay out the code
	@git ls-files '*.c' '*.h' | xargs clang-format -i

tidy: build/build.ninja       ## static checks
	@git ls-files 'src/*.c' | xargs -P 2 -n 4 clang-tidy -p build --quiet

setup: build/.setup-build build/.setup-test

clean:
	@rm -rf build build-*

help:
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12
