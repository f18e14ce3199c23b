# The project's commands. `make test` is the gate, and what CI runs.

SHELL := bash
.DEFAULT_GOAL := test

FUZZTIME ?= 10s
USERS ?= 1000000
STORE ?= bolt
EACH ?= 100000
LISTPACK ?= 64
PLOT ?= $(CURDIR)/docs/scale-$(STORE).svg
GOLANGCI_LINT ?= go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK ?= go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The benchmarks' module has the peers among its requirements, and no part in what is
# tested: where a proxy does not have them, the gate does without.
BENCH_MODULES = (cd bench && go mod download) || { echo 'bench: not checked, its modules cannot be had here'; exit 0; }

.PHONY: help
help: ## Say what there is.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# With CI set, nothing may be left out: a missing program fails the tests that need
# it, and a test that skips fails the run. -v is what makes go test tell of skips.
# Then every parser is fuzzed for a second, beyond the seeds that every run tries.
.PHONY: test
test: deps fmt vet ## The gate: formatting, vet, every test under the race detector in random order.
ifdef CI
	@echo 'go test -race -shuffle=on ./... # where a skip is a failure'
	@set -o pipefail; go test -race -shuffle=on -timeout 5m -v ./... | awk -f .ci/verdict.awk
	@.ci/fuzz 1s
else
	go test -race -shuffle=on -timeout 5m ./...
endif
	go test -run '^TestHotPathsKeepToTheirAllocations$$' . # which are counted without the race detector
	@$(BENCH_MODULES) && cd bench && go test -race -shuffle=on ./...

.PHONY: fmt
fmt: ## Fail if a file is not formatted.
	@unformatted=$$(gofmt -l .); \
	[ -z "$$unformatted" ] || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }

.PHONY: vet
vet: ## go vet.
	go vet ./...
	@$(BENCH_MODULES) && cd bench && go vet ./...

.PHONY: deps
deps: ## Install what the tests run, on Debian as root; elsewhere, say what to install.
	@.ci/deps

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME, 10s if not said otherwise.
	@.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Measure the hot paths beside what they are compared with, into PERFORMANCE.md: some minutes.
	cd bench && go run . -write ../PERFORMANCE.md

.PHONY: interop
interop: ## Generate clients of the document with tools from npm and Go, use them, and lint the document.
	cd interop && go run .

.PHONY: scale
scale: ## What a store of USERS users costs (1000000) at each power of ten: STORE=bolt or redis, of LISTPACK 64; with a plot.
	go test -tags scale -v -timeout 12h ./internal/scale -users $(USERS) -each $(EACH) -store $(STORE) -listpack $(LISTPACK) -plot $(PLOT)

.PHONY: window
window: ## What a failover undoes that was acknowledged, on Sentinel and on Cluster, of ten masters killed in each of four ways.
	go test -tags scale -run TestWindow -v -timeout 1h ./store/redisstore

.PHONY: cover
cover: ## Coverage of the whole module by all its tests, into coverage.out.
	go test -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out | tail -n 1

.PHONY: lint
lint: ## golangci-lint, at the version that its configuration was written for.
	$(GOLANGCI_LINT) run ./...
	cd bench && $(GOLANGCI_LINT) run ./...

.PHONY: vuln
vuln: ## govulncheck: known vulnerabilities in what is called. It asks vuln.go.dev.
	$(GOVULNCHECK) ./...
