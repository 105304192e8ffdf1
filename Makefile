# The two commands of the README (make quickstart, make test) and what developers use beside them.
SHELL := /bin/bash
BUILD := build/release
JOBS  := $(shell nproc)

.PHONY: quickstart deps configure build test bench asan fuzz tidy lint format clean

quickstart: build             ## a cluster with nginx behind a Service, from a bare machine
	@tools/quickstart

deps:                         ## install the Debian packages that building and testing need
	@tools/install_packages

configure: deps
	@mkdir -p build
	@cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }

build: configure              ## the optimised binary, build/kobuk
	@ninja -C $(BUILD) kobuk
	@ln -sf release/kobuk build/kobuk

test: build                   ## every test; ends with "N passed, N failed, N skipped"
	@ninja -C $(BUILD)
	@tests/run --build $(BUILD)

# ROOMS="base codec" keeps the sanitizers and fuzzers to these rooms; default is all.
asan: deps                    ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@cmake --preset asan >/dev/null && ninja -C build/asan $(addsuffix _test,$(ROOMS)) && tests/run --build build/asan --units-only

fuzz: deps                    ## every fuzzer for FUZZ_SECONDS (default 10), from its corpus
	@cmake --preset asan >/dev/null && ninja -C build/asan $(or $(addsuffix _fuzzers,$(ROOMS)),fuzzers) && tests/fuzz --build build/asan --seconds $${FUZZ_SECONDS:-10}

bench: build                  ## the bars of a cluster, measured here
	@ninja -C $(BUILD) api_load
	@bench/cluster --build $(BUILD)

tidy:                         ## checks on the source itself: rooms, sizes, names
	@tools/tidy/tidy

lint:                         ## clang-tidy over what differs from FROM (default origin/main), or over FILES
	@tools/lint $(FILES)

format:                       ## clang-format over everything
	@git ls-files '*.cc' '*.h' | xargs clang-format-19 -i

clean:                        ## forget all builds
	@rm -rf build

help:                         ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'
