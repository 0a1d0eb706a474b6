# What people type. `make test` is all that a change needs before it is sent;
# .ci/run is all that it has to pass.

GOLANGCI_VERSION := v2.15.0
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/suokectl/tools
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint

.PHONY: build test race lint linter engines conformance bench docs clean

build: ## the binary, small and reproducible
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o suokectl .

test: ## hermetic: no network, no engines
	go test ./...

race:
	go test -race ./...

lint: $(GOLANGCI)
	$(GOLANGCI) run --allow-parallel-runners ./...
	cd conformance && $(GOLANGCI) run --allow-parallel-runners --config ../.golangci.yml ./...

engines: ## installs the real engines that are not there yet
	cd conformance && go run ./install

conformance: engines ## the contract suites on real engines
	cd conformance && go run ./table

bench: ## ratios against peers
	go run ./bench/startup
	go run ./bench/produce
	go run ./bench/copy
	go run ./bench/consume
	go run ./bench/consumer -scaling
	go run ./bench/search
	go run ./bench/call
	go run ./bench/batch
	go run ./bench/load
	go run ./bench/overhead
	go run ./bench/discover

docs: ## regenerates completions/, docs/reference and docs/man
	go run ./internal/gendocs

clean:
	rm -rf suokectl dist

linter: $(GOLANGCI)

$(GOLANGCI):
	mkdir -p $(@D)
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
