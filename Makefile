# Holdfast: make up (the console on a whole local fleet) and make test are all
# the set-up there is. make help lists the rest.

SHELL   := /bin/bash
GO      ?= go
BIN     := bin/holdfast
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
SEEDS   ?= 1000
T       ?= 60s
# Packages tested at once: more than the cores, because those with real processes
# wait more than they work.
P       ?= 4

# Tools run pinned and are no requirement of the module.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
EXHAUSTIVE  := github.com/nishanths/exhaustive/cmd/exhaustive@v0.17.1
SUMTYPE     := github.com/alecthomas/go-check-sumtype/cmd/go-check-sumtype@v0.4.0

.DEFAULT_GOAL := build
.PHONY: up build test check sim fuzz lab lab-tools bench bench-facts lint fmt shots clean help

up: build ## the console on a whole local fleet (PROFILE=name or a file)
	@$(BIN) up $(PROFILE)

build: ## bin/holdfast
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) .

test: ## vet and every test with the race detector; no root, no network
	$(GO) test -race -vet=all -p $(P) -timeout 280s ./...

check: test lint ## the gate before a commit

sim: ## SEEDS=1000 simulated worlds with faults
	$(GO) test -v -count=1 -timeout 600s ./sim -run TestSeeds -args -seeds $(SEEDS)

fuzz: ## each fuzz target for T=60s
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test $$p -list '^Fuzz' 2>/dev/null | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test $$p -run '^$$' -fuzz "^$$f$$" -fuzztime $(T) -fuzzminimizetime 20x || exit 1; done; done

lab: build lab-tools ## real peers in network namespaces; needs root
	$(GO) test -tags lab -count=1 -timeout 1500s -v ./sim/lab/... | grep -v '^=== '; exit $${PIPESTATUS[0]}

lab-tools: ## install from Debian what the lab and the benchmarks drive
	@sh sim/lab/install.sh

bench: build lab-tools ## ratios against haproxy in one run; needs root (ARGS=…)
	@$(GO) run ./sim/lab/bench -binary $(BIN) $(ARGS)
	@$(MAKE) --no-print-directory bench-facts

# etcd is a module of its own, so that nothing of it is among what we depend on.
bench-facts: ## facts against an embedded etcd in one run, on one disk
	@cd sim/lab/bench/etcd && CGO_ENABLED=0 $(GO) build -o $(CURDIR)/bin/bench-etcd .
	@$(GO) build -o bin/bench-facts ./sim/lab/bench/facts
	@bin/bench-facts -etcd bin/bench-etcd -dir bin -rounds 2 -kills 3

# A page takes the keys that are its own and leaves the others to the console,
# and nobody handles every kind of reflection: those switches are open on purpose.
lint: ## staticcheck, exhaustive switches, sum types, formatting
	@test -z "$$($(GO) run $(GOFUMPT) -l . | tee /dev/stderr)"
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(EXHAUSTIVE) -typeignore '^reflect\.Kind$$|/tui/keys\.Action$$' ./engine/... ./sim/... ./tui/...
	$(GO) run $(SUMTYPE) -default-signifies-exhaustive=false ./...

shots: build ## the README's pictures, from a real run
	$(GO) run ./tui/internal/shot/shoot -bin $(BIN) -warm 5m -out testdata

fmt: ## format the code
	@$(GO) run $(GOFUMPT) -w .

clean: ## remove what was built
	@rm -rf bin

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  \1\t/' | expand -t 14
