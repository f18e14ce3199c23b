# The project's commands. `make test` is the gate, and what CI runs.

SHELL := bash
.DEFAULT_GOAL := test

FUZZTIME ?= 10s
USERS ?= 200000
LISTPACK ?= 64
GOLANGCI_LINT ?= go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK ?= go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: help
help: ## Say what there is.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

.PHONY: fmt
fmt: ## Fail if a file is not formatted.
	@unformatted=$$(gofmt -l .); \
	[ -z "$$unformatted" ] || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }

.PHONY: vet
vet: ## go vet.
	go vet ./...

.PHONY: deps
deps: ## Install what the tests run, on Debian as root; elsewhere, say what to install.
	@.ci/deps

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME, 10s if not said otherwise.
	@.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Every benchmark.
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: scale
scale: ## Bytes for each user, session and key on a Redis of USERS users, 200000 if not said otherwise, whose zset-max-listpack-value is LISTPACK, 64.
	go test -tags scale -run TestBytesPerRecord -v -timeout 2h ./store/redisstore -users $(USERS) -listpack $(LISTPACK)

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

.PHONY: vuln
vuln: ## govulncheck: known vulnerabilities in what is called. It asks vuln.go.dev.
	$(GOVULNCHECK) ./...
