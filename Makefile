# Go alone is needed for build, test and demo; the race detector needs a C compiler too, lint fetches its tool itself, and the
# tests against AWS services need what `make servers` installs (with Node, a JDK and Python).

SHELL       := /bin/bash -o pipefail
BIN         := bin
GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X github.com/seed-56345083/reprise/cmd.version=$(VERSION)
LINT        := $(BIN)/golangci-lint
LINT_VERSION := v2.15.0
# Packages that the race detector runs over. End-to-end tests and those of the image start processes of their own, and have a
# step; so has the certificate of all crash points, whose thousands of runs go over the same code one step at a time.
RACE_PACKAGES = $$($(GO) list ./... | grep -Ev '/(internal/(e2e|crashpoints)|cmd/reprise-syslog|deploy/image)$$')
# SQLite is C made into Go: checking its pointers, as -race does, finds nothing and takes most of the time.
RACE_FLAGS  = -race -gcflags='modernc.org/...=-d=checkptr=0'
FUZZTIME    ?= 30s
BENCHTIME   ?= 1s

.DEFAULT_GOAL := help

.PHONY: help
help: ## show the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/reprise, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/reprise ./cmd/reprise

# The time that the image bears: that of the commit, so that another day's build is the same.
.PHONY: image
image: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
image: ## build bin/image: static binaries, packages for systemd, SBOMs and an OCI image, for amd64 and arm64; CONFIG=reprise.yaml goes into it
	$(GO) run ./deploy/image -o $(BIN)/image -version '$(VERSION)' -revision '$(shell git rev-parse HEAD 2>/dev/null)' -config '$(CONFIG)'

.PHONY: test
test: ## run all tests; make servers installs what those of the AWS drivers need
	.ci/suites $(GO) test -timeout 20m ./...

.PHONY: race
race: ## run all tests but e2e and certificate under the race detector
	CGO_ENABLED=1 .ci/suites $(GO) test $(RACE_FLAGS) -timeout 10m $(RACE_PACKAGES)

.PHONY: certificate
certificate: ## cut every transition of a replay at every call, and print the table
	$(GO) test -count=1 -timeout 10m -run TestCertificate -v ./internal/crashpoints | grep -Ev '^ *(=== |--- PASS)'

.PHONY: e2e
e2e: ## run the end-to-end tests: the built program, several processes, kill -9
	$(GO) test -count=1 -timeout 15m ./internal/e2e/... ./cmd/reprise-syslog ./deploy/image

.PHONY: servers
servers: ## install the servers that the AWS tests run against into bin/servers
	.ci/servers

# The wanted version is part of the check, so that another one is replaced.
.PHONY: lint-tool
lint-tool:
	@$(LINT) version 2>/dev/null | grep -qF 'version $(LINT_VERSION:v%=%) ' || \
		GOBIN=$(abspath $(BIN)) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: lint
lint: lint-tool ## check style, errors and layers
	$(LINT) run ./...

.PHONY: vet
vet: ## run go vet
	$(GO) vet ./...

.PHONY: fuzz
fuzz: ## fuzz every target for FUZZTIME each
	FUZZTIME=$(FUZZTIME) .ci/fuzz

.PHONY: bench
bench: build ## measure the whole program, beside DuckDB; RUNS times each
	$(GO) run ./bench

.PHONY: bench-scaling
bench-scaling: build ## measure it with more and more processes, objects and rows
	$(GO) run ./bench scaling

.PHONY: bench-go
bench-go: ## run the benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

.PHONY: cover
cover: ## measure how much the tests cover
	$(GO) test -coverprofile coverage.out -coverpkg ./... ./...
	$(GO) tool cover -func coverage.out | tail -n 1

.PHONY: demo
demo: build ## make an archive, replay it, kill a worker, compare the results
	./$(BIN)/reprise demo

.PHONY: check
check: export REPRISE_REQUIRE = all
check: ## everything that CI asks for
	$(MAKE) servers
	$(MAKE) build
	$(MAKE) vet
	$(MAKE) lint
	$(MAKE) race
	$(MAKE) certificate
	$(MAKE) e2e
	$(MAKE) fuzz FUZZTIME=3s

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN) coverage.out
