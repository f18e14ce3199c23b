# The project's commands. `make test` is the gate, and what CI runs.

SHELL := bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := test

FUZZTIME ?= 10s
USERS ?= 1000000
STORE ?= bolt
EACH ?= 100000
LISTPACK ?= 64
COMMITS ?= 10000000
PLOT ?= $(CURDIR)/docs/scale-$(STORE).svg
GOLANGCI_LINT ?= go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK ?= go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The modules that the gate holds, the library first. What a module of OPTIONAL requires may
# be out of reach, such as the peers of the benchmarks: the gate says so and does without.
MODULES := . browsertest bench examples/routers examples/oauth interop
OPTIONAL := bench

# Files of the tests and of the go command are in memory where the system offers room for
# them: bbolt syncs its disk some ten thousand times. The tests of this project make small
# heaps in quick succession, which a lazier garbage collector collects for half the price.
test test-race race everywhere test-short: export TMPDIR := $(or $(TMPDIR),$(shell .ci/tmpdir))
test test-race race everywhere test-short: export GOGC := $(or $(GOGC),300)

# $(call each,COMMAND,MODULES) runs a command in every module, until one fails.
each = @for module in $(or $(2),$(MODULES)); do \
	if [[ ' $(OPTIONAL) ' == *" $$module "* ]] && ! (cd $$module && go mod download); then \
		echo "$$module: not checked, its modules cannot be had here"; continue; \
	fi; \
	echo "cd $$module && "'$(1)'; (cd $$module && $(1)) || exit 1; \
done

# The compiler takes up to twice as long where it inlines functions in these libraries: the clients
# of the servers, which are compiled with the race detector too, what the routers link, and the
# validator that interop uses. Nothing here measures them.
UNINLINED := github.com/redis github.com/jackc github.com/getkin github.com/quic-go go.mongodb.org google.golang.org \
	github.com/gin-gonic github.com/ugorji github.com/goccy github.com/labstack github.com/go-playground
test test-race race everywhere vet: export GOFLAGS := $(shell go env GOFLAGS 2>/dev/null) $(foreach p,$(UNINLINED),-gcflags=$p/...=-l)

# The race detector would take a fifth of its time for the encoder of QR codes and four times as
# long for each Argon2 hash. These packages compute and share no memory, so they are compiled
# without it. GOFLAGS and not an argument, as tests run the go command too and are to find the
# same packages compiled.
COMPUTING := github.com/boombuler/barcode golang.org/x/crypto image compress
RACE = GOFLAGS="$$GOFLAGS$(foreach p,$(COMPUTING), -gcflags=$p/...=-race=false)" go test -race

# -vet=off: vet has run by then. With CI set, nothing may be left out: a missing program
# fails the tests that need it, and a test that skips fails the run. -v is what makes go
# test tell of skips.
EVERY := -shuffle=on -vet=off -timeout 20m $(if $(CI),-v)
VERDICT := $(if $(CI),| awk -f $(CURDIR)/.ci/verdict.awk)

.PHONY: help
help: ## Say what there is.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Packages whose tests have a short form, or are built without the race detector. They are
# tested twice: in the short form under the race detector, where a test takes five times as
# long, and in full without it those of their tests that have more to say so (.ci/full.go). All
# others are tested once, in full, under the race detector, the stores first, as they take longest. The
# rest waits as much as it works, and more of it is tested at a time.
# Where one goroutine does all, the race detector has nothing to find: that is tested without it
# (.ci/alone).
PACKAGES = $(call said,PACKAGES,go list ./... | sort -r)
TWICE = $(call said,TWICE,.ci/twice)
SINGLE = $(call said,SINGLE,.ci/alone)
ALONE = $(filter-out $(TWICE),$(SINGLE))
ONCE = $(filter-out $(TWICE) $(ALONE),$(PACKAGES))
STORES = $(foreach p,$(ONCE),$(if $(findstring /store/,$p),$p))
FULL = $(call said,FULL,go list -f '{{.Dir}}' $(TWICE) | xargs go run .ci/full.go)

# $(call said,VARIABLE,COMMAND) is what the command prints, in one line. The command runs at the first
# use of the variable, which has that as its value from then on.
said = $(eval $1 := $$(shell $2))$(if $(filter-out 0,$(.SHELLSTATUS)),$(error failed: $2))$($1)

# What fails soonest comes first. With -l the compiler inlines nothing in the packages of the other
# modules, whose tests measure nothing.
.PHONY: test
test: deps fmt vet arrows test-race ## The gate: formatting, vet, short tests under the race detector, then every test, all in random order.
	@go test $(EVERY) $(ALONE) $(VERDICT)
	@SAID_ON_MEMORY=$(word 2,$(FULL)) go test $(EVERY) '$(word 1,$(FULL))' $(TWICE) $(VERDICT)
	@$(BESIDE) $(NESTED)

