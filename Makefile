# Certkeep is built with Go alone. Everything here is a short name for commands
# that CONTRIBUTING.md explains; `make help` lists them.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TOOLS   := $(CURDIR)/build/tools
# The version is said above. Go need not ask git, which refuses to answer where
# the checkout belongs to another user.
export GOFLAGS := $(shell go env GOFLAGS) -buildvcs=false
# Tests may take this long per package; the whole run takes far less.
TIMEOUT := 40m
# How many histories `make simulate` lives through; and `make test`, which takes
# what the machine manages in some five minutes.
HISTORIES := 20
TESTED    := $(shell n=$$((3 * $$(nproc))); echo $$((n < 20 ? n : 20)))
# Histories that `make soak` lives through, and how long each is.
SEEDS   := 1000
YEARS   := 1
# How long `make fuzz` stays with each target, and by how many workers. Making
# inputs small, which Go does for a minute each, would take all of that time.
FUZZTIME    := 30s
FUZZWORKERS := 1
# Architectures that `make packages` is for, by Go's names, such as "amd64 arm64";
# none is that of this machine.
ARCHES :=
# Every Go file of both modules that is not built.
GOFILES  = $(shell find . -name '*.go' -not -path './build/*' -not -path './.git/*')

.DEFAULT_GOAL := build
.PHONY: build packages deps tools test simulate soak sweep fuzz check bench demo generate clean help

build: ## a static binary, ./build/certkeep
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o build/certkeep ./cmd/certkeep

packages: tools ## deb, rpm and apk, and the list of what is in them, into ./build, for ARCHES
	packaging/build build $(ARCHES)

deps: ## the servers that tests start (Debian: apt-get) and the tools
	scripts/install-servers
	$(MAKE) --no-print-directory tools

tools: ## test CA, formatter, linter and packager, pinned in tools/go.mod, into build/tools
	cd tools && GOBIN=$(TOOLS) go install tool

test: tools ## every test, with the race detector; skips are compared with scripts/allowed-skips
	PATH="$$PATH:/usr/sbin:/sbin" go run ./scripts/testrun -skips scripts/allowed-skips -- -race -timeout $(TIMEOUT) ./...
	$(MAKE) --no-print-directory simulate HISTORIES=$(TESTED)

simulate: ## HISTORIES histories of a year, and a defect for each invariant, without the race detector
	go test -c -o build/sim.test ./internal/sim
	{ echo 'build/sim.test -test.run TestMutations'; \
	  seq -f 'CERTKEEP_SEED=%.0f CERTKEEP_SEEDS=1 build/sim.test -test.run TestYears' 1 $(HISTORIES); } | \
	  xargs -P $$(nproc) -I{} sh -c '{} -test.timeout $(TIMEOUT)'

soak: ## SEEDS histories of YEARS years
	go test -c -o build/sim.test ./internal/sim
	seq 1 10 $(SEEDS) | xargs -P $$(nproc) -I{} env CERTKEEP_SEED={} CERTKEEP_SEEDS=10 CERTKEEP_YEARS=$(YEARS) build/sim.test -test.v -test.run TestYears -test.timeout 0

sweep: tools ## every fault at every change of the disk and request to a CA; a kill, a refusal, a power cut at every system call of the program
	PATH="$$PATH:/usr/sbin:/sbin" CERTKEEP_SWEEP=all go test -v -timeout 0 -run 'Write|Kill|PowerCut|Network|WholeLife|Sweep' ./internal/engine ./internal/sim ./cmd/certkeep

fuzz: ## every parser with what chance makes of its seeds, FUZZTIME for each target
	@listed=$$(go test -list '^Fuzz' ./...) || { echo "$$listed"; exit 1; }; \
	  echo "$$listed" | awk '/^Fuzz/ { names[++n] = $$1 } /^ok/ { for (i = 1; i <= n; i++) print $$2, names[i]; n = 0 }' | \
	  while read -r package name; do echo "$$package $$name"; \
	    go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x -parallel $(FUZZWORKERS) "$$package" </dev/null || exit 1; done

check: tools ## format, vet, staticcheck, go.mod files, generated documents
	@unformatted=$$($(TOOLS)/gofumpt -l $(GOFILES)); \
	  if [ -n "$$unformatted" ]; then echo "gofumpt would change:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(TOOLS)/staticcheck ./...
	go mod tidy -diff
	go mod verify
	cd tools && go mod verify
	go test -count=1 ./internal/config -run TestDocs

bench: ## the numbers of docs/performance.md, measured here
	go run ./bench

demo: build tools ## a real CA and three certificates, kept for half a minute on loopback
	go build -o build/demo ./demo
	build/demo

generate: ## docs/configuration.md and docs/config.schema.json, from the source
	go test ./internal/config -run TestDocs -update

clean: ## remove what was built
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
