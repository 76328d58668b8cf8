# The front door. Each target installs what it needs, builds, and does its job; a second run does no set-up work.
.PHONY: all demo install test asan fuzz coverage bundle format layout tidy setup clean help
JOBS := $(shell nproc)

all: build/shatter            ## build the program as build/shatter

build/.setup-%: scripts/packages.txt
	@bash scripts/setup.sh $*

build/build.ninja: build/.setup-build CMakeLists.txt CMakePresets.json
	@bash scripts/configure.sh release build

.PHONY: build/shatter
build/shatter: build/build.ninja
	@cmake --build --preset release --target shatter-program

demo: build/shatter           ## true against random labels and random pixels, in under a minute
	@build/shatter demo

# PREFIX=/usr/local unless said otherwise; DESTDIR stands in front of it where a package is made.
PREFIX ?= /usr/local
install: build/shatter        ## program, library, plugins, headers, manual into PREFIX (/usr/local); DESTDIR is respected
	@DESTDIR="$(DESTDIR)" cmake --install build --prefix "$(PREFIX)"

# Tests are configured where cmocka is found: a folder that was configured before it was installed is configured anew.
build/tests/cmake_install.cmake: build/.setup-test | build/build.ninja
	@bash scripts/configure.sh release build
	@touch $@

test: build/.setup-test build/build.ninja build/tests/cmake_install.cmake  ## build and run all tests
	@cmake --build --preset release
	@ctest --test-dir build -j $(JOBS) --output-on-failure

# Whole networks, in double or trained to the end, and programs that are started hundreds of times take many minutes
# under a sanitizer; there test_engine_compare, test_train and test_kernel run the same code on small cases.
WHOLE_NETWORKS = test_engine_networks|test_engine_gradients|test_oracle_torch|test_cli|test_install|test_run|test_kernel_ranks|test_kernel_scipy|test_bundle

asan: build/.setup-build build/.setup-test build/.setup-check  ## the tests under address, undefined and leak sanitizers
	@bash scripts/configure.sh asan build-asan
	@cmake --build --preset asan
	@ctest --test-dir build-asan -j $(JOBS) --output-on-failure -E '$(WHOLE_NETWORKS)'

fuzz: build/.setup-build build/.setup-test build/.setup-check  ## every fuzz target for a short time
	@bash scripts/configure.sh asan build-asan
	@cmake --build --preset asan
	@bash scripts/fuzz.sh build-asan

coverage: build/.setup-build build/.setup-test build/.setup-coverage  ## which lines and branches the tests reach
	@bash scripts/configure.sh coverage build-coverage
	@cmake --build --preset coverage
	@bash scripts/coverage.sh build-coverage

# The tests of the cuda engine go with it where they are built.
bundle: build/.setup-bundle build/shatter  ## a folder that runs on another machine: build/shatter-bundle and .tar.gz
	@bash scripts/bundle.sh build build/shatter-bundle

format: build/.setup-check    ## lay out the code
	@git ls-files '*.c' '*.h' '*.cpp' '*.cu' '*.cuh' | xargs clang-format -i

layout: build/.setup-check    ## is the code laid out?
	@git ls-files '*.c' '*.h' '*.cpp' '*.cu' '*.cuh' | xargs clang-format --dry-run -Werror

tidy: build/.setup-check build/build.ninja  ## static checks
	@git ls-files 'src/*.c' | bash scripts/tidy.sh build

setup: build/.setup-build build/.setup-test build/.setup-check build/.setup-coverage  ## install all of that and no more

clean:                        ## remove what was built
	@rm -rf build build-*

help:                         ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12