# A browser waits as much as it works, so the other modules have their turns beside it. Each of
# these prints when it is done.
BESIDE = $(MAKE) --no-print-directory -j2 -Otarget
NESTED := $(addprefix test-in-,$(filter-out .,$(MODULES)))

.PHONY: $(NESTED)
$(NESTED): test-in-%:
	$(call each,go test $(EVERY) -gcflags=-l ./... $(VERDICT),$*)

.PHONY: test-race
test-race: ## Every package that shares memory under the race detector, in the short form of its tests if it has one.
	@export short='$(word 1,$(FULL))' && $(RACE) $(EVERY) -short $(TWICE) $(VERDICT)
	$(RACE) $(EVERY) $(STORES) $(VERDICT)
	$(RACE) $(EVERY) -p 4 $(filter-out $(STORES),$(ONCE)) $(VERDICT)

.PHONY: everywhere
everywhere: ## The tests of package auth and of httpauth, each on every store: for a new store, and for a change of the contract.
	EVERYWHERE=1 go test -shuffle=on -vet=off -timeout 20m . ./httpauth

.PHONY: race
race: ## Every test in its full form on every store under the race detector: before a release, and for what is new and shares memory.
	EVERYWHERE=1 $(RACE) -shuffle=on -vet=off -timeout 30m ./...

# The short form of a test has fewer rounds, memory alone where every store has its turn, and Redis
# alone where the stores of several processes share one place.
# It leaves out what measures time, starts programs of ours or needs several servers. The
# suites of the adapters take longest even so, and are left out here.
.PHONY: test-short
test-short: ## The inner loop: what every test says, on memory and without the race detector.
	@$(BESIDE) $(SHORT)

# The modules have their turns beside each other, as the nested ones do in the gate.
SHORT := $(addprefix short-in-,$(MODULES))
.PHONY: $(SHORT)
$(SHORT): short-in-%:
	$(call each,go test -short -vet=off -timeout 10m $$(go list ./... | grep -vE "/store/(boltstore|pgstore|redisstore|storetest)$$"),$*)

.PHONY: arrows
arrows: ## That no package imports what it may not.
	go test -vet=off imports_test.go # by itself, it links nothing of the rest

.PHONY: fmt
fmt: ## Fail if a file is not formatted.
	@unformatted=$$(gofmt -l .); \
	[ -z "$$unformatted" ] || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }

.PHONY: vet
vet: ## go vet, that each go.mod is tidy, and that all builds on another system.
	$(call each,go vet ./...)
	$(call each,go mod tidy -diff)
	go run .ci/elsewhere.go windows/amd64 ./...

.PHONY: deps
deps: ## Install what the tests run, on Debian as root; elsewhere, say what to install.
	@.ci/deps

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME, 10s if not said otherwise.
	@.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Measure the hot paths beside what they are compared with, into PERFORMANCE.md: some minutes.
	cd bench && go run . -write ../PERFORMANCE.md

.PHONY: look
look: ## Hold every page against axe-core, wide and narrow, light and dark; with SCREENS=DIR pictures of all. Needs npm.
	@axe=$$(mktemp -d) && trap 'rm -rf "$$axe"' EXIT && \
	(cd "$$axe" && npm pack --silent axe-core@4.14.1 && tar xzf axe-core-*.tgz package/axe.min.js) && \
	cd browsertest && AXE="$$axe/package/axe.min.js" go test -vet=off -count=1 -tags look -run Look .

.PHONY: interop
interop: ## Try other people's clients, libraries, proxies and viewers on the API; installs them on Debian as root. Five minutes, and more the first time.
	cd interop && ./deps && go test -tags libopenapi ./document && go run .

.PHONY: scale
scale: ## What a store of USERS users costs (1000000) at each power of ten: STORE=bolt, postgres, or redis of LISTPACK 64; with a plot.
	go test -tags scale -run 'Scale|BytesOfEach' -v -timeout 12h ./internal/scale -users $(USERS) -each $(EACH) -store $(STORE) -listpack $(LISTPACK) -plot $(PLOT)

.PHONY: bloat
bloat: ## How the tables of PostgreSQL grow while the same accounts are written COMMITS times (10000000).
	go test -tags scale -run Bloat -v -timeout 12h ./internal/scale -commits $(COMMITS)

.PHONY: window
window: ## What a failover undoes that was acknowledged, on Sentinel and on Cluster, of ten masters killed in each of four ways.
	go test -tags scale -run TestWindow -v -timeout 1h ./store/redisstore

.PHONY: cover
cover: ## Coverage of the whole module by all its tests, into coverage.out.
	go test -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out | tail -n 1

.PHONY: lint
lint: ## golangci-lint, at the version that its configuration was written for: a minute to build it first.
	$(call each,$(GOLANGCI_LINT) run ./...)

.PHONY: vuln
vuln: ## govulncheck: known vulnerabilities in what is called. It asks vuln.go.dev.
	$(GOVULNCHECK) ./...
