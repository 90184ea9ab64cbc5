# `make` prints this help. Everything runs in .venv, which the first target that needs it builds from the locks.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
READY := .venv/ready
# Compiled modules are kept whatever the caller's environment says: the tests start programs by the dozen.
export PYTHONDONTWRITEBYTECODE :=
TEST := $(BIN)/python -m pytest -n 2 --dist worksteal
LOCK := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-options \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
SCHEMA := clients/flutter_spec/graphql/schema.graphql

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## build .venv from the hash-pinned locks (done by every other target when needed)

$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Zhangban needs Python 3.11 or newer with venv and pip (PYTHON=/path/to/python3)"; exit 1; }
	@$(PYTHON) -m venv .venv
	@echo "Setting up .venv with $(PYTHON) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## set up, tell the story of a county in the terminal, and leave it running on http://localhost:8000
	@$(BIN)/zhangban demo

serve: $(READY) ## run everything in one process on SQLite in ./var
	@$(BIN)/zhangban serve

test: test-sqlite test-postgres ## run the tests on SQLite, then on PostgreSQL (nothing need be installed)

test-sqlite: $(READY) ## run the tests on SQLite
	@$(TEST) --database sqlite

test-postgres: $(READY) ## run the tests that use a database on PostgreSQL
	@$(TEST) --database postgres

check: $(READY) ## check format, lint, types, import contracts, schema drift
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/zhangban schema | diff -u $(SCHEMA) - || { echo "The contract has drifted: make schema"; exit 1; }

format: $(READY) ## format the code and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lint: $(READY) ## lint only
	@$(BIN)/ruff check .

types: $(READY) ## check types only
	@$(BIN)/mypy .

features: $(READY) ## print feature id -> tests -> result, from the tests' marks
	@rm -rf .features && mkdir .features
	@for database in sqlite postgres; do \
		$(TEST) -m feature --database $$database --features-out .features/$$database.json > .features/$$database.log 2>&1 || true; \
	done
	@$(BIN)/python -m tools.features .features/sqlite.json .features/postgres.json

bench: $(READY) ## print the ratio of every promise, quickly
	@for bench in bench/[!_]*.py; do echo "== $$bench"; $(BIN)/python $$bench --quick || exit 1; done

chaos: $(READY) ## break everything the text gateway and the ferry depend on, and see that nothing is lost or done twice (SIZE=0.1: less)
	@$(BIN)/python -m tests.chaos --size $(or $(SIZE),1)

peers: $(READY) ## try what others have written: the text gateway with Kannel, npm's smpp, smpplib; a department's whole event log
	@$(BIN)/python -m pytest tests/peers

fuzz: $(READY) ## fuzz everything that reads what strangers send, each for SECONDS=60
	@$(BIN)/python -m pytest tests/fuzz
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

schema: $(READY) ## regenerate the client contract
	@$(BIN)/python -m tools.contract --write

lock: $(READY) ## renew the hash-pinned locks from requirements/*.in
	@CUSTOM_COMPILE_COMMAND="make lock" $(LOCK) --output-file requirements/runtime.txt requirements/runtime.in
	@CUSTOM_COMPILE_COMMAND="make lock" $(LOCK) --output-file requirements/dev.txt requirements/dev.in

clean: ## remove what make has built (not ./var)
	@rm -rf .venv .features .fuzz build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup demo serve test test-sqlite test-postgres check format lint types features bench chaos peers fuzz schema lock clean
