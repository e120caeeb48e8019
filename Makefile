# Undercroft: `make` builds, `make test` checks everything, `make help` tells the rest.

CARGO ?= cargo
BENCH ?=

.PHONY: build test lint docs demo bench large clean help

build: ## Build the whole workspace, optimised
	scripts/install-needs build
	$(CARGO) build --release --locked --workspace

test: lint docs ## Run every check and every test
	scripts/install-needs test
	$(CARGO) test --locked --workspace
	$(CARGO) test --locked -p undercroft-vault --no-default-features

lint: ## Formatting, warnings, licences and banned crates
	scripts/install-needs build lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) deny --log-level error check bans licenses sources

docs: ## Build the documentation; a broken link fails
	scripts/install-needs build
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

demo: build ## Back up a real WordPress, made for the purpose, and show the result
	scripts/demo

bench: build ## Measure beside other tools, two hours; BENCH="--scale 0.02 --only files" for less
	scripts/install-needs build bench
	python3 scripts/bench $(BENCH)

large: ## Show that memory stays bounded with 5 GB of files, 500,000 files and a 2 GB database
	scripts/install-needs build test
	UNDERCROFT_LARGE=1 $(CARGO) test --release --locked -p undercroft-cli --test memory -- --nocapture --test-threads=1

clean: ## Remove what was built
	$(CARGO) clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile
