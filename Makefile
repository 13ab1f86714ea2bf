# Every task of a developer, by name. The tasks are thin: .ci/run decides what must hold before a change goes in, and
# installs the tools at the versions that it names.
SHELL := /bin/bash
export GOFLAGS := -buildvcs=false
export PATH := $(or $(WARD_CI_BIN),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ward-ci/bin):$(PATH)

# The packages whose tests need no database and no built program, and the tests there that take long all the same.
FAST := ./archive ./archive/diagnose ./docs/... ./internal/messages ./internal/notify/... ./internal/postgres/filelock
SLOW := ^(TestHostile|TestRowGroups|TestSelectReadsWhatItMust|TestEveryByte)$$

# The SQL that is formatted, also what is not in git yet.
SQL = $$(git ls-files -co --exclude-standard '*.sql' ':!testdata')

# What `make test` runs. Narrow it: make test PKG=./review RUN=TestQueue
PKG ?= ./...
RUN ?= .
# What `make bench` runs: tenancy, archive or review; QUICK=--quick for the small size.
BENCH ?= tenancy
QUICK ?=

.DEFAULT_GOAL := help
.PHONY: help tools fmt lint test test-fast sqlc golden prose links bench ci demo

help: ## list these tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools: ## install sqlc, golangci-lint and the tests' S3 server, at the versions of .ci/run
	.ci/run tools

fmt: ## format Go and SQL
	gofmt -w $$(git ls-files -co --exclude-standard '*.go')
	golangci-lint fmt
	go run ./internal/sqlfmt/cmd -w $(SQL)

lint: ## the format of SQL, generated code and pages, prose, links, go vet and golangci-lint: some minutes
	go run ./internal/sqlfmt/cmd -l $(SQL)
	cd queries && sqlc diff
	.ci/run links
	.ci/run prose
	go vet ./...
	golangci-lint run ./...

test: ## every test that `go test` runs; PKG=./review RUN=TestQueue narrows it
	go test -run '$(RUN)' $(PKG)

test-fast: ## the tests that need no database, in less than a minute
	go test -skip '$(SLOW)' $(FAST)

sqlc: ## write the Go of the statements in queries/*.sql anew
	cd queries && sqlc generate

golden: ## write what tests compare with anew: terminal views, generated pages and pictures; read the diff
	go test ./tui -run 'TestGolden' -update
	WARD_WRITE_DOCS=1 go test ./review -run TestRulesDocument
	go test ./cmd/cli -run TestMessagesPage -update
	go test ./docs/check -update
	git diff --stat

prose: ## textlint over the documentation and the list of messages
	.ci/run prose

links: ## links between pages, contents lists, generated pages
	.ci/run links

bench: ## one benchmark; BENCH=review QUICK=--quick chooses another one, smaller
	go run ./cmd/ward bench $(BENCH) $(QUICK)

ci: ## everything that must hold before a change goes in
	.ci/run

demo: ## a whole installation with simulated clinics, and the terminal on it
	go run ./cmd/ward demo
